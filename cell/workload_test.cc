// SPDX-License-Identifier: GPL-2.0-only
#include "cell/workload.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "cell/strategy.h"

namespace faultline {
namespace {

using Names = std::vector<std::string>;

TEST(Workloads, HaveNamesOfTheirOwn) {
  std::set<std::string> ids;
  for (const Workload& workload : workloads()) {
    const std::string id = workload.id;
    EXPECT_TRUE(ids.insert(id).second) << id;
    EXPECT_EQ(find_workload(id), &workload);
    EXPECT_STRNE(workload.summary, "") << id;
    EXPECT_GT(workload.touches, 0U) << id;
    // Every number of threads has an equal share.
    EXPECT_EQ(workload.touches % 4, 0U) << id;
    EXPECT_EQ(workload.selftest, id.starts_with("selftest_")) << id;
    EXPECT_FALSE(workload.selftest && workload.by_default) << id;
    EXPECT_TRUE(workload.selftest || !workload.vm_only) << id;
  }
  EXPECT_EQ(find_workload(""), nullptr);
  EXPECT_EQ(find_workload("first"), nullptr);
}

TEST(Workloads, AreWhatTheirNamesSay) {
  struct Row {
    const char* id;
    std::uint64_t touches;
    const char* kind;
    std::set<std::string> flags;
  };
  const Row rows[] = {{"first_touch", 1024, "loop", {"default"}},
                      {"random_touch", 16384, "loop", {"scattered"}},
                      {"rewrite", 1024, "loop", {"rewrite"}},
                      {"store_again", 1024, "loop", {"again"}},
                      {"many_files", 256, "loop", {"many_files"}},
                      {"paced", 128, "loop", {"paced"}},
                      {"copy_beside", 1024, "loop", {"timed"}},
                      {"background", 16384, "loop", {"timed"}},
                      {"behind_commit", 4096, "loop", {"timed"}},
                      {"unrelated", 16, "loop", {"paced", "unrelated"}},
                      {"dos", 64, "victim", {}},
                      {"bystander", 256, "bystander", {}},
                      {"selftest_panic", 64, "loop", {"vm_only"}},
                      {"selftest_hang", 64, "loop", {}},
                      {"selftest_crash", 64, "loop", {}},
                      {"selftest_oom", 64, "loop", {"vm_only"}}};
  Names ids;
  Names known;
  for (const Workload& workload : workloads()) ids.emplace_back(workload.id);
  for (const Row& row : rows) known.emplace_back(row.id);
  ASSERT_EQ(ids, known);
  for (std::size_t i = 0; i < std::size(rows); ++i) {
    const Workload& workload = workloads()[i];
    EXPECT_STREQ(workload.id, rows[i].id);
    EXPECT_EQ(workload.touches, rows[i].touches) << workload.id;
    EXPECT_STREQ(id_of(workload.contest), rows[i].kind) << workload.id;
    std::set<std::string> flags;
    if (workload.by_default) flags.insert("default");
    if (workload.vm_only) flags.insert("vm_only");
    if (workload.rewrite) flags.insert("rewrite");
    if (workload.many_files) flags.insert("many_files");
    if (workload.timed) flags.insert("timed");
    if (workload.again) flags.insert("again");
    if (workload.paced) flags.insert("paced");
    if (workload.scattered) flags.insert("scattered");
    if (workload.unrelated) flags.insert("unrelated");
    EXPECT_EQ(flags, rows[i].flags) << workload.id;
    const bool of_others = workload.contest == Contest::kBystander;
    EXPECT_EQ(workload.touches_written, of_others ? 2048U : 0U) << workload.id;
  }
}

TEST(Workloads, StrategiesOfTheirOwnAreInTheTable) {
  std::size_t own = 0;
  for (const Workload& workload : workloads()) {
    own += workload.strategies.empty() ? 0 : 1;
    for (const char* id : workload.strategies) {
      const Strategy* strategy = find_strategy(id);
      ASSERT_NE(strategy, nullptr) << workload.id << " " << id;
      EXPECT_TRUE(strategy->mapped) << workload.id << " " << id;
    }
  }
  EXPECT_EQ(own, 4U);  // behind_commit, unrelated, dos, bystander
}

Names touches_of(const char* workload, bool (*wanted)(const TouchRow&)) {
  Names ids;
  for (const TouchRow& touch : touches()) {
    if (touch.workload == std::string(workload) && wanted(touch)) ids.emplace_back(touch.id);
  }
  return ids;
}

TEST(Touches, AreOfContests) {
  std::set<std::pair<std::string, std::string>> ids;
  for (const TouchRow& touch : touches()) {
    EXPECT_TRUE(ids.emplace(touch.workload, touch.id).second) << touch.id;
    EXPECT_STRNE(touch.summary, "") << touch.id;
    EXPECT_STRNE(touch.id, kNoTouch);
    const Workload* workload = find_workload(touch.workload);
    ASSERT_NE(workload, nullptr) << touch.id;
    EXPECT_NE(workload->contest, Contest::kNone) << touch.id;
    EXPECT_EQ(find_touch(touch.workload, touch.id), &touch);
  }
  EXPECT_EQ(find_touch("dos", "mmap"), nullptr);
  EXPECT_EQ(find_touch("bystander", "chmod"), nullptr);
  EXPECT_EQ(find_touch("dos", kNoTouch), nullptr);
  EXPECT_EQ(find_touch("", "chmod"), nullptr);
}

TEST(Touches, AreThese) {
  const auto all = [](const TouchRow&) { return true; };
  EXPECT_EQ(touches_of("dos", all), (Names{"store", "utimens", "pwrite", "append", "truncate",
                                           "fallocate", "punch", "punch_same", "extend", "convert",
                                           "reflink", "dedupe", "chmod", "xattr", "others"}));
  const auto reflink = [](const TouchRow& touch) { return touch.reflink; };
  EXPECT_EQ(touches_of("dos", reflink), (Names{"reflink", "dedupe"}));
  const auto spare = [](const TouchRow& touch) { return touch.spare; };
  EXPECT_EQ(touches_of("dos", spare), Names{"convert"});
  EXPECT_EQ(find_touch("dos", "extend")->state, State::kWritten);
  EXPECT_EQ(find_touch("dos", "convert")->state, State::kUnwritten);
  EXPECT_EQ(find_touch("dos", "dedupe")->state, State::kWritten);
  EXPECT_FALSE(find_touch("dos", "punch_same")->state);
  EXPECT_EQ(touches_of("bystander", all),
            (Names{"mmap", "anon", "read_fault", "other_file", "freeze", "resize"}));
  const auto in_process = [](const TouchRow& touch) { return touch.in_process; };
  EXPECT_EQ(touches_of("dos", in_process), Names{});
  EXPECT_EQ(touches_of("bystander", in_process),
            (Names{"mmap", "anon", "read_fault", "other_file"}));
  const auto whole_fs = [](const TouchRow& touch) { return touch.whole_fs; };
  EXPECT_EQ(touches_of("dos", whole_fs), Names{});
  EXPECT_EQ(touches_of("bystander", whole_fs), Names{"freeze"});
}

}  // namespace
}  // namespace faultline
