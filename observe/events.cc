// SPDX-License-Identifier: GPL-2.0-only
#include "observe/events.h"

namespace faultline::observe {

std::uint64_t PmemLines::mark(std::vector<std::uint32_t>& marks, std::uint64_t first,
                              std::uint64_t last, std::uint32_t epoch) {
  std::uint64_t fresh = 0;
  for (std::uint64_t i = first; i <= last && i < marks.size(); ++i) {
    if (marks[i] == epoch) continue;
    marks[i] = epoch;
    ++fresh;
  }
  return fresh;
}

PmemLines::Fresh PmemLines::store(std::uint64_t offset, std::uint64_t bytes, bool non_temporal) {
  const std::uint64_t last = offset + bytes - 1;
  for (std::uint64_t i = offset / kLine; i <= last / kLine && i < dirty_.size(); ++i) {
    dirty_[i] = non_temporal ? 0 : 1;
  }
  outstanding_ = outstanding_ || non_temporal;
  return {.lines = mark(stored_, offset / kLine, last / kLine, epoch_),
          .blocks = mark(blocks_, offset / kBlock, last / kBlock, epoch_)};
}

std::uint64_t PmemLines::load(std::uint64_t offset, std::uint64_t bytes) {
  return mark(loaded_, offset / kLine, (offset + bytes - 1) / kLine, epoch_);
}

bool PmemLines::write_back(std::uint64_t offset) {
  outstanding_ = true;
  if (offset / kLine >= dirty_.size()) return false;
  const bool dirty = dirty_[offset / kLine] != 0;
  dirty_[offset / kLine] = 0;
  return dirty;
}

bool PmemLines::fence() {
  const bool had = outstanding_;
  outstanding_ = false;
  ++epoch_;
  return had;
}

}  // namespace faultline::observe
