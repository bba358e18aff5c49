// SPDX-License-Identifier: GPL-2.0-only
#include "harness/strategy.h"

#include <fmt/format.h>

namespace faultline {
namespace {

constexpr uint64_t kEachTouch[] = {1};
constexpr uint64_t kSweep[] = {1, 8, 64, 512, kEveryAll};

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
