// SPDX-License-Identifier: GPL-2.0-only
#include "harness/delay.h"

#include <gtest/gtest.h>

#include "harness/failure.h"

namespace faultline {
namespace {

TEST(DelayOf, SpendsWhatIsAskedLessItsOverhead) {
  const uint64_t least = DelayOverhead("6.1.0-56-cloud-amd64");
  EXPECT_GT(least, 50U);
  const fl_delay none = DelayOf(least, "6.1.0-56-cloud-amd64");
  EXPECT_EQ(none.rounds, 0U);
  EXPECT_EQ(none.rest, 0U);
  const fl_delay some = DelayOf(least + 3 * 32 + 31, "6.1.0-56-cloud-amd64");
  EXPECT_EQ(some.rounds, 3U);
  EXPECT_EQ(some.rest, 31U);
}

TEST(DelayOf, RefusesWhatItCannotSpend) {
  const uint64_t least = DelayOverhead("6.1.0");
  EXPECT_THROW(DelayOf(least - 1, "6.1.0"), Failure);
  EXPECT_NO_THROW(DelayOf(least + 20479, "6.1.0"));
  EXPECT_THROW(DelayOf(least + 20480, "6.1.0"), Failure);
}

TEST(DelayOverhead, OfAReleaseThatIsNoRowIsTheOneBefore) {
  EXPECT_EQ(DelayOverhead("6.9.0-rc1"), DelayOverhead("6.1.0-56-cloud-amd64"));
  EXPECT_EQ(DelayOverhead("4.19.0"), DelayOverhead("5.10.0-46-cloud-amd64"));
  EXPECT_EQ(DelayOverhead("8.0"), DelayOverhead("7.3.4+deb13-cloud-amd64"));
}

}  // namespace
}  // namespace faultline
