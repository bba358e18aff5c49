// SPDX-License-Identifier: GPL-2.0-only
#include "harness/delay.h"

#include <gtest/gtest.h>

#include "cell/planted.h"

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

}  // namespace
}  // namespace faultline
