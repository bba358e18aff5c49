// SPDX-License-Identifier: GPL-2.0-only
#include "cell/name.h"

#include <gtest/gtest.h>

#include <set>

#include "cell/axes.h"
#include "cell/plan.h"

namespace faultline {
namespace {

using Values = std::vector<std::pair<std::string, std::string>>;

// A name in its three parts, and the cell that it is of.
struct Form {
  const char* kernel;
  const char* cell;
  const char* probes;
  Cell of;
  Values axes;
};

const std::vector<Form>& forms() {
  static const std::vector<Form> kForms = {
      {"bookworm",
       "ext4/volatile/first_touch/hole/pte/t1",
       "off",
       {.kernel = "bookworm", .fs = "ext4", .strategy = "volatile", .workload = "first_touch"},
       {{"fs", "ext4"},
        {"strategy", "volatile"},
        {"workload", "first_touch"},
        {"state", "hole"},
        {"order", "pte"},
        {"threads", "1"}}},
      {"6.12",
       "xfs/fsync:8/random_touch/unwritten/pmd/t2",
       "on",
       {.kernel = "6.12",
        .fs = "xfs",
        .strategy = "fsync",
        .writes_per_sync = 8,
        .workload = "random_touch",
        .state = State::kUnwritten,
        .order = Order::kPmd,
        .threads = 2,
        .probes = Probes::k_on},
       {{"fs", "xfs"},
        {"strategy", "fsync:8"},
        {"workload", "random_touch"},
        {"state", "unwritten"},
        {"order", "pmd"},
        {"threads", "2"}}},
      {"6.1.0-56-cloud-amd64",
       "ext4-fc/msync:all/rewrite/written/pte/t4",
       "phases",
       {.kernel = "6.1.0-56-cloud-amd64",
        .fs = "ext4-fc",
        .strategy = "msync",
        .writes_per_sync = kEveryAll,
        .workload = "rewrite",
        .state = State::kWritten,
        .threads = 4,
        .probes = Probes::k_phases},
       {{"fs", "ext4-fc"},
        {"strategy", "msync:all"},
        {"workload", "rewrite"},
        {"state", "written"},
        {"order", "pte"},
        {"threads", "4"}}},
      // Instructions planted in each fault, beside dirty inodes.
      {"6.1.176+200",
       "ext4/map_sync/unrelated/hole/pte/t1/d1000",
       "locks",
       {.kernel = "6.1.176+200",
        .fs = "ext4",
        .strategy = "map_sync",
        .workload = "unrelated",
        .probes = Probes::k_locks,
        .dirty_inodes = 1000},
       {{"fs", "ext4"},
        {"strategy", "map_sync"},
        {"workload", "unrelated"},
        {"state", "hole"},
        {"order", "pte"},
        {"threads", "1"},
        {"dirty-inodes", "1000"}}},
      {"6.1",
       "xfs/fsync:64/store_again/hole/pte/t1/w8",
       "on",
       {.kernel = "6.1",
        .fs = "xfs",
        .strategy = "fsync",
        .writes_per_sync = 64,
        .workload = "store_again",
        .probes = Probes::k_on,
        .stores_per_page = 8},
       {{"fs", "xfs"},
        {"strategy", "fsync:64"},
        {"workload", "store_again"},
        {"state", "hole"},
        {"order", "pte"},
        {"threads", "1"},
        {"stores-per-page", "8"}}},
      // A kernel by its path.
      {"./out/bzImage+200",
       "ext4/map_sync/first_touch/hole/pte/t1",
       "interruptions",
       {.kernel = "./out/bzImage+200",
        .fs = "ext4",
        .strategy = "map_sync",
        .workload = "first_touch",
        .probes = Probes::k_interruptions},
       {{"fs", "ext4"},
        {"strategy", "map_sync"},
        {"workload", "first_touch"},
        {"state", "hole"},
        {"order", "pte"},
        {"threads", "1"}}},
      {"/boot/vmlinuz-6.12",
       "ext4/map_sync/first_touch/hole/pte/t1",
       "ballast",
       {.kernel = "/boot/vmlinuz-6.12",
        .fs = "ext4",
        .strategy = "map_sync",
        .workload = "first_touch",
        .probes = Probes::k_ballast},
       {{"fs", "ext4"},
        {"strategy", "map_sync"},
        {"workload", "first_touch"},
        {"state", "hole"},
        {"order", "pte"},
        {"threads", "1"}}},
      // A path whose folders are words of the grammar.
      {"off/pte/t1",
       "xfs/daxfile/paced/written/pte/t1",
       "off",
       {.kernel = "off/pte/t1",
        .fs = "xfs",
        .strategy = "daxfile",
        .workload = "paced",
        .state = State::kWritten},
       {{"fs", "xfs"},
        {"strategy", "daxfile"},
        {"workload", "paced"},
        {"state", "written"},
        {"order", "pte"},
        {"threads", "1"}}},
      {"7.3",
       "xfs/sync_retry/dos/written/pte/t1/utimens/a4/deterministic2",
       "off",
       {.kernel = "7.3",
        .fs = "xfs",
        .strategy = "sync_retry",
        .workload = "dos",
        .state = State::kWritten,
        .touch = "utimens",
        .attackers = 4,
        .setting = Setting::kDeterministic2},
       {{"fs", "xfs"},
        {"strategy", "sync_retry"},
        {"workload", "dos"},
        {"state", "written"},
        {"order", "pte"},
        {"threads", "1"},
        {"touch", "utimens"},
        {"attackers", "4"},
        {"setting", "deterministic2"}}},
      {"host",
       "xfs-nodax/fsync:64/dos/hole/pte/t1/none/a0/concurrent",
       "off",
       {.kernel = "host",
        .fs = "xfs-nodax",
        .strategy = "fsync",
        .writes_per_sync = 64,
        .workload = "dos",
        .touch = "none",
        .attackers = 0,
        .setting = Setting::kConcurrent},
       {{"fs", "xfs-nodax"},
        {"strategy", "fsync:64"},
        {"workload", "dos"},
        {"state", "hole"},
        {"order", "pte"},
        {"threads", "1"},
        {"touch", "none"},
        {"attackers", "0"},
        {"setting", "concurrent"}}},
      {"6.1",
       "xfs/sync_retry/dos/written/pte/t1/chmod/a1/deterministic/f1000",
       "off",
       {.kernel = "6.1",
        .fs = "xfs",
        .strategy = "sync_retry",
        .workload = "dos",
        .state = State::kWritten,
        .touch = "chmod",
        .attackers = 1,
        .fault_deadline_ms = 1000},
       {{"fs", "xfs"},
        {"strategy", "sync_retry"},
        {"workload", "dos"},
        {"state", "written"},
        {"order", "pte"},
        {"threads", "1"},
        {"touch", "chmod"},
        {"attackers", "1"},
        {"setting", "deterministic"},
        {"fault-deadline", "1000"}}},
      // All that a name can have.
      {"out/6.1",
       "ext4/map_sync/dos/hole/pte/t1/d50000/others/a1/deterministic",
       "on",
       {.kernel = "out/6.1",
        .fs = "ext4",
        .strategy = "map_sync",
        .workload = "dos",
        .probes = Probes::k_on,
        .dirty_inodes = 50000,
        .touch = "others",
        .attackers = 1},
       {{"fs", "ext4"},
        {"strategy", "map_sync"},
        {"workload", "dos"},
        {"state", "hole"},
        {"order", "pte"},
        {"threads", "1"},
        {"dirty-inodes", "50000"},
        {"touch", "others"},
        {"attackers", "1"},
        {"setting", "deterministic"}}},
  };
  return kForms;
}

// What is read must be these; empty where it is absent.
void expect_read(const std::string& text, const std::string& kernel, const Form& form,
                 const std::string& probes) {
  SCOPED_TRACE(text);
  const std::optional<CellName> name = parse_cell_name(text);
  ASSERT_TRUE(name);
  EXPECT_EQ(name->kernel, kernel);
  EXPECT_EQ(name->cell, form.cell);
  EXPECT_EQ(name->probes, probes);
  EXPECT_EQ(name->axes, form.axes);
}

TEST(CellName, IsWrittenInOneForm) {
  for (const Form& form : forms()) {
    const std::string cell = std::string(form.kernel) + "/" + form.cell;
    EXPECT_EQ(cell_part(form.of), cell);
    EXPECT_EQ(row_name(form.of), cell + "/" + form.probes);
    EXPECT_EQ(form.of.name(), cell + "/" + form.probes);
  }
  // Whose kernel is not known yet.
  const Cell without = {.fs = "xfs", .strategy = "pwrite", .writes_per_sync = 1, .workload = "w"};
  EXPECT_EQ(row_name(without), "/xfs/pwrite:1/w/hole/pte/t1/off");
}

TEST(CellName, IsReadWithAndWithoutKernelAndProbes) {
  for (const Form& form : forms()) {
    const std::string kernel = form.kernel;
    const std::string cell = form.cell;
    const std::string probes = form.probes;
    expect_read(kernel + "/" + cell + "/" + probes, kernel, form, probes);
    expect_read(kernel + "/" + cell, kernel, form, "");
    expect_read(cell + "/" + probes, "", form, probes);
    expect_read(cell, "", form, "");
    expect_read("/" + cell + "/" + probes, "", form, probes);
  }
}

TEST(CellName, HasEverySetOfProbes) {
  for (const ProbeSetRow& set : kProbeSets) {
    const auto name =
        parse_cell_name(std::string("6.1/ext4/map_sync/first_touch/hole/pte/t1/") + set.id);
    ASSERT_TRUE(name) << set.id;
    EXPECT_EQ(name->probes, set.id);
    EXPECT_EQ(name->kernel, "6.1");
  }
}

TEST(CellName, StrategyAndItsK) {
  EXPECT_EQ(strategy_name("fsync", 8), "fsync:8");
  EXPECT_EQ(strategy_name("fsync", kEveryAll), "fsync:all");
  EXPECT_EQ(strategy_name("map_sync", kNoK), "map_sync");
}

// 2 file systems, 2 orders, 2 numbers of threads, volatile and fsync's five K, 3 states: 144 of
// each of 7 loops, of `unrelated` with 5 numbers of inodes, of `store_again` with 3 of stores, of
// `dos` with nobody or 15 touches by 1, 2 or 4, in 3 settings (138), and of `bystander` with 6
// touches in 3 settings (18).
TEST(CellName, NoTwoCellsOfTheMatrixShareOne) {
  const std::vector<std::string> all = {"*"};
  const std::vector<PlannedCell> plan =
      plan_cells({.patterns = {{"fs", {"ext4", "xfs-nodax"}},
                               {"strategy", {"volatile", "fsync"}},
                               {"workload", all},
                               {"order", all},
                               {"threads", {"1", "4"}},
                               {"attackers", all},
                               {"setting", all}}});
  EXPECT_EQ(plan.size(), 24768U);
  std::set<std::string> names;
  for (const PlannedCell& planned : plan) {
    Cell cell = planned.cell;
    cell.kernel = "a/b+1";
    EXPECT_TRUE(names.insert(row_name(cell)).second) << row_name(cell);
    const std::optional<CellName> name = parse_cell_name(row_name(cell));
    ASSERT_TRUE(name) << row_name(cell);
    Values values;
    for (const Axis& axis : axes()) {
      if (!axis.value(cell).empty()) values.emplace_back(axis.id, axis.value(cell));
    }
    EXPECT_EQ(name->axes, values);
    EXPECT_EQ(name->kernel + "/" + name->cell, cell_part(cell));
  }
}

TEST(CellName, IsNothingElse) {
  for (const char* bad : {
           "",
           "/",
           "ext4",
           "t1",
           "off",
           "/t1/off",
           // Too few parts.
           "map_sync/first_touch/hole/pte/t1",
           "map_sync/first_touch/hole/pte/t1/off",
           // No threads, or no number of them.
           "ext4/map_sync/first_touch/hole/pte",
           "ext4/map_sync/first_touch/hole/pte/1",
           "ext4/map_sync/first_touch/hole/pte/t",
           "ext4/map_sync/first_touch/hole/pte/tx",
           "ext4/map_sync/first_touch/hole/pte/t1x",
           "ext4/map_sync/first_touch/hole/pte/T1",
           // Probes that are none, or twice.
           "ext4/map_sync/first_touch/hole/pte/t1/maybe",
           "ext4/map_sync/first_touch/hole/pte/t1/off/on",
           // Globs and lists.
           "ext4/*/first_touch/hole/pte/t1",
           "*/ext4/map_sync/first_touch/hole/pte/t1",
           "ext4/map_syn?/first_touch/hole/pte/t1",
           "ext4/map_sync/first_touch/hole/pte/t[12]",
           "ext4,xfs/map_sync/first_touch/hole/pte/t1",
           // Empty parts.
           "ext4//first_touch/hole/pte/t1",
           "ext4/map_sync/first_touch/hole//t1",
           "/map_sync/first_touch/hole/pte/t1",
           "ext4/map_sync/first_touch/hole/pte/t1/",
           "ext4/map_sync/first_touch/hole/pte/t1/off/",
           // Dirty inodes that are no number, or twice.
           "ext4/map_sync/unrelated/hole/pte/t1/d",
           "ext4/map_sync/unrelated/hole/pte/t1/dx",
           "ext4/map_sync/unrelated/hole/pte/t1/d10/d20",
           "ext4/map_sync/store_again/hole/pte/t1/w",
           "ext4/map_sync/store_again/hole/pte/t1/w8/w8",
           "ext4/map_sync/store_again/hole/pte/t1/w8/d10",
           // A deadline of no contest, or twice.
           "ext4/map_sync/first_touch/hole/pte/t1/f200",
           "xfs/map_sync/dos/written/pte/t1/utimens/a4/deterministic/f",
           "xfs/map_sync/dos/written/pte/t1/utimens/a4/deterministic/f200/f200",
           // Half a contest.
           "xfs/map_sync/dos/written/pte/t1/utimens/a4",
           "xfs/map_sync/dos/written/pte/t1/utimens/deterministic",
           "xfs/map_sync/dos/written/pte/t1/a4/deterministic",
           "xfs/map_sync/dos/written/pte/t1/deterministic",
           "xfs/map_sync/dos/written/pte/t1//a4/deterministic",
           "xfs/map_sync/dos/written/pte/t1/utimens/a/deterministic",
           "xfs/map_sync/dos/written/pte/t1/utimens/4/deterministic",
           "xfs/map_sync/dos/written/pte/t1/utimens/a4/loose",
           // A touch that begins with the attackers' letter is no number of them.
           "xfs/map_sync/dos/written/pte/t1/utimens/append/deterministic",
       }) {
    EXPECT_FALSE(parse_cell_name(bad)) << bad;
  }
}

TEST(CellName, OfASampleSaysWhichItIs) {
  EXPECT_EQ(sample_name("a/off", 0, 0), "a/off");
  EXPECT_EQ(sample_name("a/off", 3, 0), "a/off seed 3");
  EXPECT_EQ(sample_name("a/off", 3, 2), "a/off seed 3 repetition 2");
}

}  // namespace
}  // namespace faultline
