// SPDX-License-Identifier: GPL-2.0-only
#include "harness/strategy.h"

#include <fmt/format.h>

#include "kmod/faultline_ioctl.h"

namespace faultline {
namespace {

constexpr uint64_t kEachTouch[] = {1};
constexpr uint64_t kSweep[] = {1, 8, 64, 512, kEveryAll};

// In what a mapping and its application do, these are map_sync.
constexpr Strategy module_strategy(const char* id, const char* summary, fl_kmod_strategy module,
                                   Promise promise, unsigned flags = 0, bool only_written = false) {
  return {id,
          summary,
          {},
          true,
          true,
          only_written,
          Persist::kFlushLines,
          promise,
          false,
          static_cast<int>(module),
          flags};
}

constexpr Strategy kStrategies[] = {
    {"volatile",
     "MAP_SHARED, never synced: the floor",
     {},
     true,
     false,
     false,
     Persist::kNothing,
     Promise::kNothing},
    {"fsync", "MAP_SHARED; fsync every K writes", kSweep, true, false, false, Persist::kFsync,
     Promise::kAtCallMtime},
    {"msync", "MAP_SHARED; msync of the pages written, every K writes", kSweep, true, false, false,
     Persist::kMsync, Promise::kAtCall},
    {"map_sync",
     "MAP_SYNC; the fault syncs, the application writes back cache lines",
     {},
     true,
     true,
     false,
     Persist::kFlushLines,
     Promise::kAtStore},
    {"prealloc",
     "blocks allocated, written and synced beforehand, then as map_sync",
     {},
     true,
     true,
     true,
     Persist::kFlushLines,
     Promise::kAtStore},
    {"pwrite", "pwrite and fdatasync: no mapping", kEachTouch, false, false, false,
     Persist::kFdatasync, Promise::kAtCall},
    module_strategy("map_sync_wrapped",
                    "map_sync through the module's handler: what the module itself costs",
                    FL_KMOD_NONE, Promise::kAtStore),
    module_strategy("sync_fault",
                    "every write fault syncs all of the file's metadata, mtime included",
                    FL_KMOD_SYNC_FAULT, Promise::kAtStoreMtime),
    module_strategy("sync_fault_data", "every write fault syncs as fdatasync does",
                    FL_KMOD_SYNC_FAULT, Promise::kAtStore, FL_KMOD_DATASYNC),
    module_strategy("sync_retry", "metadata dirty: drop the fault's lock, sync, retry the fault",
                    FL_KMOD_SYNC_RETRY, Promise::kAtStore),
    module_strategy("sync_retry_extent", "as sync_retry, while the extent touched is dirty",
                    FL_KMOD_SYNC_RETRY_EXTENT, Promise::kAtStore),
    module_strategy("daxfile", "prealloc, and a flag: frozen block map, no mtime update",
                    FL_KMOD_DAXFILE, Promise::kAtStore, 0, true),
};

}  // namespace

std::span<const Strategy> strategies() { return kStrategies; }

const Strategy* find_strategy(const std::string& id) {
  for (const Strategy& strategy : kStrategies) {
    if (id == strategy.id) return &strategy;
  }
  return nullptr;
}

const char* promise_text(Promise promise) {
  switch (promise) {
    case Promise::kNothing:
      return "nothing";
    case Promise::kAtCall:
      return "data and size, after the call";
    case Promise::kAtCallMtime:
      return "data, size and mtime, after the call";
    case Promise::kAtStore:
      return "data and size, after the store";
    case Promise::kAtStoreMtime:
      return "data, size and mtime, after the store";
  }
  return "?";
}

std::string why_not(const Strategy& strategy, const FileSystem& fs, State state, Order order) {
  if (strategy.only_written && state != State::kWritten) {
    return fmt::format("{} writes every block beforehand: there is no {} state", strategy.id,
                       state_name(state));
  }
  if (strategy.map_sync && !fs.dax) {
    return fmt::format("{} needs MAP_SYNC, which only a DAX mapping has", strategy.id);
  }
  if (order == Order::kPmd && !fs.dax) return "the page cache of this file system maps no pmd";
  if (order == Order::kPmd && !strategy.mapped) return "pwrite maps nothing";
  return "";
}

}  // namespace faultline
