// SPDX-License-Identifier: GPL-2.0-only
// The table of strategies: the rule by which the metadata that a mapped write depends on becomes
// durable.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "harness/cell.h"
#include "harness/filesystem.h"

namespace faultline {

// What the application does once it has written K pages.
enum class Persist {
  kNothing,
  kFlushLines,  // write back the cache line that was stored to, then a fence
  kFsync,
  kMsync,
  kFdatasync,
};

// What of a page written is durable, and from when on. The crash test (harness/crash.h) holds a
// strategy to it.
enum class Promise {
  kNothing,
  kAtCall,        // data, blocks and size, once the call to sync has returned
  kAtCallMtime,   // and mtime
  kAtStore,       // data, blocks and the size up to the page's end, once the store has returned
  kAtStoreMtime,  // and mtime
};
const char* promise_text(Promise promise);

// What a strategy has in place of FL_KMOD_* when it needs no module.
inline constexpr int kStock = -1;

struct Strategy {
  const char* id;
  const char* summary;
  std::span<const uint64_t> writes_per_sync;  // the values of K that the matrix holds
  bool mapped;                                // writes through a mapping, not by pwrite
  bool map_sync;                              // MAP_SHARED_VALIDATE | MAP_SYNC
  bool only_written;                          // makes every block written beforehand
  Persist persist;
  Promise promise;
  bool by_default = true;  // in the default matrix
  int module = kStock;     // FL_KMOD_* of kmod/faultline_ioctl.h
  unsigned module_flags = 0;

  [[nodiscard]] bool needs_module() const { return module != kStock; }
};

std::span<const Strategy> strategies();
const Strategy* find_strategy(const std::string& id);

// Why this strategy cannot be measured so; empty when it can.
std::string why_not(const Strategy& strategy, const FileSystem& fs, State state, Order order);

}  // namespace faultline
