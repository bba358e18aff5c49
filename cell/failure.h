// SPDX-License-Identifier: GPL-2.0-only
// How a command ends, on either side: the documented exit codes, and the one exception type that
// carries one.
#pragma once

#include <stdexcept>
#include <string>

namespace faultline {

// Exit codes of every verb and of the guest's binary.
enum class ExitCode : int {
  kPass = 0,
  kRegression = 1,   // or a check that failed
  kUsage = 2,        // bad input, or a result that is incomplete or not comparable
  kVmFailed = 69,    // the VM failed, not the measurement
  kSkipped = 77,     // with the reason printed
  kCannotTest = 125  // for `git bisect run`
};

// Ends a command. `what()` is one line for the user: what was wrong, where, what to do next.
class Failure : public std::runtime_error {
 public:
  Failure(ExitCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  [[nodiscard]] ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

}  // namespace faultline
