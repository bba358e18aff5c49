// SPDX-License-Identifier: GPL-2.0-only
// What a TLB makes of programs whose refills are known in closed form.
#include "observe/tlb.h"

#include <gtest/gtest.h>

namespace faultline::observe {
namespace {

constexpr SetsOfWays kSize = {.sets = 16, .ways = 4};
constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kLargePage = std::uint64_t{2} << 20;
constexpr std::uint64_t kVmalloc = 0xffffc90000000000;

std::uint64_t refills(Tlb& tlb, std::uint64_t from, std::uint64_t pages,
                      std::uint64_t stride = kPage) {
  std::uint64_t count = 0;
  for (std::uint64_t i = 0; i < pages; ++i) count += tlb.touch(from + i * stride) ? 0 : 1;
  return count;
}

TEST(Tlb, AStrideRefillsOnceAPage) {
  Tlb tlb(kSize);
  EXPECT_EQ(refills(tlb, 0, 64 * 512, 8), 64U);
  EXPECT_EQ(refills(tlb, 0, 64 * 512, 8), 0U) << "it holds 64";
}

TEST(Tlb, TheLeastRecentlyUsedGoes) {
  Tlb tlb(kSize);
  EXPECT_EQ(refills(tlb, 0, 128), 128U);
  EXPECT_EQ(refills(tlb, 0, 128), 128U);
  Tlb one({.sets = 1, .ways = 2});
  EXPECT_EQ(refills(one, 0, 2), 2U);
  EXPECT_TRUE(one.touch(0));
  EXPECT_FALSE(one.touch(2 * kPage));
  EXPECT_TRUE(one.touch(0));
  EXPECT_FALSE(one.touch(kPage));
}

TEST(Tlb, TheKernelsMapOfMemoryAndItsImageAreOfLargePages) {
  for (const std::uint64_t from : {0xff11000000000000, 0xffd4000000000000, 0xffff888000000000,
                                   0xffffea0000000000, 0xffffffff80000000}) {
    Tlb tlb(kSize);
    EXPECT_EQ(refills(tlb, from, 512), 1U) << std::hex << from;
    EXPECT_EQ(refills(tlb, from + kLargePage, 1), 1U) << std::hex << from;
    EXPECT_EQ(refills(tlb, from - kPage, 1), 1U) << std::hex << from;
  }
  for (const std::uint64_t from :
       {std::uint64_t{0x7f0000000000}, kVmalloc, 0xffffffffa0000000, 0xffffffffc0000000}) {
    Tlb tlb(kSize);
    EXPECT_EQ(refills(tlb, from, 64), 64U) << std::hex << from;
  }
}

TEST(Tlb, AStoreToCr3ForgetsUserSpaceAlone) {
  Tlb tlb(kSize);
  refills(tlb, 0, 16);
  refills(tlb, kVmalloc, 16);
  tlb.forget_user();
  EXPECT_EQ(refills(tlb, kVmalloc, 16), 0U);
  EXPECT_EQ(refills(tlb, 0, 16), 16U);
  EXPECT_EQ(refills(tlb, 0x100000, 32), 32U) << "what was forgotten made room";
  EXPECT_EQ(refills(tlb, kVmalloc, 16), 0U);
}

TEST(Tlb, ThePageTouchedLastIsForgottenToo) {
  Tlb tlb(kSize);
  tlb.touch(0);
  tlb.forget_user();
  EXPECT_FALSE(tlb.touch(0));
  tlb.forget_all();
  EXPECT_FALSE(tlb.touch(0));
}

TEST(Tlb, AStoreToAnotherControlRegisterForgetsAll) {
  Tlb tlb(kSize);
  refills(tlb, kVmalloc, 16);
  tlb.forget_all();
  EXPECT_EQ(refills(tlb, kVmalloc, 16), 16U);
}

}  // namespace
}  // namespace faultline::observe
