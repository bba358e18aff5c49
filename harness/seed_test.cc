// SPDX-License-Identifier: GPL-2.0-only
#include "harness/seed.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <set>
#include <vector>

#include "cell/cell.h"
#include "harness/testing.h"

namespace faultline {
namespace {

Cell seeded(uint64_t seed, const char* vary = kVaryAll) {
  Cell cell;
  cell.seed = seed;
  cell.vary = vary;
  return cell;
}

constexpr uint64_t kTickNs = 4'000'000;  // CONFIG_HZ=250

// For ever: a change here makes every figure that was ever published another one.
TEST(Seed, IsIdenticalForEver) {
  EXPECT_EQ(tick_phase_ns(seeded(0), kTickNs), 2'472'136U);
  EXPECT_EQ(tick_phase_ns(seeded(1), kTickNs), 944'272U);
  EXPECT_EQ(tick_phase_ns(seeded(2), kTickNs), 3'416'408U);
  EXPECT_EQ(tick_phase_ns(seeded(0), 1'000'000), 618'034U);  // CONFIG_HZ=1000
  EXPECT_EQ(tick_phase_ns(seeded(1), 1'000'000), 236'068U);
  std::vector<uint64_t> warmups;
  for (uint64_t seed = 0; seed < 5; ++seed) warmups.push_back(more_warmup(seeded(seed)));
  EXPECT_EQ(warmups, (std::vector<uint64_t>{18, 18, 15, 26, 22}));
}

// Five points of a tick of 4 ms, of which no two are nearer than half of an even share.
TEST(Seed, SpreadsOverTheTick) {
  std::vector<uint64_t> phases;
  for (uint64_t seed = 0; seed < 5; ++seed) phases.push_back(tick_phase_ns(seeded(seed), kTickNs));
  std::sort(phases.begin(), phases.end());
  EXPECT_LT(phases.back(), 4'000'000U);
  phases.push_back(phases.front() + 4'000'000);
  for (size_t i = 1; i < phases.size(); ++i) EXPECT_GT(phases[i] - phases[i - 1], 400'000U);
}

TEST(Seed, VariesOneThingAloneOrNothing) {
  EXPECT_EQ(tick_phase_ns(seeded(3, kVaryNone), kTickNs), 0U);
  EXPECT_EQ(more_warmup(seeded(3, kVaryNone)), 0U);
  EXPECT_GT(tick_phase_ns(seeded(3, kVaryTick), kTickNs), 0U);
  EXPECT_EQ(more_warmup(seeded(3, kVaryTick)), 0U);
  EXPECT_EQ(tick_phase_ns(seeded(3, kVaryPages), kTickNs), 0U);
  EXPECT_EQ(more_warmup(seeded(3, kVaryPages)), more_warmup(seeded(3)));
  EXPECT_EQ(more_warmup(seeded(3, kVaryBlocks)), 0U);
  Cell huge = seeded(3);
  huge.order = Order::kPmd;
  EXPECT_EQ(more_warmup(huge), 0U);
  for (const char* id : {kVaryAll, kVaryNone, "tick", "pages", "blocks"})
    EXPECT_TRUE(is_varied(id));
  EXPECT_FALSE(is_varied("image"));
}

TEST(Seed, TakesBlocksBesideTheCellAndLeavesNothing) {
  const TempFolder folder;
  const auto inside = [&] {
    return std::distance(std::filesystem::recursive_directory_iterator(folder.path()),
                         std::filesystem::recursive_directory_iterator());
  };
  std::set<ptrdiff_t> counts;
  for (uint64_t seed = 0; seed < 5; ++seed) {
    const SeededPlace place(seeded(seed), folder.path());
    EXPECT_GT(std::filesystem::file_size(folder.path() + "/seed/pad"), 0U);
    counts.insert(inside());
  }
  EXPECT_GT(counts.size(), 2U);
  EXPECT_EQ(inside(), 0);
  const SeededPlace place(seeded(1, kVaryPages), folder.path());
  EXPECT_EQ(inside(), 0);
}

}  // namespace
}  // namespace faultline
