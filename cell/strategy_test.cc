// SPDX-License-Identifier: GPL-2.0-only
#include "cell/strategy.h"

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
    EXPECT_EQ(std::vector<std::uint64_t>(ks.begin(), ks.end()),
              (std::vector<std::uint64_t>{1, 8, 64, 512, UINT64_MAX}));
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
    if (id == "sync_fault" || id == "sync_retry_strict") expected = Promise::kAtStoreMtime;
    EXPECT_EQ(promise_text(strategy.promise), promise_text(expected)) << id;
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
    const bool module =
        id.starts_with("sync_") || id.starts_with("daxfile") || id == "map_sync_wrapped";
    EXPECT_EQ(strategy.needs_module(), module) << id;
    EXPECT_EQ(strategy.by_default, !module) << id;
    EXPECT_EQ(strategy.map_sync, module || id == "map_sync" || id == "prealloc") << id;
    EXPECT_EQ(strategy.mapped, id != "pwrite") << id;
    EXPECT_EQ(strategy.only_written, id == "prealloc") << id;
    EXPECT_EQ(strategy.no_holes, id.starts_with("daxfile")) << id;
    // K is for those that call a sync.
    EXPECT_EQ(strategy.writes_per_sync.empty(),
              strategy.persist == Persist::kNothing || strategy.persist == Persist::kFlushLines)
        << id;
  }
}

TEST(Strategies, HaveTheirFamiliesAndRules) {
  struct Row {
    const char* id;
    const char* family;
    ModuleRule module;
    unsigned flags;
  };
  const Row rows[] = {{"volatile", "floor", ModuleRule::kStock, 0},
                      {"fsync", "call", ModuleRule::kStock, 0},
                      {"msync", "call", ModuleRule::kStock, 0},
                      {"map_sync", "map_sync", ModuleRule::kStock, 0},
                      {"prealloc", "map_sync", ModuleRule::kStock, 0},
                      {"pwrite", "call", ModuleRule::kStock, 0},
                      {"map_sync_wrapped", "map_sync", ModuleRule::kWrapped, 0},
                      {"sync_fault", "sync_fault", ModuleRule::kSyncFault, 0},
                      {"sync_fault_data", "sync_fault", ModuleRule::kSyncFault, kModuleDatasync},
                      {"sync_retry", "sync_retry", ModuleRule::kSyncRetry, 0},
                      {"sync_retry_extent", "sync_retry", ModuleRule::kSyncRetryExtent, 0},
                      {"sync_retry_once", "sync_retry", ModuleRule::kSyncRetryOnce, 0},
                      {"sync_retry_strict", "sync_retry", ModuleRule::kSyncRetryStrict, 0},
                      {"daxfile", "frozen", ModuleRule::kDaxfile, 0},
                      {"daxfile_nocmtime", "frozen", ModuleRule::kDaxfile, kModuleNoCmtime}};
  std::vector<std::string> ids;
  std::vector<std::string> known;
  for (const Strategy& strategy : strategies()) ids.emplace_back(strategy.id);
  for (const Row& row : rows) known.emplace_back(row.id);
  ASSERT_EQ(ids, known);
  for (std::size_t i = 0; i < std::size(rows); ++i) {
    const Strategy& strategy = strategies()[i];
    EXPECT_STREQ(strategy.id, rows[i].id);
    EXPECT_STREQ(id_of(strategy.family), rows[i].family) << strategy.id;
    EXPECT_EQ(strategy.module, rows[i].module) << strategy.id;
    EXPECT_EQ(strategy.module_flags, rows[i].flags) << strategy.id;
  }
}

TEST(Promises, InWords) {
  for (const PromiseRow& row : kPromiseTable) EXPECT_EQ(&row_of(row.promise), &row);
  EXPECT_EQ(promise_text(Promise::kNothing), "nothing");
  EXPECT_EQ(promise_text(Promise::kAtCallMtime), "data, size and mtime, after the call");
}

}  // namespace
}  // namespace faultline
