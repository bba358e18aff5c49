// SPDX-License-Identifier: GPL-2.0-only
#include "harness/delay.h"

#include <gtest/gtest.h>

#include "cell/failure.h"

namespace faultline {
namespace {

TEST(DelayOf, SpendsWhatIsAskedLessItsOverhead) {
  const uint64_t least = delay_overhead("6.1.0-56-cloud-amd64");
  EXPECT_GT(least, 50U);
  const fl_delay none = delay_of(least, "6.1.0-56-cloud-amd64");
  EXPECT_EQ(none.rounds, 0U);
  EXPECT_EQ(none.rest, 0U);
  const fl_delay some = delay_of(least + 3 * 32 + 31, "6.1.0-56-cloud-amd64");
  EXPECT_EQ(some.rounds, 3U);
  EXPECT_EQ(some.rest, 31U);
}

TEST(DelayOf, RefusesWhatItCannotSpend) {
  const uint64_t least = delay_overhead("6.1.0");
  EXPECT_THROW(delay_of(least - 1, "6.1.0"), Failure);
  EXPECT_NO_THROW(delay_of(least + 20479, "6.1.0"));
  EXPECT_THROW(delay_of(least + 20480, "6.1.0"), Failure);
}

TEST(DelayOverhead, OfAReleaseThatIsNoRowIsTheOneBefore) {
  EXPECT_EQ(delay_overhead("6.9.0-rc1"), delay_overhead("6.1.0-56-cloud-amd64"));
  EXPECT_EQ(delay_overhead("4.19.0"), delay_overhead("5.10.0-46-cloud-amd64"));
  EXPECT_EQ(delay_overhead("8.0"), delay_overhead("7.3.4+deb13-cloud-amd64"));
}

}  // namespace
}  // namespace faultline
