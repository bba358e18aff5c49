// SPDX-License-Identifier: GPL-2.0-only
// faultline perf: perf record, by the guest's clock, over one cell; folded stacks and a flame
// graph.
//
// The plan is a run's, the runner is not (campaign/runner.h): that one restores the saved state of
// a plain image and hands back a row, whereas perf's cell is a command of a session that boots with
// the tools' disk, more RAM and a disk for what it writes, and leaves a file. Neither outliers nor
// a result file, which is what a campaign adds, mean anything for it.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <sstream>

#include "campaign/progress.h"
#include "cell/json_text.h"
#include "cell/name.h"
#include "cell/plan.h"
#include "cell/words.h"
#include "cli/fs_row.h"
#include "cli/ranges.h"
#include "cli/session.h"
#include "cli/verbs.h"
#include "vm/command.h"
#include "vm/files.h"

namespace faultline {

namespace fs = std::filesystem;

namespace {

constexpr char kPerfIndex[] = "perf.json";

struct PerfOptions {
  SessionWishes wishes;
  std::string fs = "ext4";
  std::string strategy = "map_sync";
  std::string workload = "first_touch";
  std::string state = "hole";
  std::string out = "perf";
  std::string diff;
  uint64_t touches = 512;
  uint64_t period = 2000;
  bool json = false;
  bool quiet = false;
};

// What runs in the guest; names come as arguments, so that none is read by the shell.
constexpr char kScript[] =
    R"(period=$1; shift
perf record -q -a -e cpu-clock:k -c "$period" -g -o /tmp/perf.data -- "$@" >/out/cell 2>/tmp/perf.err ||
  { cat /tmp/perf.err /out/cell >&2; exit 1; }
perf script -i /tmp/perf.data >/out/script 2>/tmp/perf.err || { cat /tmp/perf.err >&2; exit 1; })";

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

// The cells that the options name; a typing error should not cost a boot.
std::vector<PlannedCell> cells_of(const PerfOptions& options) {
  return plan_cells({.patterns = {{"fs", split_list(options.fs)},
                                  {"strategy", split_list(options.strategy)},
                                  {"workload", split_list(options.workload)},
                                  {"state", split_list(options.state)}}});
}

// What a file of a cell is called, less its ending.
std::string stem_of(const std::string& kernel, const Cell& cell) {
  std::string name = fmt::format("{}-{}-{}-{}-{}", kernel, cell.fs,
                                 strategy_name(cell.strategy, cell.writes_per_sync), cell.workload,
                                 id_of(cell.state));
  // A ':' (fsync:8) is what artifact stores and some file systems refuse.
  return as_file_name(name);
}

// The folder's index, by which `explain --perf` finds a cell's stacks: an entry a cell, one that is
// there already replaced.
void add_to_index(const fs::path& folder, const nlohmann::json& entry) {
  const fs::path file = folder / kPerfIndex;
  std::error_code error;
  nlohmann::json index = nlohmann::json::array();
  if (fs::exists(file, error)) index = parse_json(read_file(file));
  if (!index.is_array()) index = nlohmann::json::array();
  nlohmann::json kept = nlohmann::json::array();
  for (const nlohmann::json& one : index) {
    if (!one.is_object() || one.value("folded", "") != entry.at("folded").get<std::string>())
      kept.push_back(one);
  }
  kept.push_back(entry);
  write_file(file, kept.dump(1) + "\n");
}

// One cell in a guest: NAME.script in `folder`.
void record_cell(const SessionSpec& session, const PerfOptions& options, const Cell& cell,
                 const std::string& name, const Say& say, const CommandContext& context) {
  SessionSpec spec = session;
  spec.command = {"sh",
                  "-c",
                  kScript,
                  "perf",
                  std::to_string(options.period),
                  "faultline-cell",
                  "--fs",
                  cell.fs,
                  "--strategy",
                  strategy_name(cell.strategy, cell.writes_per_sync),
                  "--workload",
                  cell.workload,
                  "--state",
                  id_of(cell.state),
                  "--touches",
                  std::to_string(options.touches)};
  const TempDir got(options.out);
  spec.out = got.path();
  spec.keep_output = true;
  say(fmt::format("recording {}", name));
  const SessionEnd end = run_session(spec, *context.interrupted);
  if (!end.guest.ok() || !end.code) {
    for (const std::string& line : end.guest.console_tail) say("  | " + line);
    throw Failure(
        *context.interrupted ? ExitCode::kUsage : ExitCode::kVmFailed,
        end.guest.message.empty() ? "the guest ended before its command" : end.guest.message);
  }
  if (*end.code != 0) {
    throw Failure(ExitCode::kUsage, fmt::format("{}: perf or its cell failed: {}", name,
                                                end.err.empty() ? end.out : end.err));
  }
  std::error_code error;
  const fs::path script = fs::path(options.out) / (name + ".script");
  // A link would be read, and the guest has made it.
  if (!fs::is_regular_file(fs::symlink_status(got.path() / "script", error))) {
    throw Failure(ExitCode::kVmFailed, fmt::format("{}: the guest left no file of perf's", name));
  }
  fs::rename(got.path() / "script", script, error);
  if (error) throw_io_failure("cannot write", script, error.value());
}

ExitCode record(const PerfOptions& options, const CommandContext& context) {
  const std::vector<PlannedCell> cells = cells_of(options);
  std::error_code error;
  if (!options.diff.empty() && !fs::is_regular_file(options.diff, error)) {
    throw Failure(ExitCode::kUsage,
                  fmt::format("--diff: {}: no such file; give the .folded of another `faultline "
                              "perf`",
                              options.diff));
  }
  const fs::path cache = cache_dir();
  make_dirs(cache);
  make_dirs(options.out);
  ProgressLine progress(options.quiet);
  const Say say = [&](const std::string& line) { progress.say(line); };
  nlohmann::json written = nlohmann::json::array();
  for (const PlannedCell& planned : cells) {
    const Cell& cell = planned.cell;
    if (!planned.skip.empty()) {
      say(fmt::format("{}/{}: skipped: {}", cell.fs, cell.strategy, planned.skip));
      continue;
    }
    Cell measured = cell;
    measured.touches = options.touches;
    check_fits(measured, VmSpec{}.pmem_mib);
    SessionWishes wishes = options.wishes;
    wishes.fs = {cell.fs};
    const SessionSpec session = make_session(context, wishes, cache, *context.interrupted, say);
    const std::string name = stem_of(session.kernel, cell);
    const fs::path stem = fs::path(options.out) / name;
    record_cell(session, options, cell, name, say, context);
    draw(context, stem, name, options.touches, options.diff, say);
    add_to_index(options.out, {{"kernel", session.kernel},
                               {"fs", cell.fs},
                               {"strategy", cell.strategy},
                               {"writes_per_sync", writes_per_sync_json(cell.writes_per_sync)},
                               {"workload", cell.workload},
                               {"state", id_of(cell.state)},
                               {"folded", name + ".folded"},
                               {"svg", name + ".svg"}});
    written.push_back(
        {{"cell", name},
         {"folded", stem.string() + ".folded"},
         {"svg", stem.string() + ".svg"},
         {"diff", options.diff.empty() ? nlohmann::json(nullptr)
                                       : nlohmann::json(stem.string() + ".diff.svg")}});
    if (!options.json) fmt::print("{}.svg\n", stem.string());
  }
  if (options.json) fmt::print("{}\n", written.dump(1));
  return written.empty() ? ExitCode::kSkipped : ExitCode::kPass;
}

}  // namespace

