// SPDX-License-Identifier: GPL-2.0-only
// What several tests of this folder need.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "cell/failure.h"

namespace faultline {

// Whether AddressSanitizer is built in, as GCC and as clang say it.
#ifdef __SANITIZE_ADDRESS__
inline constexpr bool kAddressSanitizer = true;
#elif defined __has_feature
inline constexpr bool kAddressSanitizer = __has_feature(address_sanitizer);
#else
inline constexpr bool kAddressSanitizer = false;
#endif

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
