// SPDX-License-Identifier: GPL-2.0-only
// The table of strategies: the rule by which the metadata that a mapped write depends on becomes
// durable.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "cell/cell.h"

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
struct PromiseRow {
  Promise promise;
  const char* durable;  // what is
  const char* when;     // after what; empty: never
};
inline constexpr PromiseRow kPromiseTable[] = {
    {.promise = Promise::kNothing, .durable = "nothing", .when = ""},
    {.promise = Promise::kAtCall, .durable = "data and size", .when = "the call"},
    {.promise = Promise::kAtCallMtime, .durable = "data, size and mtime", .when = "the call"},
    {.promise = Promise::kAtStore, .durable = "data and size", .when = "the store"},
    {.promise = Promise::kAtStoreMtime, .durable = "data, size and mtime", .when = "the store"}};
constexpr const PromiseRow& row_of(Promise promise) {
  return kPromiseTable[static_cast<std::size_t>(promise)];
}
// The promise in words: "data and size, after the store".
std::string promise_text(Promise promise);

// Strategies that are drawn alike.
enum class Family { kFloor, kCall, kMapSync, kSyncFault, kSyncRetry, kFrozen };
inline constexpr Named kFamilyTable[] = {
    {.id = "floor", .summary = "never synced"},
    {.id = "call", .summary = "synced by a call of the application"},
    {.id = "map_sync", .summary = "synced by the fault that finds the block map dirty"},
    {.id = "sync_fault", .summary = "synced by every write fault"},
    {.id = "sync_retry", .summary = "synced with the fault's lock dropped, then retried"},
    {.id = "frozen", .summary = "the block map cannot change"}};
constexpr std::span<const Named> table_of(Family /*unused*/) { return kFamilyTable; }

// The rule of the strategy module that a strategy needs: values of enum fl_kmod_strategy
// (kmod/faultline_ioctl.h), which harness/module.cc holds against it. kStock: none.
enum class ModuleRule : int {
  kStock = -1,
  kWrapped,
  kSyncFault,
  kSyncRetry,
  kSyncRetryExtent,
  kDaxfile,
  kSyncRetryOnce,
  kSyncRetryStrict
};
// FL_KMOD_DATASYNC and FL_KMOD_NOCMTIME of the same header.
inline constexpr unsigned kModuleDatasync = 1;
inline constexpr unsigned kModuleNoCmtime = 2;

struct Strategy {
  const char* id;
  const char* summary;
  Family family;
  std::span<const std::uint64_t> writes_per_sync = {};  // the values of K that the matrix holds
  bool mapped = true;                                   // writes through a mapping, not by pwrite
  bool map_sync = false;                                // MAP_SHARED_VALIDATE | MAP_SYNC
  bool only_written = false;                            // makes every block written beforehand
  bool no_holes = false;                                // allocates every block beforehand
  Persist persist = Persist::kNothing;
  Promise promise = Promise::kNothing;
  bool by_default = false;  // in the default matrix
  ModuleRule module = ModuleRule::kStock;
  unsigned module_flags = 0;

  [[nodiscard]] bool needs_module() const { return module != ModuleRule::kStock; }
};

std::span<const Strategy> strategies();
// Finds a strategy by its id; nullptr when there is none.
const Strategy* find_strategy(const std::string& id);

}  // namespace faultline
