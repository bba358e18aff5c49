// SPDX-License-Identifier: GPL-2.0-only
// Runs a tool inside the guest and keeps what it says.
#pragma once

#include <string>
#include <vector>

namespace faultline {

struct CommandResult {
  int exit_code = 0;   // 128 + the signal when it was killed
  std::string output;  // standard output and error together
};

// Looks the program up in PATH. Throws Failure(kVmFailed) when it cannot be started.
CommandResult run_command(const std::vector<std::string>& arguments);

}  // namespace faultline
