// SPDX-License-Identifier: GPL-2.0-only
#include "cell/skip.h"

#include <gtest/gtest.h>

#include <functional>

namespace faultline {
namespace {

// Cells of the tables on written blocks, which nothing forbids but what a row below changes.
Cell plain(const char* strategy = "map_sync", const char* workload = "first_touch") {
  return {.fs = "ext4",
          .strategy = strategy,
          .workload = workload,
          .state = State::kWritten,
          .touches = 8};
}

Cell contest_cell(const char* strategy = "map_sync", const char* workload = "dos",
                  const char* touch = "chmod") {
  Cell cell = plain(strategy, workload);
  cell.touch = touch;
  cell.attackers = 1;
  return cell;
}

Cell with(Cell cell, const std::function<void(Cell&)>& change) {
  change(cell);
  return cell;
}

Cell on(const char* fs, Cell cell) {
  cell.fs = fs;
  return cell;
}

Cell in(State state, Cell cell) {
  cell.state = state;
  return cell;
}

Cell pmd(Cell cell) {
  cell.order = Order::kPmd;
  return cell;
}

Cell timed(Setting setting, Cell cell, bool virtual_time = true) {
  cell.setting = setting;
  cell.virtual_time = virtual_time;
  return cell;
}

std::string reason(const Cell& cell, const Surroundings& around = {}) {
  return why_not(cell, Sources{}, around);
}

TEST(Skip, NothingForbidsAnOrdinaryCell) {
  EXPECT_EQ(reason(plain()), "");
  EXPECT_EQ(reason(contest_cell()), "");
}

TEST(Skip, WhatIsWrittenBeforehandHasOneState) {
  EXPECT_EQ(reason(in(State::kHole, plain("prealloc"))),
            "prealloc writes every block beforehand: there is no hole state");
  EXPECT_EQ(reason(in(State::kUnwritten, plain("prealloc"))),
            "prealloc writes every block beforehand: there is no unwritten state");
  EXPECT_EQ(reason(in(State::kHole, plain("daxfile"))),
            "daxfile allocates every block beforehand: there is no hole state");
  EXPECT_EQ(reason(in(State::kUnwritten, plain("daxfile"))), "");
  EXPECT_EQ(reason(plain("prealloc")), "");
  EXPECT_EQ(reason(in(State::kHole, plain("map_sync"))), "");
}

TEST(Skip, ManyFilesAreSmall) {
  Cell cell = plain();
  cell.workload = "many_files";
  EXPECT_EQ(reason(cell), "");
  cell.order = Order::kPmd;
  EXPECT_EQ(reason(cell), "many_files has files of 4 KiB");
}

TEST(Skip, MapSyncNeedsItsFileSystem) {
  EXPECT_EQ(reason(on("ext4-nodax", plain())),
            "map_sync needs MAP_SYNC, which only a DAX mapping has");
  EXPECT_EQ(reason(on("xfs-nodax", plain("prealloc"))),
            "prealloc needs MAP_SYNC, which only a DAX mapping has");
  EXPECT_EQ(reason(on("ext4-nodax", plain("sync_fault"))),
            "sync_fault needs MAP_SYNC, which only a DAX mapping has");
  for (const char* strategy : {"volatile", "fsync", "msync", "pwrite"}) {
    EXPECT_EQ(reason(on("ext4-nodax", plain(strategy))), "") << strategy;
  }
  for (const char* fs : {"ext4", "ext4-fc", "xfs"}) EXPECT_EQ(reason(on(fs, plain())), "") << fs;
  // DAX alone is not enough.
  const FileSystem dax_alone[] = {{.id = "erofs", .dax = true}};
  EXPECT_EQ(why_not(on("erofs", plain()), {.file_systems = dax_alone}, {}),
            "map_sync needs MAP_SYNC, which erofs does not grant");
}

TEST(Skip, PmdNeedsADaxMapping) {
  EXPECT_EQ(reason(pmd(on("ext4-nodax", plain("volatile")))),
            "the page cache of this file system maps no pmd");
  EXPECT_EQ(reason(on("ext4-nodax", plain("volatile"))), "");
  EXPECT_EQ(reason(pmd(on("xfs", plain("volatile")))), "");
  EXPECT_EQ(reason(pmd(plain("pwrite"))), "pwrite maps nothing");
  EXPECT_EQ(reason(plain("pwrite")), "");
}

TEST(Skip, RewriteFindsPagesWritten) {
  EXPECT_EQ(reason(in(State::kHole, plain("fsync", "rewrite"))),
            "rewrite touches pages that were written before: there is no hole state");
  EXPECT_EQ(reason(in(State::kUnwritten, plain("fsync", "rewrite"))),
            "rewrite touches pages that were written before: there is no unwritten state");
  EXPECT_EQ(reason(plain("fsync", "rewrite")), "");
  EXPECT_EQ(reason(in(State::kHole, plain("fsync", "random_touch"))), "");
}

TEST(Skip, AContestIsOneThreadsFaults) {
  EXPECT_EQ(reason(contest_cell("pwrite")), "pwrite maps nothing: it takes no fault");
  EXPECT_EQ(reason(contest_cell("pwrite", "bystander", "mmap")),
            "pwrite maps nothing: it takes no fault");
  EXPECT_EQ(reason(contest_cell("volatile")), "");
  EXPECT_EQ(reason(pmd(contest_cell())), "dos touches 4 KiB pages");
  EXPECT_EQ(reason(pmd(contest_cell("map_sync", "bystander", "mmap"))),
            "bystander touches 4 KiB pages");
  EXPECT_EQ(reason(pmd(plain())), "");
  const auto threads = [](Cell& cell) { cell.threads = 2; };
  EXPECT_EQ(reason(with(contest_cell(), threads)), "dos has one thread that faults");
  EXPECT_EQ(reason(with(contest_cell("map_sync", "bystander", "anon"), threads)),
            "bystander has one thread that faults");
  EXPECT_EQ(reason(with(plain(), threads)), "");
}

TEST(Skip, ATouchHasItsBlocks) {
  EXPECT_EQ(reason(contest_cell("map_sync", "dos", "extend")), "");
  EXPECT_EQ(reason(in(State::kHole, contest_cell("map_sync", "dos", "extend"))),
            "touch extend is one of written blocks");
  EXPECT_EQ(reason(contest_cell("map_sync", "dos", "convert")),
            "touch convert is one of unwritten blocks");
  EXPECT_EQ(reason(in(State::kUnwritten, contest_cell("map_sync", "dos", "convert"))), "");
  EXPECT_EQ(reason(contest_cell("map_sync", "dos", "punch_same")), "");
  EXPECT_EQ(reason(on("xfs", contest_cell("map_sync", "dos", "reflink"))),
            "touch reflink needs reflink, which xfs does not have");
  const Cell shared = on("xfs-reflink", contest_cell("map_sync", "dos", "reflink"));
  EXPECT_EQ(reason(shared), "");
  EXPECT_EQ(reason(shared, {.release = "6.1.0-56-cloud-amd64"}), "");
  EXPECT_EQ(reason(shared, {.release = "5.10.0-46-cloud-amd64"}),
            "5.10.0-46-cloud-amd64 mounts no XFS that has both reflink and DAX; 6.0 and later do");
}

TEST(Skip, SharedBlocksNeedReflink) {
  EXPECT_EQ(reason(on("xfs", in(State::kShared, plain()))),
            "xfs has no reflink: there is no shared state");
  EXPECT_EQ(reason(on("ext2", in(State::kShared, plain("volatile")))),
            "ext2 has no reflink: there is no shared state");
  const auto shared = [](const char* strategy, const char* workload = "first_touch") {
    return on("xfs-reflink", in(State::kShared, plain(strategy, workload)));
  };
  EXPECT_EQ(reason(shared("map_sync")), "");
  EXPECT_EQ(reason(shared("fsync")), "");
  EXPECT_EQ(reason(shared("prealloc")),
            "prealloc writes every block beforehand: there is no shared state");
  EXPECT_EQ(reason(shared("daxfile")),
            "daxfile keeps the block map as it is: there is no shared state");
  EXPECT_EQ(reason(shared("fsync", "rewrite")),
            "rewrite touches pages that were written before: there is no shared state");
}

TEST(Skip, ASettingHasItsClock) {
  EXPECT_EQ(reason(timed(Setting::kConcurrent, contest_cell(), true)), "needs --accel tcg or kvm");
  EXPECT_EQ(reason(timed(Setting::kConcurrent, contest_cell(), false)), "");
  EXPECT_EQ(reason(timed(Setting::kDeterministic, contest_cell(), false)),
            "needs --accel tcg-icount");
  EXPECT_EQ(reason(timed(Setting::kDeterministic2, contest_cell(), false)),
            "needs --accel tcg-icount");
  EXPECT_EQ(reason(timed(Setting::kDeterministic, contest_cell(), true)), "");
  EXPECT_EQ(reason(timed(Setting::kDeterministic2, contest_cell(), true)), "");
  // It is none of other workloads.
  EXPECT_EQ(reason(timed(Setting::kConcurrent, plain(), true)), "");
  EXPECT_EQ(reason(timed(Setting::kDeterministic, plain(), false)), "");
}

Surroundings here(const char* map_sync = "", bool module_loaded = true) {
  return {.place = HostPlace{
              .where = "/mnt/pmem", .map_sync = map_sync, .module_loaded = module_loaded}};
}

TEST(Skip, TheMachineIsNotHarmed) {
  EXPECT_EQ(reason(plain("volatile", "selftest_panic"), here()),
            "selftest_panic brings the kernel down");
  EXPECT_EQ(reason(plain("volatile", "selftest_oom"), here()),
            "selftest_oom brings the kernel down");
  EXPECT_EQ(reason(plain("volatile", "selftest_panic")), "");
  EXPECT_EQ(reason(plain("volatile", "selftest_crash"), here()), "");
  const auto beside = [](const char* touch) {
    return timed(Setting::kConcurrent, contest_cell("map_sync", "bystander", touch), false);
  };
  EXPECT_EQ(reason(beside("freeze"), here()),
            "touch freeze stops the whole file system, others' files too");
  EXPECT_EQ(reason(beside("resize"), here()), "");
  EXPECT_EQ(reason(beside("freeze")), "");
  // A workload and a touch that are in no table of ours.
  const Workload duel[] = {
      {.id = "duel", .summary = "", .touches = 8, .contest = Contest::kVictim}};
  const TouchRow touches[] = {
      {.id = "gentle", .workload = "duel", .summary = ""},
      {.id = "halt", .workload = "duel", .summary = "", .whole_fs = true},
      {.id = "gentle", .workload = "other", .summary = "", .whole_fs = true}};
  const Sources own = {.workloads = duel, .touches = touches};
  const auto of_duel = [](const char* touch) {
    return timed(Setting::kConcurrent, contest_cell("volatile", "duel", touch), false);
  };
  EXPECT_EQ(why_not(of_duel("halt"), own, here()),
            "touch halt stops the whole file system, others' files too");
  EXPECT_EQ(why_not(of_duel("gentle"), own, here()), "");
}

TEST(Skip, MapSyncIsAskedOfTheKernelHere) {
  EXPECT_EQ(reason(plain(), here("Invalid argument")),
            "map_sync needs MAP_SYNC, which /mnt/pmem refuses: Invalid argument");
  EXPECT_EQ(reason(plain("prealloc"), here("Operation not supported")),
            "prealloc needs MAP_SYNC, which /mnt/pmem refuses: Operation not supported");
  EXPECT_EQ(reason(plain("volatile"), here("Invalid argument")), "");
  EXPECT_EQ(reason(plain(), here()), "");
}

TEST(Skip, TheModuleIsNotLoadedHere) {
  EXPECT_EQ(reason(plain("sync_fault"), here("", false)),
            "sync_fault needs the strategy module, which is not loaded: `make kmod`, then as root "
            "`insmod build/kmod/faultline.ko`");
  EXPECT_EQ(reason(plain("sync_fault"), here("", true)), "");
  EXPECT_EQ(reason(plain("map_sync"), here("", false)), "");
  // A guest brings it along.
  EXPECT_EQ(reason(plain("sync_fault")), "");
}

TEST(Skip, TwoVirtualCpusWantANewerKernel) {
  const auto refused = [](const std::string& release) {
    return release +
           " does not start a second vCPU under -icount: the first waits in do_boot_cpu() for the "
           "second, which waits in wait_for_master_cpu(); 6.12 and later boot otherwise";
  };
  const Cell two = timed(Setting::kDeterministic2, contest_cell());
  for (const char* release : {"5.10.0-35-amd64", "6.1.0-56-cloud-amd64", "6.1.176", "6.11.9"}) {
    EXPECT_EQ(reason(two, {.release = release}), refused(release));
  }
  for (const char* release : {"6.12.0", "6.12.48+deb13-cloud-amd64", "7.0.1", "7.3.0-rc1", ""}) {
    EXPECT_EQ(reason(two, {.release = release}), "") << release;
  }
  EXPECT_EQ(reason(contest_cell(), {.release = "6.1.176"}), "");
  EXPECT_EQ(reason(timed(Setting::kDeterministic2, plain()), {.release = "6.1.176"}), "");
}

TEST(Skip, AKernelWithoutOneFileSystemMeasuresTheOthers) {
  const Surroundings around = {.release = "6.1.192", .lacks = {"xfs"}};
  EXPECT_EQ(reason(plain(), around), "");
  EXPECT_EQ(reason(on("ext4-fc", plain()), around), "");
  EXPECT_EQ(reason(on("xfs", plain()), around),
            "6.1.192 has no xfs, neither built in nor as a module");
  EXPECT_EQ(reason(on("xfs-nodax", plain("volatile")), around),
            "6.1.192 has no xfs, neither built in nor as a module");
}

TEST(Skip, TheFirstReasonIsGiven) {
  // prealloc, no hole; no MAP_SYNC; no pmd in the page cache.
  Cell cell = pmd(in(State::kHole, on("ext4-nodax", plain("prealloc"))));
  EXPECT_EQ(reason(cell), "prealloc writes every block beforehand: there is no hole state");
  cell.state = State::kWritten;
  EXPECT_EQ(reason(cell), "prealloc needs MAP_SYNC, which only a DAX mapping has");
  cell.strategy = "volatile";
  EXPECT_EQ(reason(cell), "the page cache of this file system maps no pmd");
  // A contest on the machine: its clock comes before the touch that is refused.
  EXPECT_EQ(reason(contest_cell("map_sync", "bystander", "freeze"), here("Invalid argument")),
            "touch freeze stops the whole file system, others' files too");
  EXPECT_EQ(
      reason(timed(Setting::kConcurrent, contest_cell("map_sync", "bystander", "freeze")), here()),
      "needs --accel tcg or kvm");
}

}  // namespace
}  // namespace faultline
