// SPDX-License-Identifier: GPL-2.0-only
// A cell of a workload with touches: many runs of one contest (contest_run.h), in one guest life.
// In virtual time they scan the period and the phase of the touchers' timer; in wall time they are
// repetitions. What the runs come to is arithmetic and stands apart from running them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cell/cell.h"
#include "harness/contest_run.h"
#include "harness/run_context.h"
#include "harness/workload.h"
#include "kmod/faultline_ioctl.h"

namespace faultline {

// The touchers' timer in one run. A period of 0: they touch in a tight loop, or nobody touches.
struct ScanPoint {
  uint64_t period_us = 0;
  uint64_t phase_us = 0;  // of the first touch, after the victim's start
};

// The runs of a cell: periods and phases, or repetitions; one run where nobody touches.
std::vector<ScanPoint> scan_points(Contest contest, unsigned touchers, Setting setting);

// What a run is compared with: the victim alone, or the bystander beside faults that sync nothing.
struct ContestReference {
  double each = 0;  // mean time of what is measured
  double longest = 0;
  uint64_t stores = 0;                         // that ended
  std::optional<uint64_t> kernel_faults = {};  // accounted to who stores; empty: not known
  bool dax = false;
  bool map_sync = false;
};

// A run that was made, and what it is compared with. Times are ticks.
struct ScannedRun {
  ScanPoint at = {};
  ContestFigures figures = {};
  ContestReference reference = {};
};

// What is measured, in ticks: the victim's stores, or the bystander's touches.
double mean_time(Contest contest, const ContestFigures& run);
uint64_t longest_time(Contest contest, const ContestFigures& run);
// Whether what is measured made no progress: a store outlasted its deadline, or no touch ended.
bool made_no_progress(Contest contest, const ContestFigures& run);
ContestReference reference_of(Contest contest, const ContestFigures& run);

// What a cell's runs come to. Times are in the cell's unit (instr or ns).
struct ContestMeasurement {
  // One run of the scan, as the row has it.
  struct Run {
    ScanPoint at = {};
    uint64_t stores = 0;                         // that ended
    std::optional<uint64_t> kernel_faults = {};  // that the kernel accounted to the victim
    bool starved = false;
    double each = 0;
    double longest = 0;
    double slowdown = 0;
    uint64_t retries = 0;  // of the strategy module's faults
    uint64_t retries_max = 0;
    uint64_t touches = 0;
    uint64_t refused = 0;
  };
  std::vector<Run> runs = {};
  // Of the worst run: one that starved is worse than any that did not, else the slowdown decides.
  size_t worst = 0;  // its place in `runs`
  ContestReference reference = {};
  double slowdown_p50 = 0;  // the median over the runs
  uint64_t starved = 0;     // runs that did

  // Over all runs. The quantiles are of the stores (a bystander's: of the touches).
  double p50 = 0;
  double p90 = 0;
  double p99 = 0;
  double p99_9 = 0;
  double max = 0;
  double progress_max = 0;                     // the longest, one that was open at the end included
  double per_fault = 0;                        // the victim's stores alone
  double per_page = 0;                         // its whole time
  uint64_t stores = 0;                         // that ended
  std::optional<uint64_t> kernel_faults = {};  // empty: not known of every run
  uint64_t app_syncs = 0;
  uint64_t touches = 0;    // that succeeded, of all touchers
  double attack_rate = 0;  // these per second
  uint64_t refused = 0;
  int refusal = 0;        // errno of the first that was refused; 0: none was
  bool dax = false;       // in every run
  bool map_sync = false;  // in every run
  std::optional<fl_kmod_stats> module = {};

  std::string complaint = {};  // what does not agree; empty: all does
};

// What the cell asked for, as far as the figures depend on it.
struct ContestAsked {
  Contest contest = Contest::kVictim;
  unsigned touchers = 0;
  double unit_per_tick = 1;
  bool module = false;  // the strategy needs the strategy module
  std::string fs = {};
  bool dax = false;
  bool map_sync = false;
};
// Pure. `scan` must not be empty.
ContestMeasurement summarise(const ContestAsked& asked, std::span<const ScannedRun> scan);

// The whole cell. Throws Failure as a cell without touches does.
ContestMeasurement measure_contest(const Cell& cell, const RunContext& context);

}  // namespace faultline
