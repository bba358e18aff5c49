// SPDX-License-Identifier: GPL-2.0-only
#include "cell/numbers.h"

#include <gtest/gtest.h>

namespace faultline {
namespace {

TEST(Numbers, WholeOnesInTheirRangeAreTaken) {
  for (const char* text : {"1", "50", "100000"}) {
    EXPECT_EQ(whole_number_complaint("--points", text, 1, 100000), "") << text;
  }
  EXPECT_EQ(whole_number_complaint("--seed", "0", 0, kMostSeed), "");
  EXPECT_EQ(whole_number_complaint("--seed", "9223372036854775807", 0, kMostSeed), "");
}

// A negative number must not reach an unsigned type, nor a great one a small type.
TEST(Numbers, OthersAreRefusedAsTheyWereTyped) {
  EXPECT_EQ(whole_number_complaint("--points", "-4", 1, 100000),
            "--points: '-4' is not a whole number from 1 to 100000");
  EXPECT_EQ(whole_number_complaint("--jobs", "99", 1, 46, "which is what fits 23 GiB of memory"),
            "--jobs: '99' is not a whole number from 1 to 46, which is what fits 23 GiB of memory");
  for (const char* text : {"0", "100001", "18446744073709551612", "99999999999999999999", "", "x",
                           "4x", "4 ", "1e3", "0x10", "1.5", "+4"}) {
    EXPECT_NE(whole_number_complaint("--points", text, 1, 100000), "") << text;
  }
}

TEST(Numbers, DecimalOnes) {
  for (const char* text : {"0", "0.2", "3", "1e3", "1000000"}) {
    EXPECT_EQ(number_complaint("--outlier", text, 0, kMostPercent), "") << text;
  }
  EXPECT_EQ(number_complaint("--outlier", "-1", 0, kMostPercent),
            "--outlier: '-1' is not a number from 0 to 1000000");
  for (const char* text : {"-0.1", "1000001", "nan", "inf", "", "3%", "1e999"}) {
    EXPECT_NE(number_complaint("--outlier", text, 0, kMostPercent), "") << text;
  }
}

}  // namespace
}  // namespace faultline
