// SPDX-License-Identifier: GPL-2.0-only
// Seeds: an exact figure still carries the accidents of one life of the guest. A seed gives other
// accidents, the same for ever: for each, equal cells have equal figures, in whatever order and
// beside whatever load they are measured.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "cell/cell.h"

namespace faultline {

// The time in ns by which the measured part starts later against the clock tick. It is below
// `tick_ns`, the tick's length (harness/clock.h).
uint64_t tick_phase_ns(const Cell& cell, uint64_t tick_ns);

// Touches of the warm-up beyond the usual ones, below 32: where in page table and extent the
// measured ones begin.
uint64_t more_warmup(const Cell& cell);

// Other page frames and slabs for what comes (some memory is taken and half of it given back, in
// another order), and other blocks (files beside the cell's, synced: the journal's head
// moves). Undone when it goes.
class SeededPlace {
 public:
  // Throws Failure(kVmFailed).
  SeededPlace(const Cell& cell, const std::string& directory);
  ~SeededPlace();
  SeededPlace(const SeededPlace&) = delete;
  SeededPlace& operator=(const SeededPlace&) = delete;

 private:
  void take_pages(const Cell& cell);
  void take_blocks(const Cell& cell);
  std::string folder_;
  unsigned files_ = 0;
  char* memory_ = nullptr;
};

}  // namespace faultline
