// SPDX-License-Identifier: GPL-2.0-only
// faultline probes: which probe attaches where on a kernel, by which means, and why one cannot.
#include <fmt/format.h>

#include <memory>

#include "campaign/machine.h"
#include "campaign/progress.h"
#include "cell/json_text.h"
#include "cell/plan.h"
#include "cell/skip.h"
#include "cell/words.h"
#include "cli/fs_row.h"
#include "cli/verbs.h"
#include "vm/files.h"
#include "vm/kernel_table.h"
#include "vm/saved_state.h"

namespace faultline {
namespace {

struct ProbesOptions {
  std::string kernel = kernel_table().front().id;
  std::string modules;
  std::string fs = "ext4,ext4-fc,xfs";
  bool json = false;
};

// What the guest says of its probes, or why there is none that could.
struct Answer {
  nlohmann::json points;
  ExitCode code = ExitCode::kPass;
};

Answer ask_guest(StateCache& states, const VmSpec& spec, const Deadlines& deadlines,
                 const std::atomic<bool>& cancel, ProgressLine& progress) {
  const StateOutcome made = states.obtain(spec, deadlines, cancel);
  if (!made.state) {
    progress.say(made.outcome.message);
    for (const std::string& line : made.outcome.console_tail) progress.say("  | " + line);
    return {nullptr, cancel ? ExitCode::kUsage : ExitCode::kVmFailed};
  }
  const nlohmann::json ready = parse_json(made.state->ready);
  return {ready.is_object() ? ready.value("probes", nlohmann::json::array()) : nullptr,
          ExitCode::kPass};
}

// One table: a point that several sets have stands once, with the sets that have it.
void print_points(const nlohmann::json& points) {
  std::vector<nlohmann::json> rows;
  for (const nlohmann::json& point : points) {
    nlohmann::json same = point;
    same.erase("set");
    bool found = false;
    for (nlohmann::json& row : rows) {
      if (row.at("point") != same) continue;
      row["sets"] = row["sets"].get<std::string>() + "," + point.at("set").get<std::string>();
      found = true;
    }
    if (!found) rows.push_back({{"point", same}, {"sets", point.at("set")}});
  }
  fmt::print("{:<23} {:<9} {:<29} {}\n", "point", "means", "where", "sets");
  for (const nlohmann::json& row : rows) {
    const nlohmann::json& point = row.at("point");
    const auto means = point.at("means").get<std::string>();
    const auto error = point.at("error").get<std::string>();
    const auto id = point.at("id").get<std::string>();
    const auto sets = row.at("sets").get<std::string>();
    const auto target = point.at("target").get<std::string>();
    fmt::print("{:<23} {:<9} {:<29} {}\n", id, means.empty() ? "-" : means, target, sets);
    for (std::string text = error; !text.empty();) {
      const size_t line = std::min<size_t>(text.size(), 72);
      fmt::print("    {}\n", text.substr(0, line));
      text.erase(0, line);
    }
  }
}

ExitCode show_probes(const ProbesOptions& options, const CommandContext& context) {
  ProgressLine progress(false);
  const Say say = [&](const std::string& line) { progress.say(line); };
  const std::filesystem::path cache = cache_dir();
  make_dirs(cache);
  std::vector<std::string> file_systems;
  const Selection selection{.patterns = {{"fs", split_list(options.fs)},
                                         {"strategy", {"volatile"}},
                                         {"state", {id_of(State::kHole)}}}};
  for (const PlannedCell& planned : plan_cells(selection)) file_systems.push_back(planned.cell.fs);
  StateCache states(cache, say);
  const Deadlines deadlines{.boot_s = 300};
  nlohmann::json all = nlohmann::json::object();
  ExitCode code = ExitCode::kPass;
  for (const FetchedKernel& kernel : obtain_kernels(options.kernel, options.modules, cache, say)) {
    const GuestImage image = make_guest_image(context, kernel, cache, say);
    for (const std::string& fs : file_systems) {
      if (const char* module = find_file_system(fs)->module; image.lacks.contains(module)) {
        progress.say(fmt::format("{}, {}: skipped: {}", kernel.id, fs,
                                 without_module(kernel.release, module)));
        all[kernel.id][fs] = nullptr;
        continue;
      }
      VmSpec spec = guest_spec(kernel, image.path, fs, Accel::kTcgIcount);
      const Answer answer = ask_guest(states, spec, deadlines, *context.interrupted, progress);
      if (answer.code != ExitCode::kPass) code = answer.code;
      all[kernel.id][fs] = answer.points;
      if (options.json || answer.points.is_null()) continue;
      fmt::print("{} (kernel {}), {}\n", kernel.id, kernel.release, fs);
      print_points(answer.points);
      fmt::print("\n");
    }
  }
  if (options.json) fmt::print("{}\n", all.dump(1));
  return code;
}

}  // namespace

Verb add_probes(CLI::App& app) {
  auto options = std::make_shared<ProbesOptions>();
  CLI::App* probes = app.add_subcommand(
      "probes", "Print which probe attaches where on a kernel, and by which means");
  probes->footer(
      "Boots the kernel once per file system, or asks its saved state.\n\n"
      "Examples:\n  faultline probes --kernel 5.10 --fs xfs\n"
      "  faultline probes --kernel all --json\n"
      "  faultline probes --kernel ./bzImage --modules ./mods/lib/modules/6.9.0");
  probes->add_option("--kernel", options->kernel, "kernels, `all`, or [NAME=]PATH of a bzImage")
      ->capture_default_str();
  probes->add_option("--modules", options->modules, "modules folder that belongs to --kernel PATH");
  probes->add_option("--fs", options->fs, "file systems")->capture_default_str();
  fs_row_of(probes);
  probes->add_flag("--json", options->json, "as JSON: {KERNEL: {FS: [{set, id, ...}]}}");
  return {probes,
          [options](const CommandContext& context) { return show_probes(*options, context); }};
}

}  // namespace faultline
