// SPDX-License-Identifier: GPL-2.0-only
#include "cell/crash_page.h"

#include <gtest/gtest.h>

#include <array>

namespace faultline {
namespace {

using Page = std::array<uint64_t, kCrashWordsPerPage>;

TEST(CrashPage, WholePageHasOneVersion) {
  Page page{};
  fill_crash_page(page, 12, 3);
  EXPECT_EQ(crash_versions_in(page, 12), (std::vector<int>{3}));
}

TEST(CrashPage, EveryWordTellsItsPageItsVersionAndItsPlace) {
  Page page{};
  fill_crash_page(page, 12, 3);
  EXPECT_EQ(crash_versions_in(page, 13), (std::vector<int>{kCrashForeign})) << "another page's";
  std::swap(page[5], page[6]);
  EXPECT_EQ(crash_versions_in(page, 12), (std::vector<int>{kCrashForeign, 3}));
}

TEST(CrashPage, TornPageHasSeveral) {
  Page page{};
  fill_crash_page(page, 7, 1);
  for (size_t i = 300; i < page.size(); ++i) page[i] = crash_page_word(7, 2, i);
  EXPECT_EQ(crash_versions_in(page, 7), (std::vector<int>{1, 2}));
  page[511] = 0;
  EXPECT_EQ(crash_versions_in(page, 7), (std::vector<int>{kCrashZeroes, 1, 2}));
}

TEST(CrashPage, OneBitIsForeign) {
  Page page{};
  fill_crash_page(page, 0, 1);
  page[0] ^= 1;
  EXPECT_EQ(crash_versions_in(page, 0), (std::vector<int>{kCrashForeign, 1}));
}

TEST(CrashPage, NothingIsZeroes) {
  const Page page{};
  EXPECT_EQ(crash_versions_in(page, 0), (std::vector<int>{kCrashZeroes}));
}

}  // namespace
}  // namespace faultline
