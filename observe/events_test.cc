// SPDX-License-Identifier: GPL-2.0-only
// What is counted of programs whose stores, write-backs and fences are known.
#include "observe/events.h"

#include <gtest/gtest.h>

namespace faultline::observe {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

TEST(PmemLines, AStrideOfStoresTouchesALineEach) {
  PmemLines lines(kMiB);
  std::uint64_t fresh = 0;
  std::uint64_t blocks = 0;
  for (std::uint64_t at = 0; at < 4096; at += 64) {
    const PmemLines::Fresh one = lines.store(at, 8, false);
    fresh += one.lines;
    blocks += one.blocks;
  }
  EXPECT_EQ(fresh, 64U);
  EXPECT_EQ(blocks, 16U);
}

TEST(PmemLines, ALineCountsOnceBetweenTwoFences) {
  PmemLines lines(kMiB);
  EXPECT_EQ(lines.store(128, 8, false).lines, 1U);
  EXPECT_EQ(lines.store(136, 8, false).lines, 0U);
  lines.fence();
  const PmemLines::Fresh again = lines.store(136, 8, false);
  EXPECT_EQ(again.lines, 1U);
  EXPECT_EQ(again.blocks, 1U);
}

TEST(PmemLines, AStoreAcrossABoundaryTouchesBothSides) {
  PmemLines lines(kMiB);
  const PmemLines::Fresh fresh = lines.store(252, 8, false);
  EXPECT_EQ(fresh.lines, 2U);
  EXPECT_EQ(fresh.blocks, 2U);
}

TEST(PmemLines, AStoreUpToABoundaryTouchesOneSide) {
  PmemLines lines(kMiB);
  const PmemLines::Fresh fresh = lines.store(248, 8, false);
  EXPECT_EQ(fresh.lines, 1U);
  EXPECT_EQ(fresh.blocks, 1U);
}

TEST(PmemLines, LoadsAreApart) {
  PmemLines lines(kMiB);
  lines.store(0, 8, false);
  EXPECT_EQ(lines.load(0, 8), 1U);
  EXPECT_EQ(lines.load(8, 8), 0U);
  EXPECT_EQ(lines.load(60, 8), 1U);
}

TEST(PmemLines, AWriteBackFindsALineDirtyOnce) {
  PmemLines lines(kMiB);
  lines.store(64, 8, false);
  EXPECT_TRUE(lines.write_back(120));
  EXPECT_FALSE(lines.write_back(64));
  lines.store(64, 8, true);
  EXPECT_FALSE(lines.write_back(64)) << "past the caches nothing stays in them";
  EXPECT_FALSE(lines.write_back(2 * kMiB)) << "no pmem";
}

TEST(PmemLines, AFenceIsIdleWithNothingOutstanding) {
  PmemLines lines(kMiB);
  EXPECT_FALSE(lines.fence());
  lines.store(0, 8, false);
  EXPECT_FALSE(lines.fence()) << "an ordinary store waits for no fence";
  lines.store(0, 8, true);
  EXPECT_TRUE(lines.fence());
  EXPECT_FALSE(lines.fence());
  lines.write_back(0);
  EXPECT_TRUE(lines.fence());
  lines.write_back_somewhere();
  EXPECT_TRUE(lines.fence());
}

}  // namespace
}  // namespace faultline::observe
