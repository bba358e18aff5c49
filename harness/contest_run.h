// SPDX-License-Identifier: GPL-2.0-only
// One run of a contest: a victim that stores to fresh pages in a process of its own, and those who
// touch what it faults on. Forking, shared memory, deadlines; contest_scan.h makes a cell of runs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cell/strategy.h"
#include "harness/contest.h"
#include "harness/histogram.h"
#include "harness/module.h"

namespace faultline {

// Of each toucher, the touches whose time is kept to the tick.
inline constexpr uint64_t kTouchesKept = 4096;

// One run of a contest.
struct ContestSpec {
  std::string directory = {};
  State state = State::kHole;
  const Strategy* strategy = nullptr;
  const StrategyModule* module = nullptr;  // what the strategy needs; may be nullptr
  uint64_t every = kNoK;                   // stores per fsync or msync
  uint64_t stores = 0;                     // that the victim is to do, a fresh page each
  const TouchKind* kind = nullptr;
  unsigned touchers = 0;
  uint64_t period_ns = 0;  // of each toucher's timer; 0: a tight loop
  uint64_t phase_ns = 0;   // of the first touch, after the victim's start
  // A run ends when all stores are done, when one fault has lasted so long, or at its own end.
  uint64_t fault_deadline_ns = 0;
  uint64_t run_deadline_ns = 0;
  double ns_per_tick = 1;
  void (*store)(char* at, uint64_t value) = nullptr;  // a test's; nullptr: a plain store
};

// What came of a run. Times are ticks.
struct ContestFigures {
  std::vector<uint64_t> faults = {};  // each store that ended, the fault in it
  uint64_t open = 0;                  // so long had the store lasted that was open at the end
  bool starved = false;               // it had outlasted its deadline
  uint64_t elapsed = 0;               // the victim's, from its first store on
  std::optional<uint64_t> kernel_faults = {};  // that the kernel accounted to the victim
  uint64_t app_syncs = 0;
  bool map_sync = false;
  bool dax = false;      // by statx
  uint64_t touches = 0;  // by all touchers
  uint64_t refused = 0;
  int refusal = 0;  // errno of the first
  // Each touch: of every toucher the first kTouchesKept to the tick, and those after them by the
  // bucket that they fall into.
  std::vector<uint64_t> touch_ticks = {};
  Distribution touches_beyond = {};
  uint64_t touch_sum = 0;      // of all
  uint64_t touch_longest = 0;  // one that was open at the end included
  fl_kmod_stats module = {};

  // The victim's time per store; one that is open counts, so for a starved victim this is the least
  // that it can be.
  [[nodiscard]] double per_store() const;
  [[nodiscard]] uint64_t longest() const;  // of all stores, an open one included
};

// Runs it to its end: every party has ended when this returns. Throws the Failure of a party that
// cannot get ready, and Failure(kRegression) when one dies or a sync fails.
ContestFigures run_contest(const ContestSpec& spec);

// How many ns a tick of read_ticks() is, measured over 20 ms; in virtual time it is 1 by
// definition.
double ns_per_tick(bool virtual_time);

}  // namespace faultline
