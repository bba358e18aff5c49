// SPDX-License-Identifier: GPL-2.0-only
// What does not agree among the counts of a measured cell: N touches, N faults, N samples. Pure:
// from counted facts to one line that says what is wrong, empty when nothing is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "cell/row.h"

namespace faultline {

// What file and mapping are, against what the cell asked for.
struct Proof {
  std::string fs = {};  // the id of the file system
  bool dax_asked = false;
  bool dax = false;  // by statx
  bool map_sync_asked = false;
  bool map_sync = false;  // by VmFlags
};
std::string complaint_of(const Proof& proof);

// The counts of a cell whose touches are a plain loop.
struct CellCounts {
  uint64_t touches = 0;
  bool mapped = true;  // touches are stores into a mapping, and each takes a fault
  // Several threads sync: one thread's fsync may write-protect a page between another's fault and
  // the store that is run again, and that touch takes two faults.
  bool protects = false;
  uint64_t faults = 0;  // that the kernel accounted to the measured threads
  Order order_asked = Order::kPte;
  std::string order_mapped = "pte";  // `pte`, `pmd` or `none`, by smaps
  std::optional<uint64_t> module_faults =
      {};  // that the strategy module saw; empty: it has no part
  std::optional<uint64_t> journal_commits =
      {};  // by the file system's own counter, where it has one
  // What a set of probes that sees faults has counted; empty where the cell has no such set.
  struct Probed {
    uint64_t faults = 0;      // samples
    std::string by = {};      // where the fault's end is seen: a kernel function or tracepoint
    uint64_t huge = 0;        // of these faults, those of an order above 0
    uint64_t errors = 0;      // attempts that ended in an error
    uint32_t error_bits = 0;  // bits of bpf/vm_fault.def that these ended in
    std::optional<uint64_t> commits = {};  // empty: the set has no way to see them here
  };
  std::optional<Probed> probed = {};

  // How many faults the touches should have taken.
  [[nodiscard]] uint64_t expected_faults() const;
};
std::string complaint_of(const CellCounts& counts);

// The counts of a cell that is a contest (contest_scan.h), over all its runs.
struct ContestCounts {
  uint64_t stores = 0;   // that ended, each on a fresh page
  uint64_t starved = 0;  // runs in which what is measured made no progress
  std::optional<uint64_t> module_faults = {};
  std::optional<uint64_t> kernel_faults = {};  // accounted to the victim; empty: not known
  bool attacked = false;                       // attackers were to touch
  uint64_t attempts_to_touch = 0;              // refused ones included
  bool alone = false;                          // nobody is beside: a fault a store, and no more
};
std::string complaint_of(const ContestCounts& counts);

// How a row stands: `status` and `reason` of docs/result-format.md.
struct Standing {
  std::string status = {};
  std::string reason = {};
};
// How a cell that was measured stands: `ok`, `failed` with the complaint, or `incomplete` with the
// losses, of which one is enough.
Standing standing_of(const std::string& complaint, const Losses& losses);

}  // namespace faultline
