// SPDX-License-Identifier: GPL-2.0-only
#include "harness/journal.h"

#include <gtest/gtest.h>

namespace faultline {
namespace {

// As 6.1 prints them.
constexpr char kInfo[] =
    "1027 transactions (1026 requested), each up to 4096 blocks\n"
    "average: \n  0ms waiting for transaction\n  0ms request delay\n";
constexpr char kStat[] =
    "extent_alloc 3 7 0 0\nlog 1045 66944 0 1031 1029\npush_ail 12 0 0 0 0 0 0 0 0 0\n";

TEST(JournalCounters, OfJbd2) {
  const JournalCounters counters = parse_jbd2_info(kInfo);
  EXPECT_EQ(counters.commits, 1027U);
  EXPECT_FALSE(counters.log_bytes.has_value());
}

TEST(JournalCounters, OfXfs) {
  const JournalCounters counters = parse_xfs_stat(kStat);
  EXPECT_FALSE(counters.commits.has_value());
  EXPECT_EQ(counters.forces, 1031U);
  // 66944 blocks of 512 bytes.
  EXPECT_EQ(counters.log_bytes, 34275328U);
}

TEST(JournalCounters, OfATextThatSaysNothing) {
  for (const char* text : {"", "transactions", "-", "17 blocks", "log", "log x y"}) {
    EXPECT_FALSE(parse_jbd2_info(text).commits.has_value()) << text;
    EXPECT_FALSE(parse_xfs_stat(text).forces.has_value()) << text;
  }
}

TEST(JournalCounters, SinceIsTheDifferenceOfWhatBothSay) {
  const JournalCounters before{.commits = 5, .forces = {}, .log_bytes = 512};
  const JournalCounters after{.commits = 9, .forces = 3, .log_bytes = 2048};
  const JournalCounters since = after.since(before);
  EXPECT_EQ(since.commits, 4U);
  EXPECT_FALSE(since.forces.has_value());
  EXPECT_EQ(since.log_bytes, 1536U);
  EXPECT_TRUE(json_of(since.figures())["forces"].is_null());
}

}  // namespace
}  // namespace faultline
