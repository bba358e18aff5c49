// SPDX-License-Identifier: GPL-2.0-only
// A cell whose touches are a plain loop, measured: attach, warm up, run the loop under Google
// Benchmark, read everything that counted meanwhile.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bpf/sample.h"
#include "cell/cell.h"
#include "harness/complaints.h"
#include "harness/counters.h"
#include "harness/interruptions.h"
#include "harness/journal.h"
#include "harness/probe.h"
#include "harness/run_context.h"
#include "harness/workload.h"
#include "kmod/faultline_ioctl.h"

namespace faultline {

// What a set of probes saw of the measured touches.
struct ProbesSeen {
  ProbeReading reading = {};
  std::vector<PointStatus> points = {};  // of the set: what became of each on this kernel
  std::vector<fl_sample> samples = {};   // of a cell that keeps them
  // What interrupted, by name, where the set is `interruptions`; else empty.
  std::optional<std::vector<InterruptionFigures>> interruptions = {};
};

// All that a loop which came to its end was counted for. Times are in the cell's unit.
struct LoopFigures {
  double unit_per_tick = 1;              // of read_ticks()
  double per_fault = 0;                  // the touches alone
  double per_page = 0;                   // all until a page is durable
  std::optional<double> longest = {};    // touch, of a timed workload
  std::vector<uint64_t> durable = {};    // touches with their syncs, rising, ticks; as `longest`
  std::optional<double> loop_cost = {};  // empty: the touches are no stores
  uint64_t pages = 0;
  std::optional<uint64_t> extents = {};  // of the touched file, after the touches
  uint64_t faults = 0;                   // that the kernel accounted to the measured threads
  uint64_t app_syncs = 0;
  std::optional<uint64_t> mtime_changes = {};  // of a paced workload, and of many files
  std::optional<LineFlush> line_flush = {};    // empty: the strategy writes no lines back
  std::string mapped_order = {};               // `pte`, `pmd` or `none`
  std::optional<fl_kmod_stats> module = {};
  JournalCounters journal = {};                       // the file system's own
  std::optional<InterruptionCounts> interrupts = {};  // in virtual time
  std::optional<ProbesSeen> probes = {};              // empty: the cell is a twin
  Losses losses = {};
  std::string complaint = {};  // what does not agree; empty: all does
};

// What is known of a cell, up to where it failed if it did. It is large: not for the stack that the
// measured threads use.
struct Measurement {
  std::optional<bool> dax = {};
  std::optional<bool> map_sync = {};
  std::optional<CountersRead> counters = {};  // of the CPU; on the host
  std::optional<LoopFigures> loop = {};  // empty: the loop was not run; in part where it failed
};

// Fills `measurement` as it goes. Throws Failure when the kernel does not do what the strategy
// needs, when the probes have no way here, or when a sync or write failed.
void measure_cell(const Cell& cell, const RunContext& context, Measurement& measurement);

}  // namespace faultline
