// SPDX-License-Identifier: GPL-2.0-only
// Which cells a selection of names and globs stands for.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "harness/cell.h"
#include "harness/workload.h"

namespace faultline {

// Patterns are names or globs (fnmatch); an empty list is the default matrix's.
struct Selection {
  std::vector<std::string> fs = {};
  std::vector<std::string> strategy = {};  // NAME or NAME:K
  std::vector<std::string> workload = {};
  std::vector<std::string> state = {};
  std::vector<std::string> order = {};
  std::vector<std::string> threads = {};
  std::vector<std::string> dirty_inodes = {};  // of the workload unrelated alone
  // Of workloads with touches alone.
  std::vector<std::string> touch = {};
  std::vector<std::string> attackers = {};
  std::vector<std::string> setting = {};
  bool wall = false;
  std::optional<uint64_t> touches = {};  // overrides the workload's own number
};

struct PlannedCell {
  Cell cell;         // kernel, probes, seed and samples are the caller's to fill
  std::string skip;  // why it cannot be measured; empty when it can
};

// In a fixed order: file system, workload, order, threads, strategy, K, state, touch, attackers,
// setting. Throws Failure(kUsage) for a name that nothing matches, with the near ones.
std::vector<PlannedCell> plan_cells(const Selection& selection,
                                    std::span<const Workload* const> workloads,
                                    std::span<const FileSystem> rows = file_systems());

// "a,b,c" to its parts; empty parts are left out.
std::vector<std::string> split_list(const std::string& list);

// Names of `known` that are near to `name`, best first: for "did you mean".
std::vector<std::string> near_names(const std::string& name, const std::vector<std::string>& known);

}  // namespace faultline
