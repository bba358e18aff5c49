// SPDX-License-Identifier: GPL-2.0-only
// A selection of cells to one result file: plan, runner, outliers, result. `faultline run` is this
// with options; other verbs ask for it directly.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "campaign/context.h"
#include "campaign/result.h"
#include "campaign/runner.h"
#include "cell/failure.h"
#include "cell/row.h"

namespace faultline {

struct RunWish {
  std::map<std::string, std::string> lists = {};  // names and globs by axis id, with commas
  std::string preset = {};                        // a selection by name; `lists` go before it
  std::string probes = "on,off";
  std::uint64_t touches = 0;  // measured stores per cell; 0: the workload's own
  std::string seeds = {};     // virtual time: N or FIRST..LAST; empty: the default
  // How many of the seeds cells with probes get, since these tell of counts and a tax alone; 0: one
  // where `seeds` is the default, else all.
  std::uint64_t probe_seeds = 0;
  std::uint64_t observe_seeds = 0;  // of the seeds, how many from the first on are observed; 0: all
  unsigned repetitions = 0;         // wall time; 0: one
  std::string vary = kVaryAll;
  // A sample further off its cell's median, in percent, is measured again to learn why. The
  // accidents that all figures carry are below (docs/repeatability.md).
  double outlier = 3;
  std::string shard = {};  // I/N: every Nth cell from the Ith on
  bool reverse = false;    // the last cell first
  bool samples = false;    // keep a record per event
  VmWish vm = {};
  std::optional<HostWish> host = std::nullopt;  // on the machine itself, and not in a VM
  unsigned jobs = 0;   // cells side by side; 0: as many as do not touch each other
  double total_s = 0;  // seconds for everything; 0: no limit
  std::string out = "out";
  bool force = false;  // replace a result that is there
  // A result of the same wish, in `out`, to go on with: what is `ok` in it is not measured again.
  std::optional<ReadResult> resume = std::nullopt;
  // The context of a result that is measured again. Failure(kUsage) before anything is measured
  // when its kernels cannot be had any more; what else is another by now is said.
  nlohmann::json like = {};
  bool quiet = false;  // no progress
};

struct RunEnd {
  ExitCode code = ExitCode::kPass;
  nlohmann::json context = {};
  std::vector<Row> rows = {};
};

// Writes OUT/result.json as it goes. Failure(kUsage) before anything is measured when the wish
// cannot be.
RunEnd run_campaign(const RunWish& wish, const CommandContext& context);

// What a run would come to. Lives are guests' lives: a sample of a cell under a set of probes.
struct RunPlan {
  std::size_t cells = 0;
  std::size_t lives = 0;
  std::size_t boots = 0;  // at most: a state that is kept need not boot again
  unsigned workers = 1;
  std::map<std::string, std::size_t> skipped = {};  // cells by reason
  double life_s = 0;   // real seconds of one core for all lives, as the workloads' rows have them
  double seconds = 0;  // until it is done
  std::vector<bool> measured = {};  // whether each is, the skipped ones too, in the order of shards
};
// Boots and fetches nothing, and writes nothing. Failure as of run_campaign().
RunPlan plan_campaign(const RunWish& wish, const CommandContext& context);
// Estimates the real seconds of a run, of the lives and at 8 s for each boot, over `workers`. Pure.
double about_seconds(double life_s, std::size_t boots, unsigned workers);
// The plan as a text for a terminal. Pure.
std::string plan_text(const RunPlan& plan);

// A selection with a name.
struct Preset {
  const char* id;
  const char* summary;
  std::map<std::string, std::string> lists;  // by axis id
  std::uint64_t touches;
};
const std::vector<Preset>& presets();

// The part of the rows that a run measures: those of cells whose number is `index` modulo `count`.
struct Shard {
  std::size_t index = 0;
  std::size_t count = 1;
};
// Reads a shard, as "2/3"; an empty text is all rows. Failure(kUsage).
Shard shard_named(const std::string& text);

}  // namespace faultline
