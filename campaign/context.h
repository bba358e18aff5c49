// SPDX-License-Identifier: GPL-2.0-only
// What every verb needs to know of its surroundings.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "campaign/parts.h"

namespace faultline {

struct CommandContext {
  std::vector<std::string> command_line;
  CommandParts parts;
  // Set by SIGINT, SIGTERM and SIGHUP.
  const std::atomic<bool>* interrupted = nullptr;
};

// Where the command's own parts are, from where the command is. Failure(kUsage) when they are not
// there.
CommandContext make_context(int argc, char** argv, const std::atomic<bool>& interrupted);

// The git revision that the command was built from.
const char* build_revision();
const char* build_version();

}  // namespace faultline
