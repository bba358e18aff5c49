// SPDX-License-Identifier: GPL-2.0-only
// What a cell's touches need before the first of them: the file in its state, the mapping, the
// strategy's module, the lanes, and a kernel that has come to rest.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cell/cell.h"
#include "harness/mapping.h"
#include "harness/module.h"
#include "harness/run_context.h"
#include "harness/workload.h"

namespace faultline {

// The parts are undone in reverse when it goes: the file is removed last.
class PreparedCell {
 public:
  // Makes the file, and the mapping if the strategy has one. Throws Failure(kVmFailed) when there
  // is no room for the file, Failure(kRegression) when the kernel refuses MAP_SYNC.
  PreparedCell(const Cell& cell, const RunContext& context);

  [[nodiscard]] const TestFile& file() const { return file_; }
  [[nodiscard]] bool is_map_sync() const;

  // Does all the rest: loads the module and sets the strategy, makes the unrelated files and the
  // lanes, stores to every page if the workload wants them mapped, and waits until the kernel's
  // deferred work is done. Throws Failure.
  void get_ready();

  // reset_module() zeroes the module's counters of the files that have a strategy of the module,
  // and module_stats() reads the sum of these counters.
  [[nodiscard]] bool has_module() const { return module_ != nullptr; }
  void reset_module() const;
  [[nodiscard]] std::optional<fl_kmod_stats> module_stats() const;
  // The files of a workload whose pages are of many; nullptr where all pages are of one file.
  [[nodiscard]] const ManyFiles* many() const { return many_.get(); }
  // The lanes to measure, one per thread.
  [[nodiscard]] const std::vector<LaneSpec>& lanes() const { return lanes_; }
  // warmup() is how many touches come before those of lanes(), on pages of their own; warmup_lane()
  // is their lane.
  [[nodiscard]] uint64_t warmup() const { return warmup_; }
  [[nodiscard]] LaneSpec warmup_lane() const { return lane_of(0, warmup_, 1); }
  // `pte` or `pmd`: what the kernel mapped under the measured touches, by smaps; `none` without a
  // mapping.
  [[nodiscard]] const char* mapped_order() const;

 private:
  // A lane of `count` pages from the file's page `first` on, each touched so many times.
  [[nodiscard]] LaneSpec lane_of(uint64_t first, uint64_t count, uint64_t stores) const;
  void store_to_every_page();
  [[nodiscard]] std::vector<int> fds() const;

  const Cell& cell_;
  const RunContext& context_;
  uint64_t stride_;  // bytes from one touch to the next
  uint64_t warmup_;
  uint64_t bytes_;
  TestFile file_;  // of many files: one more, which nobody touches
  std::unique_ptr<Mapping> mapping_;
  std::unique_ptr<ManyFiles> many_;
  std::unique_ptr<StrategyModule> module_;
  std::unique_ptr<Unrelated> unrelated_;
  std::vector<LaneSpec> lanes_;
};

// A process that does something else on the file system for as long as this lives: the workload's
// `beside`. Nothing where the workload has none.
class ProcessBeside {
 public:
  // Forks, and waits until it is under way; nullptr: there is none. Throws Failure(kVmFailed).
  ProcessBeside(WorkBeside* work, const std::string& directory);
  ~ProcessBeside() { stop(); }
  ProcessBeside(const ProcessBeside&) = delete;
  ProcessBeside& operator=(const ProcessBeside&) = delete;

  // Stops the process, once what it is about in the kernel is done, until it is to go on.
  void pause();
  void go_on();
  // Kills the process and tells whether it was still at work; true where there is none.
  bool stop();

 private:
  pid_t child_ = -1;
  bool ended_ = false;  // by itself
};

}  // namespace faultline
