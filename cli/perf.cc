// SPDX-License-Identifier: GPL-2.0-only
// faultline perf: perf record, by the guest's clock, over one cell; folded stacks and a flame
// graph.
#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "campaign/perf_campaign.h"
#include "cell/axes.h"
#include "cli/fs_row.h"
#include "cli/ranges.h"
#include "cli/verbs.h"
#include "vm/command.h"

namespace faultline {

namespace fs = std::filesystem;

namespace {

struct PerfOptions {
  PerfWish wish;
  std::string diff;
  bool json = false;
};

// Folds and draws what was recorded, and passes on what reports/ notes of it (lines left out).
// Failure(kUsage) with reports/' own words.
void draw(const CommandContext& context, const fs::path& stem, const std::string& title,
          uint64_t touches, const std::string& diff, const Say& say) {
  std::vector<std::string> command = report_command(context);
  const auto draw_one = [&](std::vector<std::string> more) {
    std::vector<std::string> arguments = command;
    arguments.emplace_back("flamegraph");
    arguments.insert(arguments.end(), more.begin(), more.end());
    arguments.insert(arguments.end(), {"--unit", "instr"});
    const CommandOutput output = run_command(arguments);
    if (output.status != 0) {
      throw Failure(ExitCode::kUsage, output.error.substr(0, output.error.find('\n')));
    }
    std::istringstream notes(output.error);
    for (std::string note; std::getline(notes, note);) say(note);
  };
  draw_one({stem.string() + ".script", "--perf-script", "--faults", "--folded",
            stem.string() + ".folded", "--touches", std::to_string(touches), "--out",
            stem.string() + ".svg", "--title", title});
  if (!diff.empty()) {
    draw_one({stem.string() + ".folded", "--diff", diff, "--out", stem.string() + ".diff.svg",
              "--title", title + " against " + fs::path(diff).stem().string()});
  }
}

ExitCode record(const PerfOptions& options, const CommandContext& context) {
  std::error_code error;
  if (!options.diff.empty() && !fs::is_regular_file(options.diff, error)) {
    throw Failure(ExitCode::kUsage,
                  fmt::format("--diff: {}: no such file; give the .folded of another `faultline "
                              "perf`",
                              options.diff));
  }
  nlohmann::json written = nlohmann::json::array();
  const auto draw_and_tell = [&](const PerfCell& cell, const Say& say) {
    draw(context, cell.stem, cell.name, options.wish.touches, options.diff, say);
    const std::string stem = cell.stem.string();
    written.push_back({{"cell", cell.name},
                       {"folded", stem + ".folded"},
                       {"svg", stem + ".svg"},
                       {"diff", options.diff.empty() ? nlohmann::json(nullptr)
                                                     : nlohmann::json(stem + ".diff.svg")},
                       {"remembered", cell.remembered}});
    if (!options.json) fmt::print("{}.svg\n", stem);
  };
  run_perf_campaign(options.wish, draw_and_tell, context);
  if (options.json) fmt::print("{}\n", written.dump(1));
  return written.empty() ? ExitCode::kSkipped : ExitCode::kPass;
}

}  // namespace

Verb add_perf(CLI::App& app) {
  auto options = std::make_shared<PerfOptions>();
  CLI::App* perf =
      app.add_subcommand("perf", "Where a fault spends its instructions: perf record, flame graph");
  perf->footer(
      "Samples every --period instructions of the guest's clock, in the kernel, over\n"
      "one cell per file system and strategy; keeps what faults ran and what threads\n"
      "of the kernel ran for their syncs. Writes NAME.script (perf script), NAME.folded\n"
      "and NAME.svg into --out. A cell that is there already, of the same options and\n"
      "build, is not recorded again.\n\n"
      "Examples:\n  faultline perf --strategy map_sync,fsync:1 --out perf\n"
      "  faultline perf --strategy volatile \\\n"
      "      --diff perf/bookworm-ext4-map_sync-first_touch-hole.folded");
  perf->add_option("--kernel", options->wish.session.kernel, "name, or [NAME=]PATH of a bzImage")
      ->capture_default_str();
  perf->add_option("--modules", options->wish.session.modules, "modules folder of --kernel PATH");
  perf->add_option("--fs", options->wish.fs, "file systems")->capture_default_str();
  fs_row_of(perf);
  perf->add_option("--strategy", options->wish.strategy, "strategies, NAME or NAME:K")
      ->capture_default_str();
  perf->add_option("--workload", options->wish.workload, "workload")->capture_default_str();
  perf->add_option("--state", options->wish.state, axis_help(*find_axis("state")))
      ->capture_default_str();
  touches_of(perf->add_option("--touches", options->wish.touches, "measured stores"))
      ->capture_default_str();
  // With a sample every few instructions the guest does nothing else.
  whole_numbers(
      perf->add_option("--period", options->wish.period, "instructions between two samples"), 100,
      1'000'000'000)
      ->capture_default_str();
  perf->add_option("--diff", options->diff, "folded stacks to compare with");
  perf->add_option("--out", options->wish.out, "folder of what is written")->capture_default_str();
  perf->add_flag("--force", options->wish.force, "record again what is in --out already");
  perf->add_flag("--json", options->json, "print what was written as JSON");
  perf->add_flag("--quiet", options->wish.quiet, "no progress");
  return {perf, [options](const CommandContext& context) { return record(*options, context); }};
}

}  // namespace faultline
