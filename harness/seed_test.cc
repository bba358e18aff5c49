// SPDX-License-Identifier: GPL-2.0-only
#include "harness/seed.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <set>
#include <vector>

#include "harness/cell.h"
#include "harness/testing.h"

namespace faultline {
namespace {

Cell Seeded(uint64_t seed, const char* vary = kVaryAll) {
  Cell cell;
  cell.seed = seed;
  cell.vary = vary;
  return cell;
}

// For ever: a change here makes every figure that was ever published another one.
TEST(Seed, IsIdenticalForEver) {
  EXPECT_EQ(TickPhaseNs(Seeded(0)), 2'472'136U);
  EXPECT_EQ(TickPhaseNs(Seeded(1)), 944'272U);
  EXPECT_EQ(TickPhaseNs(Seeded(2)), 3'416'408U);
  std::vector<uint64_t> warmups;
  for (uint64_t seed = 0; seed < 5; ++seed) warmups.push_back(MoreWarmup(Seeded(seed)));
  EXPECT_EQ(warmups, (std::vector<uint64_t>{18, 18, 15, 26, 22}));
}

// Five points of a tick of 4 ms, of which no two are nearer than half of an even share.
TEST(Seed, SpreadsOverTheTick) {
  std::vector<uint64_t> phases;
  for (uint64_t seed = 0; seed < 5; ++seed) phases.push_back(TickPhaseNs(Seeded(seed)));
  std::sort(phases.begin(), phases.end());
  EXPECT_LT(phases.back(), 4'000'000U);
  phases.push_back(phases.front() + 4'000'000);
  for (size_t i = 1; i < phases.size(); ++i) EXPECT_GT(phases[i] - phases[i - 1], 400'000U);
}

TEST(Seed, VariesOneThingAloneOrNothing) {
  EXPECT_EQ(TickPhaseNs(Seeded(3, kVaryNone)), 0U);
  EXPECT_EQ(MoreWarmup(Seeded(3, kVaryNone)), 0U);
  EXPECT_GT(TickPhaseNs(Seeded(3, kVaryTick)), 0U);
  EXPECT_EQ(MoreWarmup(Seeded(3, kVaryTick)), 0U);
  EXPECT_EQ(TickPhaseNs(Seeded(3, kVaryPages)), 0U);
  EXPECT_EQ(MoreWarmup(Seeded(3, kVaryPages)), MoreWarmup(Seeded(3)));
  EXPECT_EQ(MoreWarmup(Seeded(3, kVaryBlocks)), 0U);
  Cell huge = Seeded(3);
  huge.order = Order::kPmd;
  EXPECT_EQ(MoreWarmup(huge), 0U);
  for (const char* id : {kVaryAll, kVaryNone, "tick", "pages", "blocks"}) EXPECT_TRUE(IsVaried(id));
  EXPECT_FALSE(IsVaried("image"));
}

TEST(Seed, TakesBlocksBesideTheCellAndLeavesNothing) {
  const TempFolder folder;
  const auto inside = [&] {
    return std::distance(std::filesystem::recursive_directory_iterator(folder.path()),
                         std::filesystem::recursive_directory_iterator());
  };
  std::set<ptrdiff_t> counts;
  for (uint64_t seed = 0; seed < 5; ++seed) {
    const SeededPlace place(Seeded(seed), folder.path());
    EXPECT_GT(std::filesystem::file_size(folder.path() + "/seed/pad"), 0U);
    counts.insert(inside());
  }
  EXPECT_GT(counts.size(), 2U);
  EXPECT_EQ(inside(), 0);
  const SeededPlace place(Seeded(1, kVaryPages), folder.path());
  EXPECT_EQ(inside(), 0);
}

}  // namespace
}  // namespace faultline