Verb add_perf(CLI::App& app) {
  auto options = std::make_shared<PerfOptions>();
  CLI::App* perf =
      app.add_subcommand("perf", "Where a fault spends its instructions: perf record, flame graph");
  perf->footer(
      "Samples every --period instructions of the guest's clock, in the kernel, over one cell per\n"
      "file system and strategy; keeps what faults ran and what the kernel's threads ran for\n"
      "their syncs. Writes NAME.script (perf script), NAME.folded and NAME.svg into --out.\n\n"
      "Examples:\n  faultline perf --strategy map_sync,fsync:1 --out perf\n"
      "  faultline perf --strategy volatile \\\n"
      "      --diff perf/bookworm-ext4-map_sync-first_touch-hole.folded");
  perf->add_option("--kernel", options->wishes.kernel, "name, or [NAME=]PATH of a bzImage")
      ->capture_default_str();
  perf->add_option("--modules", options->wishes.modules, "modules folder of --kernel PATH");
  perf->add_option("--fs", options->fs, "file systems")->capture_default_str();
  fs_row_of(perf);
  perf->add_option("--strategy", options->strategy, "strategies, NAME or NAME:K")
      ->capture_default_str();
  perf->add_option("--workload", options->workload, "workload")->capture_default_str();
  perf->add_option("--state", options->state, "hole, unwritten, written, shared")
      ->capture_default_str();
  touches_of(perf->add_option("--touches", options->touches, "measured stores"))
      ->capture_default_str();
  // With a sample every few instructions the guest does nothing else.
  whole_numbers(perf->add_option("--period", options->period, "instructions between two samples"),
                100, 1'000'000'000)
      ->capture_default_str();
  perf->add_option("--diff", options->diff, "folded stacks to compare with");
  perf->add_option("--out", options->out, "folder of what is written")->capture_default_str();
  perf->add_flag("--json", options->json, "print what was written as JSON");
  perf->add_flag("--quiet", options->quiet, "no progress");
  return {perf, [options](const CommandContext& context) { return record(*options, context); }};
}

}  // namespace faultline
