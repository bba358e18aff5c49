// SPDX-License-Identifier: GPL-2.0-only
#include "harness/mapping.h"

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <string>

#include "harness/testing.h"

namespace faultline {
namespace {

struct stat stat_of(const TestFile& file) {
  struct stat st {};
  EXPECT_EQ(fstat(file.fd(), &st), 0);
  return st;
}

std::string content_of(const TestFile& file, size_t bytes) {
  std::string content(bytes, '?');
  EXPECT_EQ(pread(file.fd(), content.data(), bytes, 0), static_cast<ssize_t>(bytes));
  return content;
}

TEST(TestFile, HasItsBlocksInTheStateAskedFor) {
  const TempFolder folder;
  const std::string path = folder.path() + "/cell";
  {
    const TestFile file(path, 65536, State::kHole, false);
    EXPECT_EQ(stat_of(file).st_size, 65536);
    EXPECT_EQ(stat_of(file).st_blocks, 0);
  }
  {
    const TestFile file(path, 65536, State::kUnwritten, false);
    EXPECT_EQ(stat_of(file).st_size, 65536);
    EXPECT_GE(stat_of(file).st_blocks, 128);  // of 512 bytes
    EXPECT_EQ(content_of(file, 65536), std::string(65536, '\0'));
  }
  {
    // Not a multiple of what is written at a time.
    const TestFile file(path, 1'052'672, State::kWritten, false);
    EXPECT_EQ(stat_of(file).st_size, 1'052'672);
    EXPECT_GE(stat_of(file).st_blocks, 2056);
    EXPECT_EQ(content_of(file, 1'052'672), std::string(1'052'672, 'w'));
  }
  {
    const TestFile file(path, 2'097'152, State::kHole, true);
    EXPECT_EQ(stat_of(file).st_size, 2'097'152);
  }
}

TEST(TestFile, IsRemovedWhenTheObjectGoes) {
  const TempFolder folder;
  const std::string path = folder.path() + "/cell";
  {
    const TestFile file(path, 4096, State::kHole, false);
    EXPECT_EQ(access(path.c_str(), F_OK), 0);
  }
  EXPECT_NE(access(path.c_str(), F_OK), 0);
}

TEST(TestFile, NamesAFolderThatIsNotThere) {
  EXPECT_EQ(
      message_of(ExitCode::kVmFailed, [] { TestFile("/nowhere/cell", 4096, State::kHole, false); }),
      "/nowhere/cell: No such file or directory");
}

TEST(TestFile, SaysThatTheDeviceIsFullAndLeavesNothing) {
  const TempFolder folder;
  if (mount("none", folder.path().c_str(), "tmpfs", 0, "size=64k") != 0) {
    GTEST_SKIP() << "cannot mount a small tmpfs: " << std::strerror(errno);
  }
  const std::string path = folder.path() + "/cell";
  const std::string message =
      message_of(ExitCode::kVmFailed, [&] { TestFile(path, 1 << 20, State::kUnwritten, false); });
  const bool left = access(path.c_str(), F_OK) == 0;
  umount(folder.path().c_str());
  EXPECT_EQ(
      message,
      "fallocate: No space left on device; fewer touches, or a larger device (--pmem), would fit");
  EXPECT_FALSE(left);
}

TEST(TestFile, IsNotDaxOnAnOrdinaryFileSystem) {
  const TempFolder folder;
  EXPECT_FALSE(TestFile(folder.path() + "/cell", 4096, State::kHole, false).is_dax());
}

TEST(Mapping, CannotMapSyncWhatIsNotDax) {
  const TempFolder folder;
  const TestFile file(folder.path() + "/cell", 4096, State::kWritten, false);
  EXPECT_EQ(message_of(ExitCode::kRegression, [&] { Mapping(file, 4096, true, Order::kPte); }),
            "mmap with MAP_SYNC: Operation not supported");
}

// Of DAX without MAP_SYNC: what the strategy needs is not there, and nothing is wrong.
TEST(Mapping, AFileSystemWithoutMapSyncIsNoFailure) {
  const Failure refused = mmap_failure(true, EOPNOTSUPP, true);
  EXPECT_EQ(refused.code(), ExitCode::kSkipped);
  EXPECT_STREQ(refused.what(),
               "needs MAP_SYNC, which this file system refuses though it is on DAX");
  EXPECT_EQ(mmap_failure(true, EOPNOTSUPP, false).code(), ExitCode::kRegression);
  EXPECT_EQ(mmap_failure(true, ENOMEM, true).code(), ExitCode::kRegression);
  EXPECT_STREQ(mmap_failure(false, EOPNOTSUPP, true).what(), "mmap: Operation not supported");
}

// As on PREEMPT_RT: madvise() says EINVAL, as it does here of an address within a page.
TEST(Mapping, AKernelWithoutHugePagesMapsPteAlone) {
  alignas(4096) char pages[8192];
  EXPECT_TRUE(forbid_huge_pages(pages + 1, 4096));
  if (kernel_has_huge_pages()) {
    EXPECT_FALSE(forbid_huge_pages(nullptr, 4096));
  }
  EXPECT_EQ(why_no_pmd(Order::kPmd, "pte", false),
            "this kernel maps no pmd: it has no transparent huge pages "
            "(CONFIG_TRANSPARENT_HUGEPAGE)");
  EXPECT_EQ(why_no_pmd(Order::kPmd, "pte", true), "");
  EXPECT_EQ(why_no_pmd(Order::kPmd, "pmd", false), "");
  EXPECT_EQ(why_no_pmd(Order::kPte, "pte", false), "");
}

TEST(Mapping, StoresReachTheFile) {
  const TempFolder folder;
  const TestFile file(folder.path() + "/cell", 8192, State::kHole, false);
  {
    const Mapping mapping(file, 8192, false, Order::kPte);
    EXPECT_FALSE(mapping.is_map_sync());
    EXPECT_EQ(reinterpret_cast<uintptr_t>(mapping.base()) % 2'097'152, 0U);
    mapping.base()[4096] = 'x';
  }
  EXPECT_EQ(content_of(file, 8192), std::string(4096, '\0') + 'x' + std::string(4095, '\0'));
}

TEST(Mapping, TellsHugeEntriesByTheFaultsOfTheirNeighbours) {
  const TempFolder folder;
  const TestFile file(folder.path() + "/cell", 2 * kHugeSize, State::kHole, true);
  const Mapping mapping(file, 2 * kHugeSize, false, Order::kPmd);
  mapping.base()[0] = 1;
  mapping.base()[kHugeSize] = 1;
  EXPECT_STREQ(mapping.mapped_order(0, 2 * kHugeSize, kHugeSize), "pte");
  // Once all pages are mapped, none of them takes a fault, as under a huge entry.
  EXPECT_STREQ(mapping.mapped_order(0, 2 * kHugeSize, kHugeSize), "pmd");
  EXPECT_STREQ(mapping.mapped_order(0, 2 * kHugeSize, kPageSize), "pte");
}

}  // namespace
}  // namespace faultline
