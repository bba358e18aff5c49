// SPDX-License-Identifier: GPL-2.0-only
// What else the CPU did while a cell was measured: by the kernel's own counters for every cell,
// and by name and duration for one whose probes are the set `interruptions`.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "bpf/sample.h"
#include "cell/row.h"

namespace faultline {

// Counts since boot, or between two readings. Not atomic: what comes while they are read is seen
// by one of them.
struct InterruptionCounts {
  uint64_t ticks = 0;  // local timer interrupts, /proc/interrupts
  std::map<std::string, uint64_t> softirqs =
      {};                 // /proc/softirqs, over all CPUs; the non-zero ones
  uint64_t switches = 0;  // of this process, getrusage(2)

  [[nodiscard]] InterruptionCounts since(const InterruptionCounts& before) const;
  [[nodiscard]] Interrupts figures() const;
};
InterruptionCounts read_interruption_counts();
// The sum over the CPUs of each named line of /proc/interrupts or /proc/softirqs.
std::map<std::string, uint64_t> sums_by_line(const std::string& table);

// One thing that interrupted, as the probes saw it.
struct Interruption {
  std::string kind = {};  // an id of bpf/interruptions.def
  uint64_t function = 0;  // its address; 0: none
  std::string name = {};  // what the probe itself knows: a softirq, a thread
  uint64_t count = 0;
  uint64_t sum = 0;  // ns of the monotonic clock, other interruptions within it included
  uint64_t max = 0;
};
// The interruptions as a row has them, the largest sum first. Functions get their names from
// `symbols`, the text of /proc/kallsyms; one that is not there stands as its address.
std::vector<InterruptionFigures> interruption_figures(const std::vector<Interruption>& seen,
                                                      const std::string& symbols);

}  // namespace faultline
