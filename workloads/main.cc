// SPDX-License-Identifier: GPL-2.0-only
// The guest's binary: process 1 of a VM, and on the host the one place that knows the tables.
#include <fmt/format.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <system_error>

#include "harness/by_hand.h"
#include "harness/contest.h"
#include "harness/failure.h"
#include "harness/guest.h"
#include "harness/host.h"
#include "harness/matrix.h"
#include "harness/probe.h"
#include "harness/run.h"
#include "harness/seed.h"

namespace faultline {

#define WORKLOAD(id) extern const Workload k_##id;
#include "workloads/workloads.def"
#undef WORKLOAD

namespace {

constexpr const Workload* kWorkloads[] = {
#define WORKLOAD(id) &k_##id,
#include "workloads/workloads.def"
#undef WORKLOAD
};

nlohmann::json tables() {
  nlohmann::json tables;
  for (const FileSystem& fs : file_systems()) {
    tables["fs"].push_back({{"id", fs.id},
                            {"summary", fs.summary},
                            {"default", fs.by_default},
                            {"dax", fs.dax},
                            {"module", fs.module},
                            {"tool", fs.tool},
                            {"check", fs.check},
                            {"mkfs", fs.mkfs},
                            {"options", fs.options}});
  }
  for (const Strategy& strategy : strategies()) {
    nlohmann::json ks = nlohmann::json::array();
    for (const uint64_t k : strategy.writes_per_sync) ks.push_back(writes_per_sync_json(k));
    tables["strategy"].push_back({{"id", strategy.id},
                                  {"summary", strategy.summary},
                                  {"default", strategy.by_default},
                                  {"module", strategy.needs_module()},
                                  {"promises", promise_text(strategy.promise)},
                                  {"writes_per_sync", ks}});
  }
  for (const Workload* workload : kWorkloads) {
    tables[workload->selftest ? "selftest" : "workload"].push_back(
        {{"id", workload->id},
         {"summary", workload->summary},
         {"default", workload->by_default},
         {"touches", workload->touches}});
    for (const TouchKind& kind : workload->kinds) {
      tables["touch"].push_back({{"id", kind.id},
                                 {"summary", std::string(workload->id) + ": " + kind.summary},
                                 {"workload", workload->id},
                                 {"default", true}});
    }
  }
  for (const auto& [id, summary] :
       {std::pair{state_name(State::kHole), "no block"},
        std::pair{state_name(State::kUnwritten), "allocated, not written (fallocate)"},
        std::pair{state_name(State::kWritten), "allocated, written and synced"}}) {
    tables["state"].push_back({{"id", id}, {"summary", summary}, {"default", true}});
  }
  tables["order"] = {
      {{"id", "pte"}, {"summary", "4 KiB entries (MADV_NOHUGEPAGE)"}, {"default", true}},
      {{"id", "pmd"}, {"summary", "2 MiB entries, aligned"}, {"default", false}}};
  tables["probe"] = {
#define PROBE(id, what) {{"id", #id}, {"summary", what}, {"default", true}},
#include "bpf/probes.def"
#undef PROBE
  };
  tables["fault_result"] = {
#define VM_FAULT(id, bit) {{"id", #id}, {"bit", bit}},
#include "bpf/vm_fault.def"
#undef VM_FAULT
  };
  tables["phase"] = {
#define PHASE(id, what) {{"id", #id}, {"summary", what}, {"default", false}},
#include "bpf/phases.def"
#undef PHASE
  };
  for (const Accident& accident : accidents()) {
    tables["vary"].push_back(
        {{"id", accident.id}, {"summary", accident.summary}, {"default", true}});
  }
  for (const ProbesRow& row : kProbesRows) {
    if (row.selftest) continue;
    tables["probes"].push_back(
        {{"id", row.id},
         {"summary", row.summary},
         {"default", row.probes == Probes::kOff || row.probes == Probes::kOn}});
  }
  return tables;
}

struct SeedRange {
  uint64_t first = 0;
  uint64_t last = 0;
};
constexpr uint64_t kMaxSeeds = 1000;

// `N`: 0 to N - 1; `FIRST..LAST`.
SeedRange seeds_named(const std::string& text) {
  SeedRange range;
  const char* const end = text.data() + text.size();
  const auto [dots, bad] = std::from_chars(text.data(), end, range.first);
  if (bad == std::errc() && dots == end && range.first > 0 && range.first <= kMaxSeeds) {
    return {0, range.first - 1};
  }
  const bool two = bad == std::errc() && std::string_view(dots, end).starts_with("..");
  const auto last = two ? std::from_chars(dots + 2, end, range.last) : std::from_chars_result{};
  if (!two || last.ec != std::errc() || last.ptr != end || range.last < range.first ||
      range.last - range.first >= kMaxSeeds) {
    throw Failure(ExitCode::kUsage,
                  fmt::format("--seeds: '{}' is no number and no FIRST..LAST of at most {} seeds",
                              text, kMaxSeeds));
  }
  return range;
}

// `cell`: one cell in a session, by hand or in the background.
struct ByHand {
  std::string fs = "ext4";
  std::string strategy = "map_sync";
  std::string workload = "first_touch";
  std::string state = "hole";
  std::string order = "pte";
  std::string directory;
  uint64_t touches = 512;
  unsigned threads = 1;
  std::optional<uint64_t> warmup;
  std::string probes = "off";
  bool json = false;
};

CLI::App* add_by_hand(CLI::App& app, ByHand& by_hand) {
  CLI::App* cell = app.add_subcommand("cell", "run one cell on a file system that is mounted");
  cell->footer(
      "Names are those of `faultline list`. Example:\n"
      "  faultline-cell --fs xfs --strategy fsync:64 --state unwritten --touches 512");
  cell->add_option("--fs", by_hand.fs, "mounted on /mnt/FS")->capture_default_str();
  cell->add_option("--strategy", by_hand.strategy, "NAME or NAME:K")->capture_default_str();
  cell->add_option("--workload", by_hand.workload)->capture_default_str();
  cell->add_option("--state", by_hand.state, "hole, unwritten, written")->capture_default_str();
  cell->add_option("--order", by_hand.order, "pte or pmd")->capture_default_str();
  cell->add_option("--touches", by_hand.touches)->capture_default_str();
  cell->add_option("--threads", by_hand.threads)->capture_default_str();
  cell->add_option("--warmup", by_hand.warmup, "touches before the measured ones (usually 16)");
  cell->add_option("--dir", by_hand.directory, "another place than /mnt/FS");
  cell->add_flag("--probes{on}", by_hand.probes,
                 "attach faultline's own: on, or --probes=phases, --probes=locks");
  cell->add_flag("--json", by_hand.json, "the row of a result");
  return cell;
}

int run_cell_by_hand(const ByHand& by_hand) {
  // So that `comm` is a name to filter by, whatever loader runs this.
  prctl(PR_SET_NAME, "faultline-cell");
  const char* time = std::getenv("FAULTLINE_TIME");
  Selection selection;
  selection.fs = {by_hand.fs};
  selection.strategy = {by_hand.strategy};
  selection.workload = {by_hand.workload};
  selection.state = {by_hand.state};
  selection.order = {by_hand.order};
  selection.threads = {std::to_string(by_hand.threads)};
  selection.wall = time == nullptr || std::string(time) != "virtual";
  selection.touches = by_hand.touches;
  const std::vector<PlannedCell> planned = plan_cells(selection, kWorkloads);
  if (planned.size() != 1) {
    throw Failure(ExitCode::kUsage, "name one cell, as fsync:64 or first_touch");
  }
  if (!planned.front().skip.empty()) throw Failure(ExitCode::kSkipped, planned.front().skip);
  Cell cell = planned.front().cell;
  cell.kernel = "here";
  cell.vary = kVaryNone;
  cell.probes = probes_named(by_hand.probes);
  const Workload* workload = nullptr;
  for (const Workload* candidate : kWorkloads) {
    if (cell.workload == candidate->id) workload = candidate;
  }
  const nlohmann::json row = run_by_hand(
      cell, *workload, by_hand.directory.empty() ? "/mnt/" + by_hand.fs : by_hand.directory,
      by_hand.warmup);
  std::cout << (by_hand.json ? row.dump() + "\n" : tell_row(row)) << std::flush;
  return row.value("status", "") == "ok" ? 0 : static_cast<int>(ExitCode::kRegression);
}

int guest_command(int argc, char** argv) {
  CLI::App app{"faultline's binary for the guest; on the host it answers what there is to measure"};
  app.require_subcommand(1);
  CLI::App* list = app.add_subcommand("list", "print the tables as JSON");
  CLI::App* plan = app.add_subcommand("plan", "print the cells of a selection as JSON");
  std::map<std::string, std::string> lists;
  for (const char* name : {"fs", "strategy", "workload", "state", "order", "threads", "touch",
                           "attackers", "setting", "dirty-inodes"}) {
    plan->add_option(std::string("--") + name, lists[name]);
  }
  std::string kernel;
  std::string probes = "on,off";
  uint64_t touches = 0;
  std::string seeds = "0..0";
  std::string contest_seeds;
  std::string vary = kVaryAll;
  unsigned repetitions = 1;
  bool wall = false;
  bool samples = false;
  plan->add_option("--kernel", kernel);
  plan->add_option("--probes", probes);
  plan->add_option("--seeds", seeds, "N, or FIRST..LAST");
  plan->add_option("--contest-seeds", contest_seeds, "those of workloads with touches, if others");
  plan->add_option("--vary", vary);
  plan->add_option("--repetitions", repetitions);
  plan->add_flag("--wall", wall);
  plan->add_flag("--samples", samples);
  CLI::Option* touches_option = plan->add_option("--touches", touches);
  std::string directory;
  std::string cell_file;
  int frames = STDOUT_FILENO;
  bool page_cache = false;
  plan->add_option("--dir", directory, "for the file system of this folder, on this kernel");
  plan->add_flag("--allow-page-cache", page_cache);
  CLI::App* host = app.add_subcommand("host", "run a cell in a folder of this machine");
  host->add_option("--dir", directory, "an empty folder")->required();
  host->add_option("--cell", cell_file, "as `plan` prints it; without: only look");
  host->add_option("--frames", frames, "descriptor for the frames of harness/wire.h");
  ByHand by_hand;
  const CLI::App* cell = add_by_hand(app, by_hand);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : static_cast<int>(ExitCode::kUsage);
  }
  if (list->parsed()) {
    std::cout << tables().dump(2) << '\n';
    return 0;
  }
  if (host->parsed()) return host_main(directory, cell_file, frames, kWorkloads);
  if (cell->parsed()) return run_cell_by_hand(by_hand);
  Selection selection;
  selection.fs = split_list(lists["fs"]);
  selection.strategy = split_list(lists["strategy"]);
  selection.workload = split_list(lists["workload"]);
  selection.state = split_list(lists["state"]);
  selection.order = split_list(lists["order"]);
  selection.threads = split_list(lists["threads"]);
  selection.dirty_inodes = split_list(lists["dirty-inodes"]);
  selection.touch = split_list(lists["touch"]);
  selection.attackers = split_list(lists["attackers"]);
  selection.setting = split_list(lists["setting"]);
  selection.wall = wall;
  if (touches_option->count() > 0) selection.touches = touches;
  // A probed cell without its twin would have no tax.
  std::vector<Probes> sets = {Probes::kOff};
  for (const std::string& value : split_list(probes)) {
    const Probes set = probes_named(value);
    if (std::find(sets.begin(), sets.end(), set) == sets.end()) sets.push_back(set);
  }
  const SeedRange of_cells = seeds_named(seeds);
  const SeedRange of_contests = contest_seeds.empty() ? of_cells : seeds_named(contest_seeds);
  if (!is_varied(vary)) {
    std::string known = kVaryAll;
    for (const Accident& accident : accidents()) known += fmt::format(", {}", accident.id);
    throw Failure(ExitCode::kUsage,
                  fmt::format("--vary: no such thing: '{}'; there is: {}", vary, known));
  }
  std::optional<Place> place;
  std::vector<FileSystem> here;
  if (!directory.empty()) {
    place = inspect(directory);
    if (const std::string why = refusal(*place, page_cache); !why.empty()) {
      throw Failure(ExitCode::kUsage, why);
    }
    here.push_back(*place->fs);
    here.back().by_default = true;
  }
  nlohmann::json cells = nlohmann::json::array();
  for (PlannedCell& planned : plan_cells(
           selection, kWorkloads, place ? std::span<const FileSystem>(here) : file_systems())) {
    if (place && planned.skip.empty()) {
      planned.skip = why_not_here(*place, *find_strategy(planned.cell.strategy),
                                  *find_workload(kWorkloads, planned.cell.workload), planned.cell);
    }
    for (const Probes set : sets) {
      const bool probed = set != Probes::kOff;
      // A contest is measured by its parties' own clocks.
      if (probed && !planned.cell.touch.empty()) continue;
      planned.cell.kernel = kernel;
      planned.cell.probes = set;
      planned.cell.vary = place ? kVaryNone : vary;
      planned.cell.samples = samples && probed;
      const SeedRange& range = planned.cell.touch.empty() ? of_cells : of_contests;
      // What is not measured is said once.
      const uint64_t last = planned.skip.empty() ? range.last : range.first;
      const unsigned times = planned.skip.empty() ? repetitions : 1;
      for (uint64_t seed = range.first; seed <= last; ++seed) {
        for (unsigned repetition = 0; repetition < times; ++repetition) {
          planned.cell.seed = seed;
          planned.cell.repetition = repetition;
          nlohmann::json row = empty_row(planned.cell, "skipped", planned.skip);
          row["repetitions"] = times;
          cells.push_back(
              {{"cell", cell_to_json(planned.cell)}, {"skip", planned.skip}, {"row", row}});
        }
      }
    }
  }
  std::cout << cells.dump() << '\n';
  return 0;
}

}  // namespace
}  // namespace faultline

int main(int argc, char** argv) {
  if (getpid() == 1) faultline::guest_main(faultline::kWorkloads);
  try {
    return faultline::guest_command(argc, argv);
  } catch (const faultline::Failure& failure) {
    std::cerr << failure.what() << '\n';
    return static_cast<int>(failure.code());
  } catch (const std::exception& e) {
    std::cerr << e.what() << '\n';
    return static_cast<int>(faultline::ExitCode::kUsage);
  }
}
