// SPDX-License-Identifier: GPL-2.0-only
// faultline profile: every instruction of a cell's loop, by function and stack, for the tools that
// show profiles.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "campaign/run_campaign.h"
#include "cell/name.h"
#include "cell/words.h"
#include "cli/fs_row.h"
#include "cli/ranges.h"
#include "cli/verbs.h"
#include "observe/export.h"
#include "vm/command.h"
#include "vm/files.h"
#include "vm/own_kernel.h"

namespace faultline {

namespace fs = std::filesystem;

namespace {

struct ProfileOptions {
  std::vector<std::string> cells;
  VmWish vm;
  std::string out = "profile";
  std::string diff;
  std::uint64_t touches = 0;
  std::uint64_t seed = 0;
  bool json = false;
  bool quiet = false;
};

struct Profiled {
  std::string name;  // of its files
  Row row;
  observe::Profile profile;
};

Profiled measure(const std::string& text, const ProfileOptions& options,
                 const CommandContext& context) {
  const std::optional<CellName> name = parse_cell_name(text);
  if (!name) {
    throw Failure(ExitCode::kUsage, fmt::format("{} is no cell's name; a result has them, as "
                                                "ext4/map_sync/first_touch/hole/pte/t1",
                                                text));
  }
  std::optional<Profiled> profiled;
  const TempDir work(temp_dir(), "faultline-profile-");
  RunWish wish{.probes = id_of(Probes::k_off),
               .touches = options.touches,
               .seeds = fmt::format("{0}..{0}", options.seed),
               .vm = options.vm,
               .out = (work.path() / "result").string(),
               .quiet = options.quiet};
  for (const auto& [axis, value] : name->axes) wish.lists[axis] = value;
  if (!name->kernel.empty()) wish.vm.kernel = name->kernel;
  wish.vm.observe = {.profile = true, .vector = true};
  wish.vm.observe.geometry = geometry_named("", context.parts.caches);
  wish.vm.on_profile = [&](const Row& row, const observe::Profile& profile) {
    std::string file = *row.cell;
    for (char& c : file) c = c == '/' ? '-' : c;
    profiled = Profiled{.name = as_file_name(file), .row = row, .profile = profile};
  };
  std::string unobserved;
  wish.vm.on_unobserved = [&](const std::string& why) { unobserved = why; };
  const RunEnd end = run_campaign(wish, context);
  if (profiled) return std::move(*profiled);
  const std::string why = end.rows.empty() ? "" : static_cast<std::string>(end.rows.front().reason);
  throw Failure(end.code == ExitCode::kPass ? ExitCode::kUsage : end.code,
                fmt::format("{}: {}", text, why.empty() ? "not observed: " + unobserved : why));
}

// Flame graphs are drawn by reports/. Failure(kUsage) with its own words.
void draw(const CommandContext& context, const std::vector<std::string>& more) {
  std::vector<std::string> command = report_command(context);
  command.emplace_back("flamegraph");
  command.insert(command.end(), more.begin(), more.end());
  command.insert(command.end(), {"--unit", "instr"});
  const CommandOutput output = run_command(command);
  if (output.status == 0) return;
  throw Failure(ExitCode::kUsage, output.error.substr(0, output.error.find('\n')));
}

void print_dearest(const std::vector<FunctionCost>& costs, double pages) {
  constexpr std::size_t kShown = 12;
  for (std::size_t i = 0; i < std::min(costs.size(), kShown); ++i) {
    fmt::print("{:10.1f}  {}\n", static_cast<double>(costs[i].second) / pages, costs[i].first);
  }
}

ExitCode profile_cells(const ProfileOptions& options, const CommandContext& context) {
  std::error_code error;
  if (!options.diff.empty() && !fs::is_regular_file(options.diff, error)) {
    throw Failure(ExitCode::kUsage,
                  fmt::format("--diff: {}: no such file; give the .folded of another `faultline "
                              "profile`",
                              options.diff));
  }
  make_dirs(options.out);
  nlohmann::json written = nlohmann::json::array();
  for (const std::string& text : options.cells) {
    const Profiled cell = measure(text, options, context);
    const std::string stem = (fs::path(options.out) / cell.name).string();
    write_file(stem + ".folded", observe::folded(cell.profile));
    write_file(stem + ".callgrind", observe::callgrind(cell.profile, *cell.row.cell));
    write_file(stem + ".pb.gz", observe::pprof(cell.profile, *cell.row.cell));
    draw(context, {stem + ".folded", "--out", stem + ".svg", "--title", *cell.row.cell});
    if (!options.diff.empty()) {
      draw(context,
           {stem + ".folded", "--diff", options.diff, "--out", stem + ".diff.svg", "--title",
            *cell.row.cell + " against " + fs::path(options.diff).stem().string()});
    }
    written.push_back({{"cell", *cell.row.cell},
                       {"per_page", *cell.row.per_page},
                       {"path", **cell.row.path},
                       {"parties", (*cell.row.profile)->parties},
                       {"vector", json_of(**cell.row.vector)},
                       {"files", stem}});
    if (options.json) continue;
    fmt::print("{}: {:.1f} instr per page, its own path {:.1f}\n", *cell.row.cell,
               *cell.row.per_page, **cell.row.path);
    const auto pages = static_cast<double>(*cell.row.pages);
    print_dearest((*cell.row.profile)->functions, pages);
    const VectorFigures& vector = **cell.row.vector;
    fmt::print("{:.1f} bytes per page stored to pmem, {:.1f} times what was changed\n",
               vector.bytes, vector.amplification.value_or(0));
    print_dearest(*vector.writers, pages);
    fmt::print("{}.{{callgrind,folded,svg,pb.gz}}\n", stem);
  }
  if (options.json) fmt::print("{}\n", written.dump(1));
  return ExitCode::kPass;
}

}  // namespace

Verb add_profile(CLI::App& app) {
  auto options = std::make_shared<ProfileOptions>();
  CLI::App* profile = app.add_subcommand(
      "profile", "Every instruction of a cell, by function and stack, watched from outside");
  profile->footer(
      "Writes NAME.callgrind (KCachegrind, callgrind_annotate), NAME.folded,\n"
      "NAME.svg (flame graph) and NAME.pb.gz (pprof) into --out. Counts, not\n"
      "samples: their sum is the figure.\n\n"
      "Examples:\n"
      "  faultline profile ext4/map_sync/first_touch/hole/pte/t1 --out profile\n"
      "  callgrind_annotate \\\n"
      "      profile/bookworm-ext4-map_sync-first_touch-hole-pte-t1.callgrind");
  profile->add_option("cell", options->cells, "names of cells, as a result has them")->required();
  profile
      ->add_option("--kernel", options->vm.kernel,
                   "name, or [NAME=]PATH of a bzImage, of cells whose name has none")
      ->capture_default_str();
  profile->add_option("--modules", options->vm.modules, "modules folder of --kernel PATH");
  fs_row_of(profile);
  touches_of(profile->add_option("--touches", options->touches,
                                 "measured stores per cell (default: the workload's)"));
  whole_numbers(profile->add_option("--seed", options->seed, "which accidents it has"), 0,
                kMostSeeds - 1)
      ->capture_default_str();
  profile->add_option("--diff", options->diff, "folded stacks to compare with");
  profile->add_option("--out", options->out, "folder of what is written")->capture_default_str();
  profile->add_flag("--json", options->json, "print what was written as JSON");
  profile->add_flag("--quiet", options->quiet, "no progress");
  return {profile,
          [options](const CommandContext& context) { return profile_cells(*options, context); }};
}

}  // namespace faultline
