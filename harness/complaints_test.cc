// SPDX-License-Identifier: GPL-2.0-only
#include "harness/complaints.h"

#include <gtest/gtest.h>

namespace faultline {
namespace {

TEST(FaultErrors, AreToldWithTheirNames) {
  EXPECT_EQ(complaint_of_errors(0, 0), "");
  EXPECT_EQ(complaint_of_errors(3, 0x2),
            "3 attempts at a fault ended in an error (VM_FAULT_SIGBUS)");
  EXPECT_EQ(complaint_of_errors(2, 0x41),
            "2 attempts at a fault ended in an error (VM_FAULT_OOM, VM_FAULT_SIGSEGV)");
}

}  // namespace
}  // namespace faultline
