// SPDX-License-Identifier: GPL-2.0-only
#include "harness/matrix.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "harness/contest.h"
#include "harness/testing.h"

namespace faultline {
namespace {

using Names = std::vector<std::string>;

// Workloads of our own: the counts below do not change when a real one comes.
constexpr Workload kLinear = {.id = "linear",
                              .summary = "",
                              .run = nullptr,
                              .touches = 1000,
                              .rewrite = false,
                              .paced = false,
                              .scattered = false,
                              .by_default = true,
                              .selftest = false};
constexpr Workload kAgain = {.id = "again",
                             .summary = "",
                             .run = nullptr,
                             .touches = 24,
                             .rewrite = true,
                             .paced = false,
                             .scattered = false,
                             .by_default = false,
                             .selftest = false};
constexpr Workload kSelftest = {.id = "selftest_bang",
                                .summary = "",
                                .run = nullptr,
                                .touches = 64,
                                .rewrite = false,
                                .paced = false,
                                .scattered = false,
                                .by_default = true,
                                .selftest = true};
constexpr const Workload* kTable[] = {&kLinear, &kAgain, &kSelftest};

std::vector<PlannedCell> plan_of(const Selection& selection) {
  return plan_cells(selection, kTable);
}

Names names_of(const Selection& selection) {
  Names names;
  for (const PlannedCell& planned : plan_of(selection)) names.push_back(planned.cell.name());
  return names;
}

std::string refusal_of(const Selection& selection) {
  return message_of(ExitCode::kUsage, [&] { plan_of(selection); });
}

size_t skipped(const std::vector<PlannedCell>& plan) {
  return static_cast<size_t>(std::count_if(
      plan.begin(), plan.end(), [](const PlannedCell& planned) { return !planned.skip.empty(); }));
}

// The one cell of a selection that leaves one.
PlannedCell only(const Selection& selection) {
  const std::vector<PlannedCell> plan = plan_of(selection);
  EXPECT_EQ(plan.size(), 1U);
  return plan.at(0);
}

TEST(Matrix, DefaultIsThisLarge) {
  // 3 file systems, 14 strategies with their K, 3 states; prealloc has but one state.
  const auto plan = plan_of({});
  EXPECT_EQ(plan.size(), 126U);
  EXPECT_EQ(skipped(plan), 6U);
  for (const PlannedCell& planned : plan) {
    EXPECT_EQ(planned.cell.workload, "linear");
    EXPECT_EQ(planned.cell.order, Order::kPte);
    EXPECT_EQ(planned.cell.threads, 1U);
    EXPECT_EQ(planned.cell.touches, 1000U);
    EXPECT_EQ(planned.cell.probes, Probes::kOff);
  }
}

TEST(Matrix, WholeIsThisLarge) {
  // 5 file systems, 2 workloads, 2 orders, 3 numbers of threads, 20 strategies, 3 states.
  const auto plan = plan_of({.fs = {"*"},
                             .strategy = {"*"},
                             .workload = {"*"},
                             .state = {"*"},
                             .order = {"*"},
                             .threads = {"*"}});
  EXPECT_EQ(plan.size(), 3600U);
  // Per number of threads, linear and again, pte and pmd: (4 + 7) + (40 + 41) on each of 3 DAX
  // file systems, (24 + 60) + (48 + 60) on each of the 2 others.
  EXPECT_EQ(skipped(plan), 1980U);
}

TEST(Matrix, RowsAreInThisOrder) {
  EXPECT_EQ(
      names_of(
          {.fs = {"xfs", "ext4"}, .strategy = {"fsync:8", "volatile"}, .state = {"wr*", "hole"}}),
      (Names{"/ext4/volatile/linear/hole/pte/t1/off", "/ext4/volatile/linear/written/pte/t1/off",
             "/ext4/fsync:8/linear/hole/pte/t1/off", "/ext4/fsync:8/linear/written/pte/t1/off",
             "/xfs/volatile/linear/hole/pte/t1/off", "/xfs/volatile/linear/written/pte/t1/off",
             "/xfs/fsync:8/linear/hole/pte/t1/off", "/xfs/fsync:8/linear/written/pte/t1/off"}));
  EXPECT_EQ(
      names_of({.fs = {"ext4"},
                .strategy = {"map_sync", "volatile"},
                .workload = {"again", "linear"},
                .state = {"written"},
                .order = {"pmd", "pte"},
                .threads = {"2", "1"}}),
      (Names{"/ext4/volatile/linear/written/pte/t1/off", "/ext4/map_sync/linear/written/pte/t1/off",
             "/ext4/volatile/linear/written/pte/t2/off", "/ext4/map_sync/linear/written/pte/t2/off",
             "/ext4/volatile/linear/written/pmd/t1/off", "/ext4/map_sync/linear/written/pmd/t1/off",
             "/ext4/volatile/linear/written/pmd/t2/off", "/ext4/map_sync/linear/written/pmd/t2/off",
             "/ext4/volatile/again/written/pte/t1/off", "/ext4/map_sync/again/written/pte/t1/off",
             "/ext4/volatile/again/written/pte/t2/off", "/ext4/map_sync/again/written/pte/t2/off",
             "/ext4/volatile/again/written/pmd/t1/off", "/ext4/map_sync/again/written/pmd/t1/off",
             "/ext4/volatile/again/written/pmd/t2/off",
             "/ext4/map_sync/again/written/pmd/t2/off"}));
  EXPECT_EQ(names_of({.fs = {"xfs"}, .strategy = {"msync"}, .state = {"hole"}}),
            (Names{"/xfs/msync:1/linear/hole/pte/t1/off", "/xfs/msync:8/linear/hole/pte/t1/off",
                   "/xfs/msync:64/linear/hole/pte/t1/off", "/xfs/msync:512/linear/hole/pte/t1/off",
                   "/xfs/msync:all/linear/hole/pte/t1/off"}));
}

TEST(Matrix, StrategiesByNameAndK) {
  const auto strategies = [](const Names& patterns) {
    Names found;
    for (const PlannedCell& planned :
         plan_of({.fs = {"xfs"}, .strategy = patterns, .state = {"written"}})) {
      const std::string name = planned.cell.name();
      found.push_back(name.substr(5, name.find("/linear") - 5));
    }
    return found;
  };
  const Names all_fsync = {"fsync:1", "fsync:8", "fsync:64", "fsync:512", "fsync:all"};
  EXPECT_EQ(strategies({"fsync"}), all_fsync);
  EXPECT_EQ(strategies({"fsync:*"}), all_fsync);
  EXPECT_EQ(strategies({"fsync", "fsync:8"}), all_fsync);
  EXPECT_EQ(strategies({"fsync:64"}), Names{"fsync:64"});
  EXPECT_EQ(strategies({"*:all"}), (Names{"fsync:all", "msync:all"}));
  EXPECT_EQ(strategies({"*:1"}), (Names{"fsync:1", "msync:1", "pwrite:1"}));
  EXPECT_EQ(strategies({"pwrite"}), Names{"pwrite:1"});
  EXPECT_EQ(strategies({"p*"}), (Names{"prealloc", "pwrite:1"}));
  EXPECT_EQ(strategies({"map_sync", "v*"}), (Names{"volatile", "map_sync"}));
  EXPECT_EQ(strategies({"*"}).size(), 20U);
}

TEST(Matrix, OffersNearNames) {
  EXPECT_EQ(refusal_of({.fs = {"ext5"}}), "--fs: nothing is called 'ext5'; did you mean ext4?");
  EXPECT_EQ(refusal_of({.strategy = {"fsync", "mapsync"}}),
            "--strategy: nothing is called 'mapsync'; did you mean map_sync or msync?");
  EXPECT_EQ(refusal_of({.strategy = {"fsync:7"}}),
            "--strategy: nothing is called 'fsync:7'; did you mean fsync:1 or fsync:8 or fsync?");
  EXPECT_EQ(refusal_of({.workload = {"liner"}}),
            "--workload: nothing is called 'liner'; did you mean linear?");
  EXPECT_EQ(refusal_of({.state = {"hol"}}), "--state: nothing is called 'hol'; did you mean hole?");
  EXPECT_EQ(refusal_of({.order = {"pxd"}}),
            "--order: nothing is called 'pxd'; did you mean pmd or pte?");
  EXPECT_EQ(refusal_of({.threads = {"3"}}),
            "--threads: nothing is called '3'; did you mean 1 or 2 or 4?");
}

TEST(Matrix, ListsAllWhenNoneIsNear) {
  EXPECT_EQ(refusal_of({.fs = {"btrfs-z"}}),
            "--fs: nothing is called 'btrfs-z'; there is: ext4, ext4-fc, xfs, ext4-nodax, "
            "xfs-nodax");
  EXPECT_EQ(refusal_of({.state = {"?"}}),
            "--state: nothing is called '?'; there is: hole, unwritten, written");
  EXPECT_NE(refusal_of({.strategy = {"zfs*"}}).find("volatile, fsync, fsync:1, fsync:8"),
            std::string::npos);
  // A strategy without K has none to choose.
  EXPECT_NE(refusal_of({.strategy = {"volatile:1"}}).find("did you mean volatile?"),
            std::string::npos);
}

TEST(Matrix, SelftestsAreChosenByFullNameAlone) {
  for (const PlannedCell& planned : plan_of({.workload = {"*"}})) {
    EXPECT_NE(planned.cell.workload, "selftest_bang");
  }
  EXPECT_EQ(refusal_of({.workload = {"selftest_*"}}),
            "--workload: nothing is called 'selftest_*'; there is: linear, again");
  EXPECT_EQ(refusal_of({.workload = {"selftest_ban"}}),
            "--workload: nothing is called 'selftest_ban'; there is: linear, again");
  EXPECT_EQ(names_of({.fs = {"xfs"},
                      .strategy = {"volatile"},
                      .workload = {"selftest_bang"},
                      .state = {"h*"}}),
            Names{"/xfs/volatile/selftest_bang/hole/pte/t1/off"});
  EXPECT_EQ(plan_of({.fs = {"xfs"},
                     .strategy = {"volatile"},
                     .workload = {"*", "selftest_bang"},
                     .state = {"h*"}})
                .size(),
            3U);
}

// A contest of our own.
constexpr TouchKind kPokes[] = {{.id = "poke", .summary = "", .touch = nullptr},
                                {.id = "prod", .summary = "", .touch = nullptr}};
constexpr const char* kDuel[] = {"map_sync", "sync_retry"};

Workload duel_of(Contest contest) {
  Workload duel = kLinear;
  duel.id = "duel";
  duel.by_default = false;
  duel.contest = contest;
  duel.kinds = kPokes;
  duel.strategies = kDuel;
  return duel;
}

TEST(Matrix, ContestsHaveTouches) {
  const Workload duel = duel_of(Contest::kVictim);
  const Workload watch = duel_of(Contest::kBystander);
  const auto names = [](const Workload& workload, Selection selection) {
    selection.fs = {"xfs"};
    selection.workload = {"duel"};
    selection.state = {"hole"};
    const Workload* const table[] = {&workload};
    Names found;
    for (const PlannedCell& planned : plan_cells(selection, table)) {
      const std::string name = planned.cell.name();
      const size_t at = name.find("/t1/") + 4;
      found.push_back(planned.cell.strategy + " " + name.substr(at, name.rfind('/') - at));
    }
    return found;
  };
  // Alone once, then each touch by one attacker; its own strategies.
  EXPECT_EQ(names(duel, {.setting = {"deterministic"}}),
            (Names{"map_sync none/a0/deterministic", "map_sync poke/a1/deterministic",
                   "map_sync prod/a1/deterministic", "sync_retry none/a0/deterministic",
                   "sync_retry poke/a1/deterministic", "sync_retry prod/a1/deterministic"}));
  EXPECT_EQ(names(duel, {.strategy = {"volatile"}, .touch = {"prod"}, .attackers = {"2", "4"}}),
            (Names{"volatile prod/a2/deterministic", "volatile prod/a2/concurrent",
                   "volatile prod/a4/deterministic", "volatile prod/a4/concurrent"}));
  // A bystander is one.
  EXPECT_EQ(names(watch, {.strategy = {"map_sync"}, .attackers = {"4"}, .setting = {"conc*"}}),
            (Names{"map_sync poke/a1/concurrent", "map_sync prod/a1/concurrent"}));
}

TEST(Matrix, ContestsSayWhatTheyCannot) {
  const Workload duel = duel_of(Contest::kVictim);
  const Workload* const table[] = {&duel};
  const auto skip = [&](Selection selection) {
    selection.fs = {"xfs"};
    selection.state = {"hole"};
    selection.touch = {"poke"};
    selection.attackers = {"1"};
    selection.workload = {"duel"};
    const std::vector<PlannedCell> plan = plan_cells(selection, table);
    EXPECT_EQ(plan.size(), 1U);
    return plan.at(0).skip;
  };
  EXPECT_EQ(skip({.strategy = {"map_sync"}, .setting = {"deterministic"}}), "");
  EXPECT_EQ(skip({.strategy = {"map_sync"}, .setting = {"concurrent"}}),
            "needs --accel tcg or kvm");
  EXPECT_EQ(skip({.strategy = {"map_sync"}, .setting = {"deterministic"}, .wall = true}),
            "needs --accel tcg-icount");
  EXPECT_EQ(skip({.strategy = {"map_sync"}, .setting = {"concurrent"}, .wall = true}), "");
  EXPECT_EQ(skip({.strategy = {"pwrite"}, .setting = {"deterministic"}}),
            "pwrite maps nothing: it takes no fault");
  EXPECT_EQ(skip({.strategy = {"map_sync"}, .threads = {"2"}, .setting = {"deterministic"}}),
            "duel has one thread that faults");
}

TEST(Matrix, ThreadsShareTheTouchesEqually) {
  const auto touches = [](std::optional<uint64_t> asked, const char* threads, const char* order) {
    return only({.fs = {"xfs"},
                 .strategy = {"volatile"},
                 .state = {"written"},
                 .order = {order},
                 .threads = {threads},
                 .touches = asked})
        .cell.touches;
  };
  EXPECT_EQ(touches({}, "1", "pte"), 1000U);
  EXPECT_EQ(touches({}, "4", "pte"), 1000U);
  EXPECT_EQ(touches({}, "1", "pmd"), 32U);
  EXPECT_EQ(touches({}, "4", "pmd"), 32U);
  EXPECT_EQ(touches(10, "1", "pte"), 10U);
  EXPECT_EQ(touches(10, "2", "pte"), 10U);
  EXPECT_EQ(touches(10, "4", "pte"), 8U);
  EXPECT_EQ(touches(7, "2", "pmd"), 6U);
  EXPECT_EQ(touches(1, "4", "pte"), 4U);  // one each at least
  EXPECT_EQ(touches(100, "1", "pmd"), 100U);
  EXPECT_EQ(touches(1'048'576, "1", "pte"), 1'048'576U);
  // A workload that is shorter than 32 stays so.
  EXPECT_EQ(only({.fs = {"xfs"},
                  .strategy = {"volatile"},
                  .workload = {"again"},
                  .state = {"written"},
                  .order = {"pmd"}})
                .cell.touches,
            24U);
}

TEST(Matrix, TouchesHaveBounds) {
  EXPECT_EQ(refusal_of({.touches = 0}), "--touches: 0 is not between 1 and 1048576");
  EXPECT_EQ(refusal_of({.touches = 1'048'577}), "--touches: 1048577 is not between 1 and 1048576");
}

TEST(Matrix, SaysWhyACellCannotBeMeasured) {
  const auto reason = [](const char* fs, const char* strategy, const char* workload,
                         const char* state, const char* order) {
    return only({.fs = {fs},
                 .strategy = {strategy},
                 .workload = {workload},
                 .state = {state},
                 .order = {order}})
        .skip;
  };
  EXPECT_EQ(reason("ext4", "prealloc", "linear", "hole", "pte"),
            "prealloc writes every block beforehand: there is no hole state");
  EXPECT_EQ(reason("ext4", "prealloc", "linear", "unwritten", "pte"),
            "prealloc writes every block beforehand: there is no unwritten state");
  EXPECT_EQ(reason("ext4", "prealloc", "linear", "written", "pmd"), "");
  EXPECT_EQ(reason("ext4-nodax", "map_sync", "linear", "written", "pte"),
            "map_sync needs MAP_SYNC, which only a DAX mapping has");
  EXPECT_EQ(reason("xfs-nodax", "prealloc", "linear", "written", "pte"),
            "prealloc needs MAP_SYNC, which only a DAX mapping has");
  EXPECT_EQ(reason("xfs-nodax", "fsync:8", "linear", "hole", "pte"), "");
  EXPECT_EQ(reason("ext4-nodax", "volatile", "linear", "hole", "pmd"),
            "the page cache of this file system maps no pmd");
  EXPECT_EQ(reason("xfs", "volatile", "linear", "hole", "pmd"), "");
  EXPECT_EQ(reason("xfs", "pwrite", "linear", "hole", "pmd"), "pwrite maps nothing");
  EXPECT_EQ(reason("xfs", "pwrite", "linear", "hole", "pte"), "");
  EXPECT_EQ(reason("xfs", "fsync:1", "again", "hole", "pte"),
            "again touches pages that were written before: there is no hole state");
  EXPECT_EQ(reason("xfs", "fsync:1", "again", "unwritten", "pte"),
            "again touches pages that were written before: there is no unwritten state");
  EXPECT_EQ(reason("xfs", "fsync:1", "again", "written", "pte"), "");
}

TEST(Matrix, SplitsLists) {
  EXPECT_EQ(split_list("a,b,c"), (Names{"a", "b", "c"}));
  EXPECT_EQ(split_list("fsync:8,*"), (Names{"fsync:8", "*"}));
  EXPECT_EQ(split_list(",a,,b,"), (Names{"a", "b"}));
  EXPECT_EQ(split_list(""), Names{});
}

TEST(Matrix, NearNames) {
  const Names known = {"bookworm", "bullseye", "trixie"};
  EXPECT_EQ(near_names("bookwrm", known), Names{"bookworm"});
  EXPECT_EQ(near_names("worm", known), Names{"bookworm"});
  EXPECT_EQ(near_names("trixi", known), Names{"trixie"});
  EXPECT_EQ(near_names("x", known), Names{});
  EXPECT_EQ(near_names("", known), Names{});
  EXPECT_EQ(near_names("aa", {"abc", "aac", "aa1", "aab"}), (Names{"aac", "aa1", "aab"}));
}

}  // namespace
}  // namespace faultline
