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
  // SIGINT, SIGTERM and SIGHUP set it.
  const std::atomic<bool>* interrupted = nullptr;
};

// Finds the command's own parts from where its program lies (find_parts()).
CommandContext make_context(int argc, char** argv, const std::atomic<bool>& interrupted);

// The git revision that the command was built from.
const char* build_revision();
const char* build_version();

}  // namespace faultline
