// SPDX-License-Identifier: GPL-2.0-only
#include "vm/memory_copy.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "vm/files.h"

namespace faultline {
namespace {

constexpr std::size_t kPage = 4096;

// Five pages: zeros, `a`, zeros, a single byte at the end of a page, and half a page of `b`.
std::string memory_of_five() {
  std::string bytes(kPage, '\0');
  bytes += std::string(kPage, 'a') + std::string(2 * kPage, '\0');
  bytes.back() = 'x';
  return bytes + std::string(kPage / 2, 'b');
}

blkcnt_t blocks_of(const Fd& file) {
  struct stat info {};
  return ::fstat(file.get(), &info) == 0 ? info.st_blocks : -1;
}

TEST(MemoryCopy, HoldsTheSameWithHolesForZeros) {
  const Fd from = memory_file(memory_of_five());
  const Fd to = memory_file(std::string(9 * kPage, 'z'));  // what was there goes, the rest too
  copy_memory(from, to);
  EXPECT_EQ(content_of(to), memory_of_five());
  constexpr blkcnt_t kBlocksOfAPage = kPage / 512;
  EXPECT_EQ(blocks_of(from), 5 * kBlocksOfAPage);
  EXPECT_EQ(blocks_of(to), 3 * kBlocksOfAPage);
}

TEST(MemoryCopy, LongRunsAndFarPagesComeAlong) {
  constexpr off_t kFar = off_t{3} << 30;
  const Fd from = memory_file(std::string((std::size_t{1} << 20) + 5 * kPage, 'r'));
  ASSERT_EQ(::pwrite(from.get(), "far", 3, kFar + 17), 3);
  ASSERT_EQ(::ftruncate(from.get(), kFar + (off_t{1} << 20)), 0);
  const Fd to = memory_file("");
  copy_memory(from, to);
  EXPECT_EQ(blocks_of(to), blocks_of(from));
  std::string found(3, '\0');
  EXPECT_EQ(::pread(to.get(), found.data(), 3, kFar + 17), 3);
  EXPECT_EQ(found, "far");
  EXPECT_EQ(sha256_of_memory(to), sha256_of_memory(from));
}

TEST(MemoryCopy, TheHashIsOfTheContentAndNotOfHoles) {
  const Fd dense = memory_file(memory_of_five());
  const Fd sparse = memory_file("");
  copy_memory(dense, sparse);
  const std::string hash = sha256_of_memory(dense);
  EXPECT_EQ(sha256_of_memory(sparse), hash);

  std::string other = memory_of_five();
  other[kPage] = 'b';
  EXPECT_NE(sha256_of_memory(memory_file(other)), hash);
  // The same pages, one of them elsewhere, and with a longer end of zeros.
  other = memory_of_five().erase(0, kPage).insert(kPage, kPage, '\0');
  ASSERT_EQ(other.size(), memory_of_five().size());
  EXPECT_NE(sha256_of_memory(memory_file(other)), hash);
  EXPECT_NE(sha256_of_memory(memory_file(memory_of_five() + std::string(kPage, '\0'))), hash);
  EXPECT_NE(sha256_of_memory(memory_file("")), sha256_of_memory(memory_file(std::string(1, '\0'))));
}

TEST(MemoryCopy, WhatCannotBeWrittenIsSaid) {
  const Fd closed;
  EXPECT_THROW(copy_memory(memory_file("x"), closed), Failure);
  EXPECT_THROW(sha256_of_memory(closed), Failure);
}

}  // namespace
}  // namespace faultline
