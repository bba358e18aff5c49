// SPDX-License-Identifier: GPL-2.0-only
// Cells in which others touch what a thread faults on: a victim and its attackers, or a thread that
// faults and a bystander. A cell is many short runs, each with a fresh file, in one guest life.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "harness/histogram.h"
#include "harness/module.h"
#include "harness/run.h"

namespace faultline {

// The kind that stands in a cell nobody touches.
inline constexpr char kNoTouch[] = "none";
inline constexpr unsigned kMaxTouchers = 4;
// Of each toucher, the touches whose time is kept to the tick.
inline constexpr uint64_t kTouchesKept = 4096;

// Who touches: an attacker process, or a bystander. It has a part of the file of its own, beyond
// the pages that the victim faults on.
struct Toucher {
  std::string directory = {};  // on the file system
  std::string path = {};       // of the victim's file
  int fd = -1;                 // the same, opened by the toucher
  unsigned index = 0;          // among the cell's touchers
  off_t written = 0;           // kWrittenBytes that are written and synced
  off_t room = 0;              // room_bytes that are a hole (written where a file can have none)
  off_t room_bytes = 0;
  off_t end = 0;                                  // of the file
  const std::atomic<uint64_t>* victim = nullptr;  // where in the file the victim stores
  // The kind's own, set by prepare().
  char* map = nullptr;
  int other = -1;
  off_t last = 0;
};
inline constexpr off_t kWrittenBytes = 16 * kPageSize;

// One kind of touch: a row of a workload's table.
struct TouchKind {
  const char* id;
  const char* summary;
  // The n-th touch. False: it was refused, errno says why.
  bool (*touch)(Toucher& toucher, uint64_t n);
  bool (*prepare)(Toucher& toucher) = nullptr;            // before the start; false as above
  bool in_process = false;                                // by a thread of the faulting process
  bool (*setup)(const std::string& directory) = nullptr;  // once per cell
  void (*release)(const std::string& directory) =
      nullptr;            // after each run: the touchers were killed
  bool whole_fs = false;  // does something to the file system as a whole: in a VM only
};

// A touch that both workloads have: a page more behind the file's end, and again without it.
bool truncate_up_and_down(Toucher& toucher, uint64_t n);

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

// Throws Failure when a party cannot start, or dies.
ContestFigures run_contest(const ContestSpec& spec);

// The whole cell: its row's figures. Throws Failure as a cell without touches does.
void fill_contest(const Cell& cell, const RunContext& context, nlohmann::json& row);

}  // namespace faultline
