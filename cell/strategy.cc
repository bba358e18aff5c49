// SPDX-License-Identifier: GPL-2.0-only
#include "cell/strategy.h"

#include <fmt/format.h>

namespace faultline {
namespace {

constexpr std::uint64_t kEachTouch[] = {1};
constexpr std::uint64_t kSweep[] = {1, 8, 64, 512, kEveryAll};

constexpr Strategy kStrategies[] = {
    {.id = "volatile",
     .summary = "MAP_SHARED, never synced: the floor",
     .family = Family::kFloor,
     .by_default = true},
    {.id = "fsync",
     .summary = "MAP_SHARED; fsync every K writes",
     .family = Family::kCall,
     .writes_per_sync = kSweep,
     .persist = Persist::kFsync,
     .promise = Promise::kAtCallMtime,
     .by_default = true},
    {.id = "msync",
     .summary = "MAP_SHARED; msync of the pages written, every K writes",
     .family = Family::kCall,
     .writes_per_sync = kSweep,
     .persist = Persist::kMsync,
     .promise = Promise::kAtCall,
     .by_default = true},
    {.id = "map_sync",
     .summary = "MAP_SYNC; the fault syncs, the application writes back cache lines",
     .family = Family::kMapSync,
     .map_sync = true,
     .persist = Persist::kFlushLines,
     .promise = Promise::kAtStore,
     .by_default = true},
    {.id = "prealloc",
     .summary = "blocks allocated, written and synced beforehand, then as map_sync",
     .family = Family::kMapSync,
     .map_sync = true,
     .only_written = true,
     .persist = Persist::kFlushLines,
     .promise = Promise::kAtStore,
     .by_default = true},
    {.id = "pwrite",
     .summary = "pwrite and fdatasync: no mapping",
     .family = Family::kCall,
     .writes_per_sync = kEachTouch,
     .mapped = false,
     .persist = Persist::kFdatasync,
     .promise = Promise::kAtCall,
     .by_default = true},
    // In what a mapping and its application do, those of the module are map_sync.
    {.id = "map_sync_wrapped",
     .summary = "map_sync through the module's handler: what the module itself costs",
     .family = Family::kMapSync,
     .map_sync = true,
     .persist = Persist::kFlushLines,
     .promise = Promise::kAtStore,
     .module = ModuleRule::kWrapped},
    {.id = "sync_fault",
     .summary = "every write fault syncs all of the file's metadata, mtime included",
     .family = Family::kSyncFault,
     .map_sync = true,
     .persist = Persist::kFlushLines,
     .promise = Promise::kAtStoreMtime,
     .module = ModuleRule::kSyncFault},
    {.id = "sync_fault_data",
     .summary = "every write fault syncs as fdatasync does",
     .family = Family::kSyncFault,
     .map_sync = true,
     .persist = Persist::kFlushLines,
     .promise = Promise::kAtStore,
     .module = ModuleRule::kSyncFault,
     .module_flags = kModuleDatasync},
    {.id = "sync_retry",
     .summary = "metadata dirty: drop the fault's lock, sync, retry the fault",
     .family = Family::kSyncRetry,
     .map_sync = true,
     .persist = Persist::kFlushLines,
     .promise = Promise::kAtStore,
     .module = ModuleRule::kSyncRetry},
    {.id = "sync_retry_extent",
     .summary = "as sync_retry, while the extent touched is dirty",
     .family = Family::kSyncRetry,
     .map_sync = true,
     .persist = Persist::kFlushLines,
     .promise = Promise::kAtStore,
     .module = ModuleRule::kSyncRetryExtent},
    {.id = "sync_retry_once",
     .summary = "as sync_retry, but the second attempt syncs with the lock held",
     .family = Family::kSyncRetry,
     .map_sync = true,
     .persist = Persist::kFlushLines,
     .promise = Promise::kAtStore,
     .module = ModuleRule::kSyncRetryOnce},
    {.id = "sync_retry_strict",
     .summary = "as sync_retry, but all metadata counts, mtime included",
     .family = Family::kSyncRetry,
     .map_sync = true,
     .persist = Persist::kFlushLines,
     .promise = Promise::kAtStoreMtime,
     .module = ModuleRule::kSyncRetryStrict},
    {.id = "daxfile",
     .summary = "blocks allocated beforehand, and a flag: the block map is frozen",
     .family = Family::kFrozen,
     .map_sync = true,
     .no_holes = true,
     .persist = Persist::kFlushLines,
     .promise = Promise::kAtStore,
     .module = ModuleRule::kDaxfile},
    {.id = "daxfile_nocmtime",
     .summary = "as daxfile, and faults leave mtime alone",
     .family = Family::kFrozen,
     .map_sync = true,
     .no_holes = true,
     .persist = Persist::kFlushLines,
     .promise = Promise::kAtStore,
     .module = ModuleRule::kDaxfile,
     .module_flags = kModuleNoCmtime},
};

}  // namespace

std::span<const Strategy> strategies() { return kStrategies; }

std::string promise_text(Promise promise) {
  const PromiseRow& row = row_of(promise);
  return row.when[0] == '\0' ? row.durable : fmt::format("{}, after {}", row.durable, row.when);
}

const Strategy* find_strategy(const std::string& id) {
  for (const Strategy& strategy : kStrategies) {
    if (id == strategy.id) return &strategy;
  }
  return nullptr;
}

}  // namespace faultline
