// SPDX-License-Identifier: GPL-2.0-only
// Whole cells on an ordinary file system without probes.
#include "harness/run.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "harness/seed.h"
#include "harness/testing.h"

namespace faultline {
namespace {

void every_page(Lane& lane) {
  while (const Stretch s = lane.next()) {
    for (uint64_t i = s.first; i < s.last; ++i) lane.touch(i);
  }
}

// Leaves the last page out.
void all_but_one(Lane& lane) {
  while (const Stretch s = lane.next()) {
    for (uint64_t i = s.first; i < s.last; ++i) lane.touch(i + 1 == lane.touches() ? i - 1 : i);
  }
}

class RunCellTest : public testing::Test {
 protected:
  RunCellTest() {
    cell_.kernel = "none";
    cell_.fs = fs_.id;
    cell_.workload = "every_page";
    cell_.touches = 23;
    cell_.virtual_time = false;
    cell_.vary = kVaryNone;
  }

  nlohmann::json run(const char* strategy, uint64_t k = kNoK) {
    cell_.strategy = strategy;
    cell_.writes_per_sync = k;
    // One for all tests: to open them takes seconds.
    static ProbeSets probes(kOrdinary);
    return json_of(run_cell(cell_, {.fs = fs_,
                                    .strategy = *find_strategy(strategy),
                                    .workload = workload_,
                                    .code = code_,
                                    .directory = folder_.path(),
                                    .probes = probes}));
  }

  [[nodiscard]] bool on_tmpfs() const { return folder_.path().starts_with("/dev/shm/"); }

