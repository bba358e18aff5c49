// SPDX-License-Identifier: GPL-2.0-only
#include "harness/strategy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <vector>

namespace faultline {
namespace {

TEST(Strategies, HaveNamesOfTheirOwn) {
  std::set<std::string> ids;
  for (const Strategy& strategy : strategies()) {
    EXPECT_TRUE(ids.insert(strategy.id).second) << strategy.id;
    EXPECT_EQ(find_strategy(strategy.id), &strategy);
    EXPECT_STRNE(strategy.summary, "") << strategy.id;
  }
  EXPECT_EQ(find_strategy(""), nullptr);
  EXPECT_EQ(find_strategy("fsync:8"), nullptr);
}

TEST(Strategies, KRisesAndIsNeverZero) {
  for (const Strategy& strategy : strategies()) {
    const auto ks = strategy.writes_per_sync;
    EXPECT_TRUE(std::is_sorted(ks.begin(), ks.end(), std::less_equal<>())) << strategy.id;
    EXPECT_EQ(std::count(ks.begin(), ks.end(), kNoK), 0) << strategy.id;
  }
  for (const char* id : {"fsync", "msync"}) {
    const auto ks = find_strategy(id)->writes_per_sync;
    EXPECT_EQ(std::vector<uint64_t>(ks.begin(), ks.end()),
              (std::vector<uint64_t>{1, 8, 64, 512, UINT64_MAX}));
  }
}

TEST(Strategies, PromiseWhatTheyCanKeep) {
  for (const Strategy& strategy : strategies()) {
    const std::string id = strategy.id;
    const bool calls = !strategy.writes_per_sync.empty();
    Promise expected = Promise::kAtStore;
    if (calls) expected = Promise::kAtCall;  // msync and fdatasync leave mtime behind
    if (id == "volatile") expected = Promise::kNothing;
    if (id == "fsync") expected = Promise::kAtCallMtime;
    if (id == "sync_fault") expected = Promise::kAtStoreMtime;
    EXPECT_EQ(strategy.promise, expected) << id;
  }
}

TEST(Strategies, DoWhatTheirNamesSay) {
  EXPECT_EQ(find_strategy("volatile")->persist, Persist::kNothing);
  EXPECT_EQ(find_strategy("fsync")->persist, Persist::kFsync);
  EXPECT_EQ(find_strategy("msync")->persist, Persist::kMsync);
  EXPECT_EQ(find_strategy("map_sync")->persist, Persist::kFlushLines);
  EXPECT_EQ(find_strategy("prealloc")->persist, Persist::kFlushLines);
  EXPECT_EQ(find_strategy("pwrite")->persist, Persist::kFdatasync);
  for (const Strategy& strategy : strategies()) {
    const std::string id = strategy.id;
    const bool module = id.starts_with("sync_") || id == "daxfile" || id == "map_sync_wrapped";
    EXPECT_EQ(strategy.needs_module(), module) << id;
    EXPECT_EQ(strategy.by_default, !module) << id;
    EXPECT_EQ(strategy.map_sync, module || id == "map_sync" || id == "prealloc") << id;
    EXPECT_EQ(strategy.mapped, id != "pwrite") << id;
    EXPECT_EQ(strategy.only_written, id == "prealloc" || id == "daxfile") << id;
    // K is for those that call a sync.
    EXPECT_EQ(strategy.writes_per_sync.empty(),
              strategy.persist == Persist::kNothing || strategy.persist == Persist::kFlushLines)
        << id;
  }
}

}  // namespace
}  // namespace faultline
