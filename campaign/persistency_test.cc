// SPDX-License-Identifier: GPL-2.0-only
// Litmus programs: what a CPU of x86 may leave in the pmem, and what it may not, worked out by hand
// from the rules in docs/crashtest.md.
#include "campaign/persistency.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "campaign/pmem_testing.h"

namespace faultline {
namespace {

using Kind = PmemRecord::Kind;

// A program is a list of these. x, y and z lie in lines of their own, x and X in one.
constexpr std::uint32_t kX = 0;
constexpr std::uint32_t kBigX = 8;
constexpr std::uint32_t kY = 64;
constexpr std::uint32_t kZ = 8192;

PmemRecord movnti(std::uint32_t where, std::uint64_t value) {
  return {.value = value, .where = where, .kind = Kind::kNonTemporal, .bytes = 8};
}
PmemRecord clwb(std::uint32_t where, std::uint64_t site = 1) {
  return {.site = site, .where = where / 64 * 64, .kind = Kind::kWriteBack};
}
PmemRecord clflush(std::uint32_t where) {
  return {.where = where / 64 * 64, .kind = Kind::kWriteBackAtOnce};
}
PmemRecord sfence(std::uint64_t site = 2) { return {.site = site, .kind = Kind::kFence}; }
PmemRecord lock_add() { return {.kind = Kind::kLocked}; }

// All images at the program's end, each as "xXyz" in digits.
std::set<std::string> images(const std::vector<PmemRecord>& program,
                             Persistency::LeftOut left_out = {},
                             std::uint64_t sector = kTearsAnywhere) {
  Persistency persistency(PmemImage(), sector, std::move(left_out));
  for (const PmemRecord& record : program) persistency.apply(record);
  std::set<std::string> found;
  for (const Survival& survival : survivals(persistency.uncertain(), 10'000, 0)) {
    PmemImage image = persistency.durable();
    for (const PmemRecord* one : surviving(persistency.uncertain(), survival)) image.apply(*one);
    std::string text;
    for (const std::uint32_t where : {kX, kBigX, kY, kZ})
      text += std::to_string(stored_at(image, where));
    found.insert(text);
  }
  return found;
}
using Set = std::set<std::string>;

TEST(Litmus, AStoreMayBeThereOrNot) { EXPECT_EQ(images({store(kX, 1)}), (Set{"0000", "1000"})); }

TEST(Litmus, TwoLinesComeInAnyOrder) {
  EXPECT_EQ(images({store(kX, 1), store(kY, 1)}), (Set{"0000", "1000", "0010", "1010"}));
}

TEST(Litmus, WithinALineTheyComeInTheirOrder) {
  EXPECT_EQ(images({store(kX, 1), store(kBigX, 1)}), (Set{"0000", "1000", "1100"}));
  EXPECT_EQ(images({store(kX, 1), store(kBigX, 1), store(kX, 2)}),
            (Set{"0000", "1000", "1100", "2100"}));
}

TEST(Litmus, AWriteBackWithoutAFencePromisesNothing) {
  EXPECT_EQ(images({store(kX, 1), clwb(kX)}), (Set{"0000", "1000"}));
  EXPECT_EQ(images({store(kX, 1), clwb(kX), store(kY, 1)}), (Set{"0000", "1000", "0010", "1010"}));
}

TEST(Litmus, AFenceWithoutAWriteBackPromisesNothing) {
  EXPECT_EQ(images({store(kX, 1), sfence()}), (Set{"0000", "1000"}));
}

TEST(Litmus, AWriteBackAndAFenceMakeItDurable) {
  EXPECT_EQ(images({store(kX, 1), clwb(kX), sfence()}), (Set{"1000"}));
  EXPECT_EQ(images({store(kX, 1), clwb(kX), sfence(), store(kY, 1)}), (Set{"1000", "1010"}));
}

TEST(Litmus, ALockedOperationFences) {
  EXPECT_EQ(images({store(kX, 1), clwb(kX), lock_add()}), (Set{"1000"}));
}

TEST(Litmus, AWriteBackIsOfItsLineAlone) {
  EXPECT_EQ(images({store(kX, 1), store(kY, 1), clwb(kX), sfence()}), (Set{"1000", "1010"}));
  EXPECT_EQ(images({store(kX, 1), store(kBigX, 1), clwb(kBigX), sfence()}), (Set{"1100"}));
}

TEST(Litmus, AWriteBackIsOfWhatWasStoredBefore) {
  EXPECT_EQ(images({store(kX, 1), clwb(kX), store(kX, 2), sfence()}), (Set{"1000", "2000"}));
  EXPECT_EQ(images({clwb(kX), store(kX, 1), sfence()}), (Set{"0000", "1000"}));
}

TEST(Litmus, ClflushIsDoneWhenItIsExecuted) {
  EXPECT_EQ(images({store(kX, 1), clflush(kX), store(kY, 1)}), (Set{"1000", "1010"}));
  EXPECT_EQ(images({store(kX, 1), store(kY, 1), clflush(kY)}), (Set{"0010", "1010"}));
}

TEST(Litmus, AStorePastTheCachesNeedsTheFenceAlone) {
  EXPECT_EQ(images({movnti(kX, 1)}), (Set{"0000", "1000"}));
  EXPECT_EQ(images({movnti(kX, 1), sfence()}), (Set{"1000"}));
  EXPECT_EQ(images({movnti(kX, 1), movnti(kY, 1)}), (Set{"0000", "1000", "0010", "1010"}));
}

TEST(Litmus, ALineMayBeEvictedAtAnyTime) {
  // Nothing forbids that the second store is durable before the first, which is written back.
  EXPECT_TRUE(images({store(kX, 1), store(kZ, 1), clwb(kX)}).contains("0001"));
}

TEST(Litmus, AMessageAndItsFlag) {
  EXPECT_FALSE(images({store(kX, 1), clwb(kX), sfence(), store(kZ, 1)}).contains("0001"));
  EXPECT_TRUE(images({store(kX, 1), clwb(kX), store(kZ, 1)}).contains("0001"));
  EXPECT_TRUE(images({store(kX, 1), sfence(), store(kZ, 1)}).contains("0001"));
}

TEST(Litmus, WhatIsLeftOutNeitherWritesBackNorFences) {
  const auto site = [](std::uint64_t number) {
    return [number](const PmemRecord& record) { return record.site == number; };
  };
  const std::vector<PmemRecord> program = {store(kX, 1), clwb(kX, 1), sfence(2), store(kY, 1)};
  EXPECT_EQ(images(program, site(1)), (Set{"0000", "1000", "0010", "1010"}));
  EXPECT_EQ(images(program, site(2)), (Set{"0000", "1000", "0010", "1010"}));
  EXPECT_EQ(images(program, site(3)), (Set{"1000", "1010"}));
  const auto nontemporal = [](const PmemRecord& record) {
    return record.kind == Kind::kNonTemporal;
  };
  EXPECT_EQ(images({movnti(kX, 1), sfence()}, nontemporal), (Set{"0000", "1000"}));
  EXPECT_EQ(images({movnti(kX, 1), clwb(kX), sfence()}, nontemporal), (Set{"1000"}));
}

TEST(Litmus, ASectorIsThereOrNotWhereThatIsTakenForGranted) {
  const std::vector<PmemRecord> block = {movnti(kX, 1), movnti(kBigX, 1)};
  EXPECT_EQ(images(block), (Set{"0000", "1000", "1100"}));
  EXPECT_EQ(images(block, {}, 512), (Set{"0000", "1100"}));
  EXPECT_EQ(images({store(kX, 1), store(kBigX, 1)}, {}, 512), (Set{"0000", "1000", "1100"}))
      << "what an application stores is not a driver's";
  EXPECT_EQ(images({movnti(kX, 1), movnti(kY, 1)}, {}, 512), (Set{"0000", "1000", "1010"}))
      << "of one sector, but there is a gap between them";
  EXPECT_EQ(
      images({movnti(kX, 1), movnti(kBigX, 1), sfence(), movnti(kX, 2), movnti(kBigX, 2)}, {}, 512),
      (Set{"1100", "2200"}));
}

TEST(Litmus, AStorePastTheCachesComesAfterWhatItsLineHad) {
  const std::vector<PmemRecord> program = {store(kX, 1), movnti(kX, 2), sfence()};
  EXPECT_EQ(images(program, {}, 512), (Set{"2000"}));
  EXPECT_EQ(images(program, {}, kTearsAnywhere), (Set{"2000"}));
  EXPECT_EQ(images({movnti(kX, 1), store(kX, 2), clflush(kX)}, {}, 512), (Set{"2000"}));
  EXPECT_EQ(images({movnti(kX, 1), store(kX, 2), clwb(kX), sfence()}, {}, 512), (Set{"2000"}));
}

TEST(Survivals, AreTheSameForTheSameSeedAndEachOnce) {
  Persistency persistency(PmemImage(), kTearsAnywhere);
  std::vector<PmemRecord> program;
  for (std::uint32_t line = 0; line < 20; ++line) {
    program.push_back(store(line * 64, 1));
    program.push_back(store(line * 64 + 8, 1));
  }
  for (const PmemRecord& record : program) persistency.apply(record);
  const std::vector<Survival> some = survivals(persistency.uncertain(), 100, 7);
  EXPECT_EQ(some, survivals(persistency.uncertain(), 100, 7));
  EXPECT_NE(some, survivals(persistency.uncertain(), 100, 8));
  ASSERT_EQ(some.size(), 100U);
  EXPECT_EQ(std::set<Survival>(some.begin(), some.end()).size(), 100U);
  EXPECT_EQ(some[0], Survival(20, 0)) << "nothing survives";
  EXPECT_EQ(some[1], Survival(20, 2)) << "all does";
  const auto count = [&](std::uint16_t rest, std::uint16_t one) {
    return std::count_if(some.begin(), some.end(), [&](const Survival& survival) {
      return std::count(survival.begin(), survival.end(), rest) == 19 &&
             std::count(survival.begin(), survival.end(), one) == 1;
    });
  };
  EXPECT_EQ(count(0, 2), 20) << "each line alone kept";
  EXPECT_EQ(count(2, 0), 20) << "each line alone lost";
}

TEST(Survivals, AreOfWhatIsLeftOfALine) {
  const std::vector<PmemRecord> program = {store(kX, 1), clwb(kX), store(kX, 2), sfence()};
  Persistency persistency(PmemImage(), kTearsAnywhere);
  for (const PmemRecord& record : program) persistency.apply(record);
  EXPECT_EQ(survivals(persistency.uncertain(), 8, 0).size(), 2U) << "with the second store, or not";
}

TEST(Survivals, NothingUncertainIsOneImage) {
  EXPECT_EQ(survivals({}, 8, 0), std::vector<Survival>(1));
}

}  // namespace
}  // namespace faultline
