// SPDX-License-Identifier: GPL-2.0-only
// Numbers that a user types: each has a range, and is looked at as it was typed, before it is
// converted to a type in which it would wrap.
#pragma once

#include <cstdint>
#include <string>

namespace faultline {

// One line that says what is wrong; empty if `text` is a whole number from `least` to `most`.
// `why_most` says where a limit comes from that another machine would not have.
std::string whole_number_complaint(const std::string& option, const std::string& text,
                                   std::int64_t least, std::int64_t most,
                                   const std::string& why_most = "");
// Says the same of a decimal number.
std::string number_complaint(const std::string& option, const std::string& text, double least,
                             double most);

// Limits that more than one option has.
inline constexpr std::int64_t kMostSeed = INT64_MAX;
inline constexpr std::int64_t kMostRepetitions = 1000;
inline constexpr double kLeastSeconds = 0.01;
inline constexpr double kMostSeconds = 1e6;
inline constexpr double kMostPercent = 1e6;

}  // namespace faultline
