// SPDX-License-Identifier: GPL-2.0-only
// One file because all of cell/plan.h, from a selection to the rows of a run, is held to the same
// three workloads and tried by the same few helpers.
#include "cell/plan.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "cell/name.h"
#include "cell/testing.h"

namespace faultline {
namespace {

using Names = std::vector<std::string>;
using Patterns = std::map<std::string, Names>;

// Workloads of our own: the counts below do not change when a real one comes.
constexpr Workload kTable[] = {
    {.id = "linear", .summary = "", .touches = 1000, .by_default = true},
    {.id = "again", .summary = "", .touches = 24, .rewrite = true},
    {.id = "selftest_bang", .summary = "", .touches = 64, .by_default = true, .selftest = true}};

std::vector<PlannedCell> plan_of(const Selection& selection) {
  return plan_cells(selection, {.workloads = kTable});
}

Names names_of(const Patterns& patterns) {
  Names names;
  for (const PlannedCell& planned : plan_of({.patterns = patterns})) {
    names.push_back(planned.cell.name());
  }
  return names;
}

std::string refusal_of(const Selection& selection) {
  return message_of(ExitCode::kUsage, [&] { plan_of(selection); });
}

std::size_t skipped(const std::vector<PlannedCell>& plan) {
  return static_cast<std::size_t>(std::count_if(
      plan.begin(), plan.end(), [](const PlannedCell& planned) { return !planned.skip.empty(); }));
}

// The one cell of a selection that leaves one.
PlannedCell only(const Selection& selection) {
  const std::vector<PlannedCell> plan = plan_of(selection);
  EXPECT_EQ(plan.size(), 1U);
  return plan.at(0);
}

TEST(Plan, DefaultIsThisLarge) {
  // 3 file systems, 14 strategies with their K, 3 states; prealloc has but one state.
  const auto plan = plan_of({});
  EXPECT_EQ(plan.size(), 126U);
  EXPECT_EQ(skipped(plan), 6U);
  for (const PlannedCell& planned : plan) {
    EXPECT_EQ(planned.cell.workload, "linear");
    EXPECT_EQ(planned.cell.order, Order::kPte);
    EXPECT_EQ(planned.cell.threads, 1U);
    EXPECT_EQ(planned.cell.touches, 1000U);
    EXPECT_EQ(planned.cell.probes, Probes::k_off);
    EXPECT_EQ(planned.cell.kernel, "");
    EXPECT_EQ(planned.cell.seed, 0U);
    EXPECT_TRUE(planned.cell.virtual_time);
    EXPECT_FALSE(planned.cell.is_contest());
  }
  for (const PlannedCell& planned : plan_of({.wall = true})) {
    EXPECT_FALSE(planned.cell.virtual_time);
  }
}

TEST(Plan, DefaultOfTheTablesIsThisLarge) {
  const std::vector<PlannedCell> plan = plan_cells({});
  EXPECT_EQ(plan.size(), 126U);
  EXPECT_EQ(skipped(plan), 6U);
  for (const PlannedCell& planned : plan) {
    EXPECT_EQ(planned.cell.workload, "first_touch");
    EXPECT_EQ(planned.cell.touches, 1024U);
  }
}

TEST(Plan, WholeIsThisLarge) {
  // 4 file systems, 2 workloads, 2 orders, 3 numbers of threads, 5 strategies, 4 states.
  const auto plan = plan_of(
      {.patterns = {{"fs", {"ext4", "ext2", "xfs-nodax", "xfs-reflink"}},
                    {"strategy", {"volatile", "fsync:8", "pwrite", "map_sync", "sync_fault"}},
                    {"workload", {"*"}},
                    {"state", {"*"}},
                    {"order", {"*"}},
                    {"threads", {"*"}}}});
  EXPECT_EQ(plan.size(), 960U);
  // Per number of threads, linear and again: 13 + 31 on ext4, which has no shared blocks; 25 + 35
  // on ext2, which grants no MAP_SYNC to two of the strategies either; 4 + 31 on xfs-reflink, where
  // pwrite maps nothing of 2 MiB; 31 + 37 on xfs-nodax, where nobody does.
  EXPECT_EQ(skipped(plan), 621U);
}

TEST(Plan, AnyKMayBeNamed) {
  EXPECT_EQ(names_of({{"fs", {"ext4"}},
                      {"strategy", {"fsync:64", "fsync:7", "fsync:1048576"}},
                      {"state", {"hole"}}}),
            (Names{"/ext4/fsync:7/linear/hole/pte/t1/off", "/ext4/fsync:64/linear/hole/pte/t1/off",
                   "/ext4/fsync:1048576/linear/hole/pte/t1/off"}));
  // A glob, or the strategy alone, means those of the matrix.
  EXPECT_EQ(
      names_of({{"fs", {"ext4"}}, {"strategy", {"msync:2", "msync"}}, {"state", {"hole"}}}),
      (Names{"/ext4/msync:1/linear/hole/pte/t1/off", "/ext4/msync:2/linear/hole/pte/t1/off",
             "/ext4/msync:8/linear/hole/pte/t1/off", "/ext4/msync:64/linear/hole/pte/t1/off",
             "/ext4/msync:512/linear/hole/pte/t1/off", "/ext4/msync:all/linear/hole/pte/t1/off"}));
  for (const char* none : {"fsync:0", "fsync:1048577", "fsync:x", "fsync:7x", "pwrite:7",
                           "volatile:7", "nosuch:7", "fsync:"}) {
    EXPECT_NE(refusal_of({.patterns = {{"strategy", {none}}}}).find("nothing is called"),
              std::string::npos)
        << none;
  }
}

TEST(Plan, CellsAreInThisOrder) {
  EXPECT_EQ(
      names_of({{"fs", {"xfs", "ext4"}},
                {"strategy", {"fsync:8", "volatile"}},
                {"state", {"wr*", "hole"}}}),
      (Names{"/ext4/volatile/linear/hole/pte/t1/off", "/ext4/volatile/linear/written/pte/t1/off",
             "/ext4/fsync:8/linear/hole/pte/t1/off", "/ext4/fsync:8/linear/written/pte/t1/off",
             "/xfs/volatile/linear/hole/pte/t1/off", "/xfs/volatile/linear/written/pte/t1/off",
             "/xfs/fsync:8/linear/hole/pte/t1/off", "/xfs/fsync:8/linear/written/pte/t1/off"}));
  EXPECT_EQ(
      names_of({{"fs", {"ext4"}},
                {"strategy", {"map_sync", "volatile"}},
                {"workload", {"again", "linear"}},
                {"state", {"written"}},
                {"order", {"pmd", "pte"}},
                {"threads", {"2", "1"}}}),
      (Names{"/ext4/volatile/linear/written/pte/t1/off", "/ext4/map_sync/linear/written/pte/t1/off",
             "/ext4/volatile/linear/written/pte/t2/off", "/ext4/map_sync/linear/written/pte/t2/off",
             "/ext4/volatile/linear/written/pmd/t1/off", "/ext4/map_sync/linear/written/pmd/t1/off",
             "/ext4/volatile/linear/written/pmd/t2/off", "/ext4/map_sync/linear/written/pmd/t2/off",
             "/ext4/volatile/again/written/pte/t1/off", "/ext4/map_sync/again/written/pte/t1/off",
             "/ext4/volatile/again/written/pte/t2/off", "/ext4/map_sync/again/written/pte/t2/off",
             "/ext4/volatile/again/written/pmd/t1/off", "/ext4/map_sync/again/written/pmd/t1/off",
             "/ext4/volatile/again/written/pmd/t2/off",
             "/ext4/map_sync/again/written/pmd/t2/off"}));
  EXPECT_EQ(names_of({{"fs", {"xfs"}}, {"strategy", {"msync"}}, {"state", {"hole"}}}),
            (Names{"/xfs/msync:1/linear/hole/pte/t1/off", "/xfs/msync:8/linear/hole/pte/t1/off",
                   "/xfs/msync:64/linear/hole/pte/t1/off", "/xfs/msync:512/linear/hole/pte/t1/off",
                   "/xfs/msync:all/linear/hole/pte/t1/off"}));
}

TEST(Plan, StrategiesByNameAndK) {
  const auto strategies = [](const Names& patterns) {
    Names found;
    for (const PlannedCell& planned :
         plan_of({.patterns = {{"fs", {"xfs"}}, {"strategy", patterns}, {"state", {"written"}}}})) {
      found.push_back(strategy_name(planned.cell.strategy, planned.cell.writes_per_sync));
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
  EXPECT_EQ(strategies({"sync_retry*"}),
            (Names{"sync_retry", "sync_retry_extent", "sync_retry_once", "sync_retry_strict"}));
  EXPECT_EQ(strategies({"*"}).size(), 23U);
}

TEST(Plan, OffersNearNames) {
  const auto refusal = [](const char* axis, const Names& patterns) {
    return refusal_of({.patterns = {{axis, patterns}}});
  };
  EXPECT_EQ(refusal("fs", {"ext5"}), "--fs: nothing is called 'ext5'; did you mean ext4 or ext2?");
  EXPECT_EQ(refusal("strategy", {"fsync", "mapsync"}),
            "--strategy: nothing is called 'mapsync'; did you mean map_sync or msync?");
  EXPECT_EQ(refusal("strategy", {"fsync:0"}),
            "--strategy: nothing is called 'fsync:0'; did you mean fsync:1 or fsync:8 or fsync?");
  EXPECT_EQ(refusal("workload", {"liner"}),
            "--workload: nothing is called 'liner'; did you mean linear?");
  EXPECT_EQ(refusal("state", {"hol"}), "--state: nothing is called 'hol'; did you mean hole?");
  EXPECT_EQ(refusal("order", {"pxd"}),
            "--order: nothing is called 'pxd'; did you mean pmd or pte?");
  EXPECT_EQ(refusal("threads", {"3"}),
            "--threads: nothing is called '3'; did you mean 1 or 2 or 4?");
}

TEST(Plan, ListsAllWhenNoneIsNear) {
  EXPECT_EQ(refusal_of({.patterns = {{"fs", {"btrfs-z"}}}}),
            "--fs: nothing is called 'btrfs-z'; there is: ext4, ext4-fc, xfs, ext4-nodax, "
            "xfs-nodax, ext4-orphan, xfs-rmapbt, xfs-reflink, ext4-log4m, ext4-lazytime, "
            "xfs-lazytime, xfs-quota, ext4-full, xfs-full, ext4-nojournal, ext2");
  EXPECT_EQ(refusal_of({.patterns = {{"state", {"?"}}}}),
            "--state: nothing is called '?'; there is: hole, unwritten, written, shared");
  EXPECT_NE(
      refusal_of({.patterns = {{"strategy", {"zfs*"}}}}).find("volatile, fsync, fsync:1, fsync:8"),
      std::string::npos);
  // A strategy without K has none to choose.
  EXPECT_NE(refusal_of({.patterns = {{"strategy", {"volatile:1"}}}}).find("did you mean volatile?"),
            std::string::npos);
}

struct BadName {
  const char* axis;
  const char* value;
  const char* said;
};

TEST(Plan, RefusesNamesThatAreInNoTable) {
  for (const BadName& bad : {
           BadName{"fs", "btrfs",
                   "--fs: nothing is called 'btrfs'; there is: ext4, ext4-fc, xfs, ext4-nodax, "
                   "xfs-nodax, ext4-orphan, xfs-rmapbt, xfs-reflink, ext4-log4m, ext4-lazytime, "
                   "xfs-lazytime, xfs-quota, ext4-full, xfs-full, ext4-nojournal, ext2"},
           BadName{"strategy", "fsync:0",
                   "--strategy: nothing is called 'fsync:0'; did you mean fsync:1 or fsync:8 or "
                   "fsync?"},
           BadName{"workload", "first",
                   "--workload: nothing is called 'first'; did you mean first_touch?"},
           BadName{"workload", "selftest_*",
                   "--workload: nothing is called 'selftest_*'; there is: first_touch, "
                   "random_touch, rewrite, store_again, many_files, paced, copy_beside, "
                   "background, behind_commit, unrelated, dos, bystander"},
           BadName{"state", "writen",
                   "--state: nothing is called 'writen'; did you mean written or unwritten?"},
           BadName{"order", "pud", "--order: nothing is called 'pud'; did you mean pmd or pte?"},
           BadName{"threads", "3", "--threads: nothing is called '3'; did you mean 1 or 2 or 4?"},
           BadName{"dirty-inodes", "10",
                   "--dirty-inodes: nothing is called '10'; did you mean 0 or 100 or 1000?"},
           BadName{"stores-per-page", "2",
                   "--stores-per-page: nothing is called '2'; did you mean 1 or 8 or 64?"},
           BadName{"touch", "utimes", "--touch: nothing is called 'utimes'; did you mean utimens?"},
           BadName{"attackers", "3",
                   "--attackers: nothing is called '3'; did you mean 0 or 1 or 2?"},
           BadName{"setting", "determ",
                   "--setting: nothing is called 'determ'; did you mean deterministic or "
                   "deterministic2?"},
       }) {
    EXPECT_EQ(message_of(ExitCode::kUsage,
                         [&] {
                           plan_cells({.patterns = {{bad.axis, {bad.value}}}});
                         }),
              bad.said);
  }
  EXPECT_EQ(message_of(ExitCode::kUsage,
                       [] {
                         plan_cells({.patterns = {{"flavour", {"*"}}}});
                       }),
            "there is no axis flavour");
}

TEST(Plan, SelftestsAreChosenByFullNameAlone) {
  for (const PlannedCell& planned : plan_of({.patterns = {{"workload", {"*"}}}})) {
    EXPECT_NE(planned.cell.workload, "selftest_bang");
  }
  EXPECT_EQ(refusal_of({.patterns = {{"workload", {"selftest_*"}}}}),
            "--workload: nothing is called 'selftest_*'; there is: linear, again");
  EXPECT_EQ(refusal_of({.patterns = {{"workload", {"selftest_ban"}}}}),
            "--workload: nothing is called 'selftest_ban'; there is: linear, again");
  EXPECT_EQ(names_of({{"fs", {"xfs"}},
                      {"strategy", {"volatile"}},
                      {"workload", {"selftest_bang"}},
                      {"state", {"h*"}}}),
            Names{"/xfs/volatile/selftest_bang/hole/pte/t1/off"});
  EXPECT_EQ(names_of({{"fs", {"xfs"}},
                      {"strategy", {"volatile"}},
                      {"workload", {"*", "selftest_bang"}},
                      {"state", {"h*"}}}),
            (Names{"/xfs/volatile/linear/hole/pte/t1/off", "/xfs/volatile/again/hole/pte/t1/off",
                   "/xfs/volatile/selftest_bang/hole/pte/t1/off"}));
}

// Contests of our own.
constexpr const char* kDuelists[] = {"map_sync", "sync_retry"};
constexpr Workload kDuel[] = {{.id = "duel",
                               .summary = "",
                               .touches = 1000,
                               .contest = Contest::kVictim,
                               .strategies = kDuelists}};
constexpr Workload kWatch[] = {{.id = "watch",
                                .summary = "",
                                .touches = 1000,
                                .contest = Contest::kBystander,
                                .strategies = kDuelists}};
constexpr TouchRow kPokes[] = {{.id = "poke", .workload = "duel", .summary = ""},
                               {.id = "prod", .workload = "duel", .summary = ""},
                               {.id = "look", .workload = "watch", .summary = ""},
                               {.id = "peep", .workload = "watch", .summary = ""}};

Names contests_of(std::span<const Workload> workloads, Patterns patterns) {
  patterns["fs"] = {"xfs"};
  patterns["workload"] = {workloads.front().id};
  patterns["state"] = {"hole"};
  Names found;
  for (const PlannedCell& planned :
       plan_cells({.patterns = patterns}, {.workloads = workloads, .touches = kPokes})) {
    const std::string name = planned.cell.name();
    const std::size_t at = name.find("/t1/") + 4;
    found.push_back(planned.cell.strategy + " " + name.substr(at, name.rfind('/') - at));
  }
  return found;
}

TEST(Plan, ContestsHaveTouches) {
  // Alone once, then each touch by one attacker; its own strategies.
  EXPECT_EQ(contests_of(kDuel, {{"setting", {"deterministic"}}}),
            (Names{"map_sync none/a0/deterministic", "map_sync poke/a1/deterministic",
                   "map_sync prod/a1/deterministic", "sync_retry none/a0/deterministic",
                   "sync_retry poke/a1/deterministic", "sync_retry prod/a1/deterministic"}));
  EXPECT_EQ(
      contests_of(kDuel,
                  {{"strategy", {"volatile"}}, {"touch", {"prod"}}, {"attackers", {"2", "4"}}}),
      (Names{"volatile prod/a2/deterministic", "volatile prod/a2/concurrent",
             "volatile prod/a4/deterministic", "volatile prod/a4/concurrent"}));
  // Nobody touches, whatever the touch.
  EXPECT_EQ(contests_of(kDuel, {{"strategy", {"map_sync"}},
                                {"touch", {"prod"}},
                                {"attackers", {"0", "1"}},
                                {"setting", {"*2"}}}),
            (Names{"map_sync none/a0/deterministic2", "map_sync prod/a1/deterministic2"}));
  // A bystander is one.
  EXPECT_EQ(contests_of(kWatch,
                        {{"strategy", {"map_sync"}}, {"attackers", {"1"}}, {"setting", {"conc*"}}}),
            (Names{"map_sync look/a1/concurrent", "map_sync peep/a1/concurrent"}));
  EXPECT_EQ(contests_of(kWatch, {{"strategy", {"map_sync"}}, {"touch", {"p*"}}}),
            (Names{"map_sync peep/a1/deterministic", "map_sync peep/a1/concurrent"}));
}

// What a workload does not have would be left out in silence, and the figures be others' than
// asked.
TEST(Plan, RefusesWhatNoSelectedWorkloadHas) {
  const auto refusal = [](const Patterns& patterns) {
    return message_of(ExitCode::kUsage, [&] { plan_cells({.patterns = patterns}); });
  };
  EXPECT_EQ(refusal({{"touch", {"mmap"}}}),
            "--touch mmap: of no workload that is selected (first_touch); --workload bystander "
            "takes it");
  EXPECT_EQ(refusal({{"dirty-inodes", {"100"}}}),
            "--dirty-inodes 100: of no workload that is selected (first_touch); --workload "
            "unrelated takes it");
  EXPECT_EQ(refusal({{"stores-per-page", {"8"}}}),
            "--stores-per-page 8: of no workload that is selected (first_touch); --workload "
            "store_again takes it");
  EXPECT_EQ(refusal({{"attackers", {"4"}}, {"workload", {"first_touch", "paced"}}}),
            "--attackers 4: of no workload that is selected (first_touch, paced); --workload dos "
            "takes it");
  EXPECT_EQ(refusal({{"setting", {"conc*"}}}),
            "--setting conc*: of no workload that is selected (first_touch); --workload dos or "
            "bystander takes it");
  // A touch of the other contest; a number that a bystander cannot have.
  EXPECT_EQ(refusal({{"workload", {"dos"}}, {"touch", {"utimens", "mmap"}}}),
            "--touch mmap: of no workload that is selected (dos); --workload bystander takes it");
  EXPECT_EQ(refusal({{"workload", {"bystander"}}, {"attackers", {"4"}}}),
            "--attackers 4: of no workload that is selected (bystander); --workload dos takes it");
  // One of several workloads is enough.
  EXPECT_NE(plan_cells({.patterns = {{"workload", {"dos", "bystander"}},
                                     {"touch", {"utimens", "mmap"}},
                                     {"attackers", {"4"}}}})
                .size(),
            0U);
}

TEST(Plan, ContestsSayWhatTheyCannot) {
  const auto skip = [&](Selection selection) {
    selection.patterns["fs"] = {"xfs"};
    selection.patterns["state"] = {"hole"};
    selection.patterns["touch"] = {"poke"};
    selection.patterns["attackers"] = {"1"};
    selection.patterns["workload"] = {"duel"};
    const std::vector<PlannedCell> plan =
        plan_cells(selection, {.workloads = kDuel, .touches = kPokes});
    EXPECT_EQ(plan.size(), 1U);
    return plan.at(0).skip;
  };
  const Names map_sync = {"map_sync"};
  const Names timer = {"deterministic"};
  const Names tight = {"concurrent"};
  EXPECT_EQ(skip({.patterns = {{"strategy", map_sync}, {"setting", timer}}}), "");
  EXPECT_EQ(skip({.patterns = {{"strategy", map_sync}, {"setting", tight}}}),
            "needs --accel tcg or kvm");
  EXPECT_EQ(skip({.patterns = {{"strategy", map_sync}, {"setting", timer}}, .wall = true}),
            "needs --accel tcg-icount");
  EXPECT_EQ(skip({.patterns = {{"strategy", map_sync}, {"setting", tight}}, .wall = true}), "");
  EXPECT_EQ(skip({.patterns = {{"strategy", {"pwrite"}}, {"setting", timer}}}),
            "pwrite maps nothing: it takes no fault");
  EXPECT_EQ(skip({.patterns = {{"strategy", map_sync}, {"threads", {"2"}}, {"setting", timer}}}),
            "duel has one thread that faults");
}

TEST(Plan, UnrelatedInodesAreAnAxisOfTheirWorkload) {
  const auto names = [](Patterns patterns) {
    patterns["fs"] = {"ext4"};
    patterns["state"] = {"hole"};
    Names found;
    for (const PlannedCell& planned : plan_cells({.patterns = patterns})) {
      found.push_back(planned.cell.name());
    }
    return found;
  };
  EXPECT_EQ(names({{"workload", {"unrelated"}}}),
            (Names{"/ext4/map_sync/unrelated/hole/pte/t1/off",
                   "/ext4/map_sync/unrelated/hole/pte/t1/d100/off",
                   "/ext4/map_sync/unrelated/hole/pte/t1/d1000/off",
                   "/ext4/map_sync/unrelated/hole/pte/t1/d10000/off",
                   "/ext4/map_sync/unrelated/hole/pte/t1/d50000/off"}));
  EXPECT_EQ(names({{"workload", {"unrelated", "paced"}},
                   {"strategy", {"map_sync"}},
                   {"dirty-inodes", {"1000"}}}),
            (Names{"/ext4/map_sync/paced/hole/pte/t1/off",
                   "/ext4/map_sync/unrelated/hole/pte/t1/d1000/off"}));
}

TEST(Plan, WrittenBlocksMayHaveMoreTouches) {
  constexpr Workload kShort[] = {
      {.id = "short", .summary = "", .touches = 24, .touches_written = 96, .by_default = true}};
  const auto touches = [&](const char* state, const char* order,
                           std::optional<std::uint64_t> asked) {
    const auto plan = plan_cells({.patterns = {{"fs", {"xfs"}},
                                               {"strategy", {"volatile"}},
                                               {"state", {state}},
                                               {"order", {order}}},
                                  .touches = asked},
                                 {.workloads = kShort});
    EXPECT_EQ(plan.size(), 1U);
    return plan.at(0).cell.touches;
  };
  EXPECT_EQ(touches("hole", "pte", {}), 24U);
  EXPECT_EQ(touches("unwritten", "pte", {}), 24U);
  EXPECT_EQ(touches("written", "pte", {}), 96U);
  EXPECT_EQ(touches("written", "pmd", {}), 24U);
  EXPECT_EQ(touches("written", "pte", 8), 8U);
}

TEST(Plan, ThreadsShareTheTouchesEqually) {
  const auto touches = [](std::optional<std::uint64_t> asked, const char* threads,
                          const char* order) {
    return only({.patterns = {{"fs", {"xfs"}},
                              {"strategy", {"volatile"}},
                              {"state", {"written"}},
                              {"order", {order}},
                              {"threads", {threads}}},
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
  EXPECT_EQ(only({.patterns = {{"fs", {"xfs"}},
                               {"strategy", {"volatile"}},
                               {"workload", {"again"}},
                               {"state", {"written"}},
                               {"order", {"pmd"}}}})
                .cell.touches,
            24U);
}

TEST(Plan, TouchesHaveBounds) {
  EXPECT_EQ(refusal_of({.touches = 0}), "--touches: 0 is not between 1 and 1048576");
  EXPECT_EQ(refusal_of({.touches = 1'048'577}), "--touches: 1048577 is not between 1 and 1048576");
  EXPECT_EQ(refusal_of({.touches = 99'999'999}),
            "--touches: 99999999 is not between 1 and 1048576");
}

TEST(Plan, AFileNeedsADeviceThatHoldsIt) {
  const auto needed = [](std::uint64_t touches, Order order) {
    return pmem_needed_mib({.order = order, .touches = touches});
  };
  // 4 MiB, 1 of warm-up and 112 beside it, and a share of it all: every default fits 512.
  EXPECT_EQ(needed(1024, Order::kPte), 122U);
  EXPECT_EQ(needed(32, Order::kPmd), 186U);
  EXPECT_EQ(needed(262144, Order::kPte), 1174U);
  EXPECT_EQ(needed(kMaxTouches, Order::kPmd), 2164922U);
  // One block in 16 is free.
  EXPECT_EQ(pmem_needed_mib({.fs = "ext4-full", .touches = 1024}), 200U);
  EXPECT_NO_THROW(check_fits({.touches = 65536}, 512));
  EXPECT_EQ(message_of(ExitCode::kUsage, [] { check_fits({.touches = 262144}, 512); }),
            "262144 touches of 4 KiB need 1174 MiB of pmem, and there are 512: --pmem 1174, or "
            "fewer --touches");
}

TEST(Plan, SaysWhyACellCannotBeMeasured) {
  const auto reason = [](const char* fs, const char* strategy, const char* workload,
                         const char* state, const char* order) {
    return only({.patterns = {{"fs", {fs}},
                              {"strategy", {strategy}},
                              {"workload", {workload}},
                              {"state", {state}},
                              {"order", {order}}}})
        .skip;
  };
  EXPECT_EQ(reason("ext4", "prealloc", "linear", "hole", "pte"),
            "prealloc writes every block beforehand: there is no hole state");
  EXPECT_EQ(reason("ext4", "prealloc", "linear", "written", "pmd"), "");
  EXPECT_EQ(reason("xfs-nodax", "prealloc", "linear", "written", "pte"),
            "prealloc needs MAP_SYNC, which only a DAX mapping has");
  EXPECT_EQ(reason("xfs-nodax", "fsync:8", "linear", "hole", "pte"), "");
  EXPECT_EQ(reason("xfs", "pwrite", "linear", "hole", "pmd"), "pwrite maps nothing");
  EXPECT_EQ(reason("xfs", "fsync:1", "again", "unwritten", "pte"),
            "again touches pages that were written before: there is no unwritten state");
  EXPECT_EQ(reason("xfs", "fsync:1", "again", "written", "pte"), "");
}

// Surroundings reach the rules, and file systems need not be those of the table.
TEST(Plan, IsOfAPlace) {
  const FileSystem here[] = {{.id = "erofs", .type = "erofs", .dax = true, .by_default = true}};
  const HostPlace place = {.where = "/mnt/pmem", .module_loaded = false};
  const Patterns one = {{"strategy", {"volatile", "map_sync"}}, {"state", {"hole"}}};
  const std::vector<PlannedCell> plan =
      plan_cells({.patterns = one, .wall = true}, {.file_systems = here, .workloads = kTable},
                 {.place = place});
  ASSERT_EQ(plan.size(), 2U);
  EXPECT_EQ(plan[0].cell.name(), "/erofs/volatile/linear/hole/pte/t1/off");
  EXPECT_EQ(plan[0].skip, "");
  EXPECT_EQ(plan[1].skip, "map_sync needs MAP_SYNC, which erofs does not grant");
  EXPECT_EQ(
      message_of(
          ExitCode::kUsage,
          [&] {
            plan_cells({.patterns = {{"fs", {"xfs"}}}}, {.file_systems = here}, {.place = place});
          }),
      "--fs: nothing is called 'xfs'; there is: erofs");
}

TEST(Seeds, AreANumberOrARange) {
  struct Row {
    const char* text;
    std::uint64_t first;
    std::uint64_t last;
  };
  for (const Row& row :
       {Row{"1", 0, 0}, Row{"5", 0, 4}, Row{"1000", 0, 999}, Row{"0..0", 0, 0}, Row{"3..7", 3, 7},
        Row{"5..5", 5, 5}, Row{"0..999", 0, 999}, Row{"2000..2999", 2000, 2999}}) {
    const SeedRange range = seeds_named(row.text);
    EXPECT_EQ(range.first, row.first) << row.text;
    EXPECT_EQ(range.last, row.last) << row.text;
  }
  for (const char* bad :
       {"", "0", "1001", "x", "-1", "1.5", " 5", "5 ", "5x", "..", "3..", "..3", "7..3", "0..1000",
        "1..2..3", "3...7", "3..x", "1-5", "18446744073709551616",
        // A result's numbers end at 2^63 - 1.
        "18446744073709551615..18446744073709551615"}) {
    EXPECT_EQ(message_of(ExitCode::kUsage, [&] { seeds_named(bad); }),
              std::string("--seeds: '") + bad +
                  "' is no number and no FIRST..LAST of at most 1000 seeds");
  }
}

TEST(ProbeSets, BeginWithTheTwin) {
  using Sets = std::vector<Probes>;
  EXPECT_EQ(probe_sets_named(""), Sets{Probes::k_off});
  EXPECT_EQ(probe_sets_named("off"), Sets{Probes::k_off});
  EXPECT_EQ(probe_sets_named("on"), (Sets{Probes::k_off, Probes::k_on}));
  EXPECT_EQ(probe_sets_named("on,off"), (Sets{Probes::k_off, Probes::k_on}));
  EXPECT_EQ(probe_sets_named("phases,locks,phases,interruptions,on"),
            (Sets{Probes::k_off, Probes::k_phases, Probes::k_locks, Probes::k_interruptions,
                  Probes::k_on}));
  // By its name alone.
  EXPECT_EQ(probe_sets_named("ballast"), (Sets{Probes::k_off, Probes::k_ballast}));
  EXPECT_EQ(message_of(ExitCode::kUsage, [] { probe_sets_named("on,maybe"); }),
            "no set of probes is called 'maybe'; there is: off, on, phases, locks, interruptions, "
            "bpf_cost:empty | array | hash | inode_storage | chain1 | chain2 | chain3 | chain4 | "
            "chain5 | chain6 | chain7 | chain8 | ringbuf");
  EXPECT_EQ(probe_sets_named("bpf_cost:chain[12],bpf_cost:e*"),
            (Sets{Probes::k_off, Probes::k_bpf_cost_chain1, Probes::k_bpf_cost_chain2,
                  Probes::k_bpf_cost_empty}));
  EXPECT_EQ(probe_sets_named("o*"), (Sets{Probes::k_off, Probes::k_on}));
  EXPECT_EQ(message_of(ExitCode::kUsage, [] { probe_sets_named("bpf_cost:z*"); }).substr(0, 40),
            "no set of probes is called 'bpf_cost:z*'");
}

TEST(Vary, IsAllOrOneAccidentOrNone) {
  for (const char* good : {"all", "none", "tick", "pages", "blocks"}) {
    EXPECT_NO_THROW(check_vary(good)) << good;
    EXPECT_TRUE(is_varied(good)) << good;
  }
  for (const char* bad : {"", "ticks", "all,tick", "*"}) {
    EXPECT_FALSE(is_varied(bad)) << bad;
    EXPECT_EQ(
        message_of(ExitCode::kUsage, [&] { check_vary(bad); }),
        std::string("--vary: no such thing: '") + bad + "'; there is: all, tick, pages, blocks");
  }
}

// A cell, a contest and a cell that cannot be measured.
std::vector<PlannedCell> three() {
  const Cell plain = {.fs = "ext4", .strategy = "volatile", .workload = "w", .touches = 8};
  Cell contest = plain;
  contest.workload = "dos";
  contest.touch = "chmod";
  contest.attackers = 1;
  Cell impossible = plain;
  impossible.strategy = "prealloc";
  return {{.cell = plain, .skip = ""},
          {.cell = contest, .skip = ""},
          {.cell = impossible, .skip = "there is no hole state"}};
}

// Each row in one line: its name, seed and which repetition of how many.
Names lines_of(const std::vector<PlannedRow>& rows) {
  Names lines;
  for (const PlannedRow& row : rows) {
    lines.push_back(row.cell.name() + " s" + std::to_string(row.cell.seed) + " " +
                    std::to_string(row.cell.repetition) + "/" + std::to_string(row.repetitions) +
                    (row.skip.empty() ? "" : " " + row.skip));
  }
  return lines;
}

TEST(PlanRows, TwinsFirstContestsUnprobedSkippedOnce) {
  EXPECT_EQ(
      lines_of(plan_rows("6.1", three(),
                         {.sets = {Probes::k_off, Probes::k_on, Probes::k_phases},
                          .seeds = {.first = 3, .last = 5},
                          .contest_seeds = {.first = 7, .last = 8}})),
      (Names{
          "6.1/ext4/volatile/w/hole/pte/t1/off s3 0/1",
          "6.1/ext4/volatile/w/hole/pte/t1/off s4 0/1",
          "6.1/ext4/volatile/w/hole/pte/t1/off s5 0/1", "6.1/ext4/volatile/w/hole/pte/t1/on s3 0/1",
          "6.1/ext4/volatile/w/hole/pte/t1/on s4 0/1", "6.1/ext4/volatile/w/hole/pte/t1/on s5 0/1",
          "6.1/ext4/volatile/w/hole/pte/t1/phases s3 0/1",
          "6.1/ext4/volatile/w/hole/pte/t1/phases s4 0/1",
          "6.1/ext4/volatile/w/hole/pte/t1/phases s5 0/1",
          "6.1/ext4/volatile/dos/hole/pte/t1/chmod/a1/deterministic/off s7 0/1",
          "6.1/ext4/volatile/dos/hole/pte/t1/chmod/a1/deterministic/off s8 0/1",
          "6.1/ext4/prealloc/w/hole/pte/t1/off s3 0/1 there is no hole state",
          "6.1/ext4/prealloc/w/hole/pte/t1/on s3 0/1 there is no hole state",
          "6.1/ext4/prealloc/w/hole/pte/t1/phases s3 0/1 there is no hole state"}));
}

TEST(PlanRows, ProbedCellsGetTheFirstOfTheSeeds) {
  const auto seeds_of = [](std::uint64_t probe_seeds) {
    Names seeds;
    for (const PlannedRow& row : plan_rows("6.1", three(),
                                           {.sets = {Probes::k_off, Probes::k_on},
                                           .seeds = {.first = 3, .last = 5},
                                           .contest_seeds = {.first = 3, .last = 3},
                                           .probe_seeds = probe_seeds})) {
      if (!row.skip.empty() || row.cell.is_contest()) continue;
      const bool probed = row.cell.probes == Probes::k_on;
      seeds.push_back(fmt::format("{}{}", probed ? "on" : "off", row.cell.seed));
    }
    return seeds;
  };
  EXPECT_EQ(seeds_of(1), (Names{"off3", "off4", "off5", "on3"}));
  EXPECT_EQ(seeds_of(2), (Names{"off3", "off4", "off5", "on3", "on4"}));
  EXPECT_EQ(seeds_of(0), (Names{"off3", "off4", "off5", "on3", "on4", "on5"}));
  EXPECT_EQ(seeds_of(9), seeds_of(0));
}

TEST(PlanRows, ThereIsRoomForSoManyAndNoMore) {
  const std::vector<PlannedCell> cells = plan_of({.patterns = {{"workload", {"linear"}}}});
  const Sampling sampling{.seeds = {0, 2}};
  const std::size_t whole = plan_rows("k", cells, sampling).size();
  EXPECT_EQ(plan_rows("k", cells, sampling, whole).size(), whole);
  try {
    plan_rows("k", cells, sampling, whole - 1);
    FAIL();
  } catch (const Failure& failure) {
    EXPECT_EQ(failure.code(), ExitCode::kUsage);
    EXPECT_NE(std::string(failure.what()).find("over 1000000 rows"), std::string::npos);
  }
}

TEST(PlanRows, RepetitionsAreOfEachSeed) {
  EXPECT_EQ(lines_of(plan_rows("host", three(),
                               {.sets = {Probes::k_off, Probes::k_on}, .repetitions = 2})),
            (Names{"host/ext4/volatile/w/hole/pte/t1/off s0 0/2",
                   "host/ext4/volatile/w/hole/pte/t1/off s0 1/2",
                   "host/ext4/volatile/w/hole/pte/t1/on s0 0/2",
                   "host/ext4/volatile/w/hole/pte/t1/on s0 1/2",
                   "host/ext4/volatile/dos/hole/pte/t1/chmod/a1/deterministic/off s0 0/2",
                   "host/ext4/volatile/dos/hole/pte/t1/chmod/a1/deterministic/off s0 1/2",
                   "host/ext4/prealloc/w/hole/pte/t1/off s0 0/1 there is no hole state",
                   "host/ext4/prealloc/w/hole/pte/t1/on s0 0/1 there is no hole state"}));
}

TEST(PlanRows, SamplesAreOfTheProbedAndAccidentsOfAll) {
  const std::vector<PlannedRow> rows = plan_rows(
      "6.1", three(), {.sets = {Probes::k_off, Probes::k_on}, .vary = kVaryTick, .samples = true});
  ASSERT_EQ(rows.size(), 5U);
  for (const PlannedRow& row : rows) {
    EXPECT_EQ(row.cell.vary, "tick");
    EXPECT_EQ(row.cell.samples, row.cell.probes == Probes::k_on);
    EXPECT_EQ(row.cell.touches, 8U);
  }
  for (const PlannedRow& row : plan_rows("6.1", three(), {.sets = {Probes::k_on}})) {
    EXPECT_FALSE(row.cell.samples);
    EXPECT_EQ(row.cell.vary, "all");
  }
  EXPECT_TRUE(plan_rows("6.1", {}, {}).empty());
}

}  // namespace
}  // namespace faultline
