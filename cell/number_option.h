// SPDX-License-Identifier: GPL-2.0-only
// A number option's range. Both binaries' options have theirs from here.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "cell/failure.h"
#include "cell/numbers.h"

namespace faultline {

// Makes an option take whole numbers from `least` to `most` alone, and returns it; for anything
// else the command line ends in Failure(kUsage).
inline CLI::Option* whole_numbers(CLI::Option* option, std::int64_t least, std::int64_t most,
                                  const std::string& why_most = "") {
  return option->check(CLI::Validator(
      [option, least, most, why_most](const std::string& text) -> std::string {
        const std::string wrong =
            whole_number_complaint(option->get_name(), text, least, most, why_most);
        if (!wrong.empty()) throw Failure(ExitCode::kUsage, wrong);
        return "";
      },
      ""));
}

// Does the same for decimal numbers.
inline CLI::Option* numbers(CLI::Option* option, double least, double most) {
  return option->check(CLI::Validator(
      [option, least, most](const std::string& text) -> std::string {
        const std::string wrong = number_complaint(option->get_name(), text, least, most);
        if (!wrong.empty()) throw Failure(ExitCode::kUsage, wrong);
        return "";
      },
      ""));
}

}  // namespace faultline