  // No probe has a hook there.
  static inline const FileSystem kOrdinary = {.id = "ordinary"};
  FileSystem fs_ = kOrdinary;
  Workload workload_ = {.id = "every_page", .summary = "", .touches = 23};
  WorkloadCode code_ = {.run = every_page};
  Cell cell_;
  // On tmpfs if there is one: with large folios one fault may map several pages.
  TempFolder folder_{access("/dev/shm", W_OK) == 0 ? "/dev/shm"
                                                   : std::filesystem::temp_directory_path()};
};

// A sanitizer's shadow of the mapping takes faults of its own.
#define NEEDS_EXACT_FAULTS() \
  if (kAddressSanitizer) GTEST_SKIP() << "AddressSanitizer's shadow memory takes faults too"

TEST_F(RunCellTest, TwentyThreeTouchesTakeTwentyThreeFaults) {
  NEEDS_EXACT_FAULTS();
  const nlohmann::json row = run("volatile");
  EXPECT_EQ(row["reason"], "");
  EXPECT_EQ(row["status"], "ok");
  EXPECT_EQ(row["name"], "none/ordinary/volatile/every_page/hole/pte/t1/off");
  EXPECT_EQ(row["touches"], 23);
  EXPECT_EQ(row["iterations"], 23);
  EXPECT_EQ(row["pages"], 23);
  EXPECT_EQ(row["faults"], 23);
  EXPECT_EQ(row["app_syncs"], 0);
  EXPECT_EQ(row["mapped_order"], "pte");
  EXPECT_EQ(row["dax"], false);
  EXPECT_EQ(row["map_sync"], false);
  EXPECT_TRUE(row["line_flush"].is_null());
  EXPECT_TRUE(row["mtime_changes"].is_null());
  EXPECT_TRUE(row["probe"].is_null());
  EXPECT_EQ(row["losses"].dump(), R"({"dropped":0,"missed":0,"recursion":0,"slots":0})");
  // Nothing is synced: the page costs what its fault costs.
  EXPECT_EQ(row["per_page"], row["per_fault"]);
  EXPECT_EQ(row["real_time"], row["per_page"]);
  EXPECT_EQ(row["cpu_time"], row["per_fault"]);
  EXPECT_GT(row["per_fault"], 0);
  EXPECT_GE(row["loop_cost"], 0);
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

TEST_F(RunCellTest, SyncsAreInThePageAndNotInTheFault) {
  const nlohmann::json row = run("fsync", 8);
  EXPECT_EQ(row["app_syncs"], 3);
  EXPECT_GT(row["per_page"], row["per_fault"]);
  NEEDS_EXACT_FAULTS();
  EXPECT_EQ(row["reason"], "");
}

TEST_F(RunCellTest, ThreadsHaveAPartEach) {
  cell_.threads = 2;
  cell_.touches = 46;
  const nlohmann::json row = run("msync", 8);
  EXPECT_EQ(row["iterations"], 46);
  EXPECT_EQ(row["app_syncs"], 6);
  EXPECT_GE(row["faults"], 46);
  NEEDS_EXACT_FAULTS();
  EXPECT_EQ(row["reason"], "");
  EXPECT_EQ(row["status"], "ok");
  EXPECT_EQ(row["faults"], 46);
}

TEST_F(RunCellTest, PwriteTakesNoFault) {
  const nlohmann::json row = run("pwrite", 1);
  EXPECT_EQ(row["reason"], "");
  EXPECT_EQ(row["status"], "ok");
  EXPECT_EQ(row["faults"], 0);
  EXPECT_EQ(row["app_syncs"], 23);
  EXPECT_EQ(row["mapped_order"], "none");
  EXPECT_TRUE(row["loop_cost"].is_null());
}

TEST_F(RunCellTest, RewriteMapsEveryPageBeforehand) {
  if (!on_tmpfs()) GTEST_SKIP() << "no /dev/shm";
  cell_.state = State::kWritten;
  workload_.rewrite = true;
  // tmpfs does not write-protect after an fsync, so none of them takes another fault.
  const nlohmann::json row = run("volatile");
  EXPECT_EQ(row["status"], "failed");
  EXPECT_EQ(row["reason"], "23 touches took 0 faults, not 23");
}

size_t paced_touches = 0;
void one_page_a_stretch(Lane& lane) {
  while (const Stretch s = lane.next()) {
    lane.touch(s.first);
    ++paced_touches;
  }
}

TEST_F(RunCellTest, TheLoopOfAPacedWorkloadIsPricedWhole) {
  code_.run = one_page_a_stretch;
  workload_.paced = true;
  cell_.touches = 5;
  for (const char* strategy : {"volatile", "fsync"}) {
    paced_touches = 0;
    const nlohmann::json row = run(strategy, kEveryAll);
    EXPECT_EQ(paced_touches, 36U) << strategy;  // 16 to warm up, 5 measured, 3 x 5 for the price
    EXPECT_EQ(row["app_syncs"], strategy == std::string("fsync") ? 1 : 0);
    EXPECT_TRUE(row["mtime_changes"].is_number());
  }
}

TEST_F(RunCellTest, CountsThatDoNotAgreeFail) {
  NEEDS_EXACT_FAULTS();
  code_.run = all_but_one;
  const nlohmann::json row = run("volatile");
  EXPECT_EQ(row["status"], "failed");
  EXPECT_EQ(row["reason"], "23 touches took 22 faults, not 23");
  EXPECT_EQ(row["faults"], 22);
}

TEST_F(RunCellTest, SmallEntriesWhereHugeOnesWereAskedForFail) {
  NEEDS_EXACT_FAULTS();
  cell_.order = Order::kPmd;
  cell_.touches = 2;
  const nlohmann::json row = run("volatile");
  EXPECT_EQ(row["status"], "failed");
  EXPECT_EQ(row["reason"], "asked for pmd entries, the kernel mapped pte");
  EXPECT_EQ(row["pages"], 1024);
}

TEST_F(RunCellTest, AKernelThatRefusesMapSyncIsARow) {
  const nlohmann::json row = run("map_sync");
  EXPECT_EQ(row["status"], "failed");
  EXPECT_EQ(row["reason"], "mmap with MAP_SYNC: Operation not supported");
  EXPECT_TRUE(row["per_fault"].is_null());
}

TEST_F(RunCellTest, DaxIsProvedNotBelieved) {
  fs_.dax = true;
  const nlohmann::json row = run("volatile");
  EXPECT_EQ(row["status"], "failed");
  EXPECT_EQ(row["reason"], "statx says DAX is off on ordinary");
}

}  // namespace
}  // namespace faultline
