// SPDX-License-Identifier: GPL-2.0-only
// The strategy module (kmod/) as user space sees it: loaded when a cell needs it, one strategy per
// open file, and its counters.
#pragma once

#include <string>

#include "cell/strategy.h"
#include "kmod/faultline_ioctl.h"

namespace faultline {

// /dev/faultline. The module is loaded from wire::kStrategyModule if it is not there.
class StrategyModule {
 public:
  // Throws Failure(kSkipped) when there is no module for this kernel, or the kernel refuses it.
  StrategyModule();
  ~StrategyModule();
  StrategyModule(const StrategyModule&) = delete;
  StrategyModule& operator=(const StrategyModule&) = delete;

  // `fd`: an open file of which the caller has a MAP_SYNC mapping. The strategy lasts as long as
  // the open file. Throws Failure(kRegression) with the module's reason.
  void set(int fd, const Strategy& strategy) const;
  void reset(int fd) const;
  [[nodiscard]] fl_kmod_stats stats(int fd) const;

 private:
  int device_ = -1;
};

// Adds the counters of one file, or of one run, to those of several. A fault that never ended has
// its retries too.
void add_stats(const fl_kmod_stats& one, fl_kmod_stats& sum);

}  // namespace faultline
