// SPDX-License-Identifier: GPL-2.0-only
// What several tests of this folder need.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "cell/failure.h"

namespace faultline {

// The message of the Failure that `act` throws; a failed test when it throws none, or with another
// exit code.
inline std::string message_of(ExitCode code, const std::function<void()>& act) {
  try {
    act();
  } catch (const Failure& failure) {
    EXPECT_EQ(static_cast<int>(failure.code()), static_cast<int>(code)) << failure.what();
    return failure.what();
  }
  ADD_FAILURE() << "no Failure";
  return "";
}

}  // namespace faultline
