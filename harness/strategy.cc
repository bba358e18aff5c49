// SPDX-License-Identifier: GPL-2.0-only
#include "harness/strategy.h"

#include <fmt/format.h>

#include "kmod/faultline_ioctl.h"

namespace faultline {
namespace {

constexpr uint64_t kEachTouch[] = {1};
constexpr uint64_t kSweep[] = {1, 8, 64, 512, kEveryAll};

// In what a mapping and its application do, these are map_sync.
constexpr Strategy ModuleStrategy(const char* id, const char* summary, fl_kmod_strategy module,
                                  unsigned flags = 0, bool only_written = false) {
  return {id,
          summary,
          {},
          true,
          true,
          only_written,
          Persist::kFlushLines,
          false,
          static_cast<int>(module),
          flags};
}

constexpr Strategy kStrategies[] = {
    {"volatile", "MAP_SHARED, never synced: the floor", {}, true, false, false, Persist::kNothing},
    {"fsync", "MAP_SHARED; fsync every K writes", kSweep, true, false, false, Persist::kFsync},
    {"msync", "MAP_SHARED; msync of the pages written, every K writes", kSweep, true, false, false,
     Persist::kMsync},
    {"map_sync",
     "MAP_SYNC; the fault syncs, the application writes back cache lines",
     {},
     true,
     true,
     false,
     Persist::kFlushLines},
    {"prealloc",
     "blocks allocated, written and synced beforehand, then as map_sync",
     {},
     true,
     true,
     true,
     Persist::kFlushLines},
    {"pwrite", "pwrite and fdatasync: no mapping", kEachTouch, false, false, false,
     Persist::kFdatasync},
    ModuleStrategy("map_sync_wrapped",
                   "map_sync through the module's handler: what the module itself costs",
                   FL_KMOD_NONE),
    ModuleStrategy("sync_fault",
                   "every write fault syncs all of the file's metadata, mtime included",
                   FL_KMOD_SYNC_FAULT),
    ModuleStrategy("sync_fault_data", "every write fault syncs as fdatasync does",
                   FL_KMOD_SYNC_FAULT, FL_KMOD_DATASYNC),
    ModuleStrategy("sync_retry", "metadata dirty: drop the fault's lock, sync, retry the fault",
                   FL_KMOD_SYNC_RETRY),
    ModuleStrategy("sync_retry_extent", "as sync_retry, while the extent touched is dirty",
                   FL_KMOD_SYNC_RETRY_EXTENT),
    ModuleStrategy("daxfile", "prealloc, and a flag: frozen block map, no mtime update",
                   FL_KMOD_DAXFILE, 0, true),
};

}  // namespace

std::span<const Strategy> Strategies() { return kStrategies; }

const Strategy* FindStrategy(const std::string& id) {
  for (const Strategy& strategy : kStrategies) {
    if (id == strategy.id) return &strategy;
  }
  return nullptr;
}

std::string WhyNot(const Strategy& strategy, const FileSystem& fs, State state, Order order) {
  if (strategy.only_written && state != State::kWritten) {
    return fmt::format("{} writes every block beforehand: there is no {} state", strategy.id,
                       StateName(state));
  }
  if (strategy.map_sync && !fs.dax) {
    return fmt::format("{} needs MAP_SYNC, which only a DAX mapping has", strategy.id);
  }
  if (order == Order::kPmd && !fs.dax) return "the page cache of this file system maps no pmd";
  if (order == Order::kPmd && !strategy.mapped) return "pwrite maps nothing";
  return "";
}

}  // namespace faultline
