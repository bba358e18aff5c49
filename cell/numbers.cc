// SPDX-License-Identifier: GPL-2.0-only
#include "cell/numbers.h"

#include <fmt/format.h>

#include <charconv>

namespace faultline {
namespace {

// Tells whether all of the text is a number between the two. What does not fit the type is not.
template <typename T>
bool is_between(const std::string& text, T least, T most) {
  T number = {};
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && at == end && number >= least && number <= most;
}

}  // namespace

std::string whole_number_complaint(const std::string& option, const std::string& text,
                                   std::int64_t least, std::int64_t most,
                                   const std::string& why_most) {
  if (is_between(text, least, most)) return "";
  return fmt::format("{}: '{}' is not a whole number from {} to {}{}", option, text, least, most,
                     why_most.empty() ? "" : ", " + why_most);
}

std::string number_complaint(const std::string& option, const std::string& text, double least,
                             double most) {
  if (is_between(text, least, most)) return "";
  return fmt::format("{}: '{}' is not a number from {:.12g} to {:.12g}", option, text, least, most);
}

}  // namespace faultline
