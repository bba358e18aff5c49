// SPDX-License-Identifier: GPL-2.0-only
// The plan is a run's, the runner is not (campaign/runner.h): that one restores the saved state of
// a plain image and hands back a row. Outliers mean nothing for a record.
#include "campaign/perf_campaign.h"

#include <fmt/format.h>

#include <algorithm>

#include "campaign/asked.h"
#include "campaign/progress.h"
#include "cell/json_text.h"
#include "cell/name.h"
#include "cell/plan.h"
#include "cell/words.h"
#include "vm/files.h"

namespace faultline {

namespace fs = std::filesystem;

namespace {

// What runs in the guest; names come as arguments, so that none is read by the shell.
constexpr char kScript[] =
    R"(period=$1; shift
perf record -q -a -e cpu-clock:k -c "$period" -g -o /tmp/perf.data -- "$@" >/out/cell 2>/tmp/perf.err ||
  { cat /tmp/perf.err /out/cell >&2; exit 1; }
perf script -i /tmp/perf.data >/out/script 2>/tmp/perf.err || { cat /tmp/perf.err >&2; exit 1; })";

// The cells that the options name; a typing error should not cost a boot.
std::vector<PlannedCell> perf_cells(const PerfWish& wish) {
  return plan_cells({.patterns = {{"fs", split_list(wish.fs)},
                                  {"strategy", split_list(wish.strategy)},
                                  {"workload", split_list(wish.workload)},
                                  {"state", split_list(wish.state)}}});
}

// What a file of a cell is called, less its ending.
std::string stem_of(const std::string& kernel, const Cell& cell) {
  std::string name = fmt::format("{}-{}-{}-{}-{}", kernel, cell.fs,
                                 strategy_name(cell.strategy, cell.writes_per_sync), cell.workload,
                                 id_of(cell.state));
  // A ':' (fsync:8) is what artifact stores and some file systems refuse.
  return as_file_name(name);
}

// What the cell is, without the question of which it is the answer.
nlohmann::json entry_of(const std::string& kernel, const Cell& cell, const std::string& name) {
  return {
      {"kernel", kernel},           {"fs", cell.fs},
      {"strategy", cell.strategy},  {"writes_per_sync", writes_per_sync_json(cell.writes_per_sync)},
      {"workload", cell.workload},  {"state", id_of(cell.state)},
      {"folded", name + ".folded"}, {"svg", name + ".svg"}};
}

nlohmann::json read_index(const fs::path& folder) {
  const fs::path file = folder / kPerfIndex;
  std::error_code error;
  nlohmann::json index = nlohmann::json::array();
  if (fs::exists(file, error)) index = parse_json(read_file(file));
  return index.is_array() ? index : nlohmann::json::array();
}

// Puts an entry into the index, in the place of one that is there of the same cell.
void add_to_index(const fs::path& folder, const nlohmann::json& entry) {
  nlohmann::json kept = nlohmann::json::array();
  for (const nlohmann::json& one : read_index(folder)) {
    if (!one.is_object() || one.value("folded", "") != entry.at("folded").get<std::string>())
      kept.push_back(one);
  }
  kept.push_back(entry);
  write_file(folder / kPerfIndex, kept.dump(1) + "\n");
}

std::string perf_question(const PerfWish& wish, const Cell& cell, const std::string& kernel,
                          const CommandContext& context) {
  nlohmann::json options = {{"cell", entry_of(kernel, cell, "")},
                            {"accel", wish.session.accel},
                            {"touches", wish.touches},
                            {"period", wish.period}};
  add_given_rows(options);
  return asked_key(options, build_with(context, wish.session.kernel));
}

// One cell in a guest: NAME.script in `folder`.
void record_cell(const SessionSpec& session, const PerfWish& wish, const Cell& cell,
                 const std::string& name, const Say& say, const CommandContext& context) {
  SessionSpec spec = session;
  spec.command = {"sh",
                  "-c",
                  kScript,
                  "perf",
                  std::to_string(wish.period),
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
                  std::to_string(wish.touches)};
  const TempDir got(wish.out);
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
  const fs::path script = fs::path(wish.out) / (name + ".script");
  // A link would be read, and the guest has made it.
  if (!fs::is_regular_file(fs::symlink_status(got.path() / "script", error))) {
    throw Failure(ExitCode::kVmFailed, fmt::format("{}: the guest left no file of perf's", name));
  }
  fs::rename(got.path() / "script", script, error);
  if (error) throw_io_failure("cannot write", script, error.value());
}

}  // namespace

std::vector<PerfCell> run_perf_campaign(const PerfWish& wish, const PerfDraw& draw,
                                        const CommandContext& context) {
  const std::vector<PlannedCell> cells = perf_cells(wish);
  const fs::path cache = cache_dir();
  make_dirs(cache);
  make_dirs(wish.out);
  ProgressLine progress(wish.quiet);
  const Say say = [&](const std::string& line) { progress.say(line); };
  std::vector<PerfCell> recorded;
  for (const PlannedCell& planned : cells) {
    Cell cell = planned.cell;
    if (!planned.skip.empty()) {
      say(fmt::format("{}/{}: skipped: {}", cell.fs, cell.strategy, planned.skip));
      continue;
    }
    cell.touches = wish.touches;
    check_fits(cell, VmSpec{}.pmem_mib);
    SessionWishes wishes = wish.session;
    wishes.fs = {cell.fs};
    const SessionSpec session = make_session(context, wishes, cache, *context.interrupted, say);
    PerfCell one{.name = stem_of(session.kernel, cell)};
    one.stem = fs::path(wish.out) / one.name;
    nlohmann::json entry = entry_of(session.kernel, cell, one.name);
    // Its hash, since the whole is long.
    entry["asked"] = sha256_of(perf_question(wish, cell, session.kernel, context));
    std::error_code error;
    one.remembered = !wish.force && fs::exists(one.stem.string() + ".script", error) &&
                     std::ranges::any_of(read_index(wish.out), [&](const nlohmann::json& other) {
                       return other == entry;
                     });
    if (one.remembered) {
      say(fmt::format("{} is there (recorded before); --force records it again", one.name));
    } else {
      record_cell(session, wish, cell, one.name, say, context);
    }
    draw(one, say);
    add_to_index(wish.out, entry);
    recorded.push_back(std::move(one));
  }
  return recorded;
}

}  // namespace faultline
