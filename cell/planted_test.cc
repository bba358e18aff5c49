// SPDX-License-Identifier: GPL-2.0-only
#include "cell/planted.h"

#include <gtest/gtest.h>

#include "cell/failure.h"
#include "cell/testing.h"

namespace faultline {
namespace {

TEST(CheckDelay, RefusesWhatCannotBeSpent) {
  EXPECT_EQ(message_of(ExitCode::kUsage, [] { check_delay(100, "6.1.0"); }),
            "a delay of 100 instructions cannot be planted: on 6.1.0 it can be 101 to 20580; a "
            "smaller change is one between two delays (+200, +205)");
  EXPECT_NO_THROW(check_delay(101, "6.1.0"));
  EXPECT_NO_THROW(check_delay(20580, "6.1.0"));
  EXPECT_THROW(check_delay(20581, "6.1.0"), Failure);
}

TEST(DelayOverhead, OfAReleaseThatIsNoRowIsTheOneBefore) {
  EXPECT_EQ(delay_overhead("6.9.0-rc1"), 101U);
  EXPECT_EQ(delay_overhead("4.19.0"), 77U);
  EXPECT_EQ(delay_overhead("8.0"), 149U);
}

}  // namespace
}  // namespace faultline
