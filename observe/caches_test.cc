// SPDX-License-Identifier: GPL-2.0-only
// What caches make of programs whose misses are known in closed form.
#include "observe/caches.h"

#include <gtest/gtest.h>

#include <vector>

namespace faultline::observe {
namespace {

constexpr std::uint64_t kLine = 64;
constexpr std::uint64_t kPmem = std::uint64_t{1} << 32;

// L1 of 512 lines in 8 ways, L2 of 4096 in 4, LLC of 32768 in 16.
constexpr CacheSizes kSizes = {.line = kLine,
                               .l1i = {.sets = 64, .ways = 8},
                               .l1d = {.sets = 64, .ways = 8},
                               .l2 = SetsOfWays{.sets = 1024, .ways = 4},
                               .llc = {.sets = 2048, .ways = 16}};
// One set a level: of 2, 4 and 8 lines.
constexpr CacheSizes kTiny = {.line = kLine,
                              .l1i = {.sets = 1, .ways = 2},
                              .l1d = {.sets = 1, .ways = 2},
                              .l2 = SetsOfWays{.sets = 1, .ways = 4},
                              .llc = {.sets = 1, .ways = 8}};

void load_lines(Caches& caches, std::uint64_t lines, std::uint64_t from = 0) {
  for (std::uint64_t i = 0; i < lines; ++i) caches.load(from + i * kLine, 8);
}
void store_lines(Caches& caches, std::uint64_t lines, std::uint64_t from = 0) {
  for (std::uint64_t i = 0; i < lines; ++i) caches.store(from + i * kLine, 8);
}
// All the same.
CacheCounts cold(std::uint64_t dram, std::uint64_t pmem = 0) {
  return {.l1d = dram + pmem, .l2 = dram + pmem, .llc = {dram, pmem}};
}

TEST(Caches, AStrideMissesOnceALine) {
  for (const std::uint64_t stride : {8, 16, 32, 64}) {
    Caches caches(kSizes, kPmem);
    for (std::uint64_t at = 0; at < 256 * kLine; at += stride) caches.load(at, 8);
    EXPECT_EQ(caches.take(), cold(256)) << stride;
  }
  Caches caches(kSizes, kPmem);
  for (std::uint64_t at = 0; at < 256 * kLine; at += 128) caches.load(at, 8);
  EXPECT_EQ(caches.take(), cold(128));
}

TEST(Caches, WhatFitsInALevelHitsInItForEver) {
  Caches caches(kSizes, kPmem);
  load_lines(caches, 512);
  EXPECT_EQ(caches.take(), cold(512));
  load_lines(caches, 512);
  EXPECT_EQ(caches.take(), CacheCounts{});
}

// Least recently used goes: a line more than fits in its set and the whole set misses.
TEST(Caches, AChaseOverMoreThanALevelMissesInItAlways) {
  Caches caches(kSizes, kPmem);
  load_lines(caches, 1024);
  EXPECT_EQ(caches.take(), cold(1024));
  load_lines(caches, 1024);
  EXPECT_EQ(caches.take(), (CacheCounts{.l1d = 1024})) << "twice L1";
  load_lines(caches, 8192);
  caches.take();
  load_lines(caches, 8192);
  EXPECT_EQ(caches.take(), (CacheCounts{.l1d = 8192, .l2 = 8192})) << "twice L2";
  load_lines(caches, 65536);
  EXPECT_EQ(caches.take().written[0], 0U) << "nothing was stored to";
  load_lines(caches, 65536);
  EXPECT_EQ(caches.take(), cold(65536)) << "twice the last level";
}

// 64 of the 65 sets' worth are beyond: 8 + 1 lines in one set of L1.
TEST(Caches, OneLineTooManyEmptiesItsSetAlone) {
  Caches caches(kSizes, kPmem);
  load_lines(caches, 513);
  EXPECT_EQ(caches.take(), cold(513));
  load_lines(caches, 513);
  EXPECT_EQ(caches.take(), (CacheCounts{.l1d = 9}));
}

TEST(Caches, TheLeastRecentlyUsedGoes) {
  Caches caches(kTiny, kPmem);
  load_lines(caches, 2);
  caches.load(0, 8);
  caches.load(2 * kLine, 8);
  EXPECT_EQ(caches.take(), cold(3));
  EXPECT_TRUE(caches.load(0, 8)) << "it was used after line 1";
  EXPECT_FALSE(caches.load(kLine, 8));
  EXPECT_EQ(caches.take(), (CacheCounts{.l1d = 1}));
}

TEST(Caches, OrderIsKeptAmongTheOthers) {
  LruSets sets(1, 4);
  LruSets::Victim victim;
  for (std::uint64_t key = 0; key < 4; ++key) {
    EXPECT_FALSE(sets.use(key, false, victim));
    EXPECT_FALSE(victim.there);
  }
  EXPECT_TRUE(sets.use(0, false, victim));
  for (const std::uint64_t oldest : {1, 2, 3, 0}) {
    EXPECT_FALSE(sets.use(oldest + 4, false, victim));
    EXPECT_EQ(victim.key, oldest);
  }
}

TEST(Caches, WhatIsDroppedLeavesRoom) {
  LruSets sets(1, 4);
  LruSets::Victim victim;
  for (std::uint64_t key = 0; key < 4; ++key) sets.use(key, true, victim);
  EXPECT_TRUE(sets.drop(1));
  sets.use(4, false, victim);
  EXPECT_FALSE(victim.there);
  EXPECT_FALSE(victim.dirty);
  sets.use(5, false, victim);
  EXPECT_EQ(victim.key, 0U);
  EXPECT_TRUE(victim.dirty);
}

// L2 sees what L1 misses: line 0 is used in L1 all the time, and is the oldest in L2.
TEST(Caches, AHitAboveIsNoUseBelow) {
  Caches caches(kTiny, kPmem);
  for (std::uint64_t line = 1; line <= 4; ++line) {
    caches.load(0, 8);
    caches.load(line * kLine, 8);
  }
  EXPECT_EQ(caches.take(), cold(5));
  EXPECT_TRUE(caches.load(0, 8));
  load_lines(caches, 2, 5 * kLine);
  caches.take();
  caches.load(0, 8);
  EXPECT_EQ(caches.take(), (CacheCounts{.l1d = 1, .l2 = 1})) << "the last level has it";
}

TEST(Caches, WithoutAnL2TheLastLevelIsNext) {
  CacheSizes sizes = kSizes;
  sizes.l2.reset();
  Caches caches(sizes, kPmem);
  load_lines(caches, 1024);
  EXPECT_EQ(caches.take(), (CacheCounts{.l1d = 1024, .llc = {1024, 0}}));
  load_lines(caches, 1024);
  EXPECT_EQ(caches.take(), (CacheCounts{.l1d = 1024}));
}

TEST(Caches, AnAccessAcrossABoundaryIsOfBothLines) {
  Caches caches(kSizes, kPmem);
  caches.load(kLine - 4, 8);
  EXPECT_EQ(caches.take(), cold(2));
  caches.load(2 * kLine - 8, 8);
  EXPECT_EQ(caches.take(), CacheCounts{});
}

TEST(Caches, PmemIsApart) {
  Caches caches(kSizes, kPmem);
  load_lines(caches, 3, kPmem - 2 * kLine);
  EXPECT_EQ(caches.take(), cold(2, 1));
}

TEST(Caches, InstructionsAndDataMeetBelowL1) {
  Caches caches(kSizes, kPmem);
  EXPECT_FALSE(caches.fetch(60, 8));
  EXPECT_EQ(caches.take(), (CacheCounts{.l1i = 2, .l2 = 2, .llc = {2, 0}}));
  EXPECT_TRUE(caches.fetch(0, 128));
  caches.load(0, 8);
  EXPECT_EQ(caches.take(), (CacheCounts{.l1d = 1}));
}

TEST(Caches, AStoreBringsItsLineAndWritesItWhenItFallsOut) {
  Caches caches(kTiny, kPmem);
  EXPECT_FALSE(caches.store(0, 8));
  EXPECT_TRUE(caches.store(8, 8));
  EXPECT_EQ(caches.take(), cold(1));
  load_lines(caches, 7, kLine);
  EXPECT_EQ(caches.take(), cold(7)) << "the last level holds it";
  load_lines(caches, 1, 8 * kLine);
  EXPECT_EQ(caches.take(), (CacheCounts{.l1d = 1, .l2 = 1, .llc = {1, 0}, .written = {1, 0}}));
  load_lines(caches, 8, 9 * kLine);
  EXPECT_EQ(caches.take(), cold(8)) << "what was clean is not written";
}

TEST(Caches, EachStoredLineIsWrittenOnceInTheEnd) {
  Caches caches(kSizes, kPmem);
  store_lines(caches, 65536, kPmem);
  const CacheCounts first = caches.take();
  EXPECT_EQ(first.llc, (std::array<std::uint64_t, kMemories>{0, 65536}));
  load_lines(caches, 65536);
  EXPECT_EQ(first.written[1] + caches.take().written[1], 65536U);
}

// Line 0 falls out of L2 while L1 has it, dirty; L1 then writes it past L2.
TEST(Caches, ADirtyLineGoesToTheNextLevelThatHasIt) {
  Caches caches(kTiny, kPmem);
  caches.store(0, 8);
  for (std::uint64_t line = 1; line <= 4; ++line) {
    caches.load(line * kLine, 8);
    caches.load(0, 8);
  }
  load_lines(caches, 2, 5 * kLine);
  EXPECT_EQ(caches.take(), cold(7)) << "the last level has taken it";
  load_lines(caches, 2, 7 * kLine);
  EXPECT_EQ(caches.take(), (CacheCounts{.l1d = 2, .l2 = 2, .llc = {2, 0}, .written = {1, 0}}))
      << "being written to was no use of it there";
}

TEST(Caches, ANonTemporalStoreLeavesNothingBehind) {
  Caches caches(kSizes, kPmem);
  for (std::uint64_t at = 0; at < 4096; at += 8) caches.store_non_temporal(kPmem + at, 8);
  EXPECT_EQ(caches.take(), CacheCounts{}) << "nothing is read, nothing written back";
  load_lines(caches, 64, kPmem);
  EXPECT_EQ(caches.take(), cold(0, 64));
  caches.store_non_temporal(kPmem, 8);
  EXPECT_EQ(caches.take(), CacheCounts{}) << "a clean line goes";
  load_lines(caches, 64, kPmem);
  EXPECT_EQ(caches.take(), cold(0, 1));
  caches.store(kPmem, 8);
  caches.store_non_temporal(kPmem + 60, 8);
  EXPECT_EQ(caches.take(), (CacheCounts{.written = {0, 1}})) << "a dirty one is written";
}

TEST(Caches, AWriteBackKeepsTheLineAndAnEvictionDoesNot) {
  Caches caches(kSizes, kPmem);
  store_lines(caches, 4, kPmem);
  caches.take();
  for (std::uint64_t i = 0; i < 8; ++i) caches.write_back(kPmem + i * kLine + 63);
  EXPECT_EQ(caches.take(), (CacheCounts{.written = {0, 4}}));
  for (std::uint64_t i = 0; i < 8; ++i) caches.write_back(kPmem + i * kLine);
  EXPECT_EQ(caches.take(), CacheCounts{}) << "they are clean";
  store_lines(caches, 4, kPmem);
  EXPECT_EQ(caches.take(), CacheCounts{}) << "they stayed";
  for (std::uint64_t i = 0; i < 8; ++i) caches.evict(kPmem + i * kLine);
  EXPECT_EQ(caches.take(), (CacheCounts{.written = {0, 4}}));
  load_lines(caches, 4, kPmem);
  EXPECT_EQ(caches.take(), cold(0, 4));
}

TEST(Caches, AStoreToALineThatIsThereMakesItDirty) {
  Caches caches(kSizes, kPmem);
  load_lines(caches, 1, 64 * kLine);
  load_lines(caches, 1, 128 * kLine);
  caches.take();
  EXPECT_TRUE(caches.store(64 * kLine, 8)) << "of its set the other was used last";
  caches.write_back(64 * kLine);
  EXPECT_EQ(caches.take(), (CacheCounts{.written = {1, 0}}));
}

// Dirty below L1, it is written back from there, and once.
TEST(Caches, AWriteBackReachesEveryLevel) {
  for (const bool evicts : {false, true}) {
    Caches caches(kTiny, kPmem);
    caches.store(0, 8);
    load_lines(caches, 2, kLine);
    caches.take();
    evicts ? caches.evict(0) : caches.write_back(0);
    EXPECT_EQ(caches.take(), (CacheCounts{.written = {1, 0}}));
    load_lines(caches, 16, kLine);
    EXPECT_EQ(caches.take().written, (std::array<std::uint64_t, kMemories>{0, 0}));
  }
}

TEST(Caches, AnEvictionTakesInstructionsToo) {
  Caches caches(kSizes, kPmem);
  caches.fetch(0, 8);
  caches.take();
  caches.evict(0);
  EXPECT_FALSE(caches.fetch(0, 8));
}

}  // namespace
}  // namespace faultline::observe
