// SPDX-License-Identifier: GPL-2.0-only
// What every verb needs to know of its surroundings.
#pragma once

#include <atomic>
#include <filesystem>
#include <string>
#include <vector>

namespace faultline {

struct CommandContext {
  std::vector<std::string> command_line;
  std::filesystem::path guest_binary;  // faultline-guest, beside the command
  // The one that goes into guests: built by the guest's own suite's compiler, where this machine's
  // is another (tools/pinned-guest). Empty: guest_binary.
  std::filesystem::path image_binary = {};
  std::filesystem::path reports;  // faultline_report.py
  std::filesystem::path kmod;     // the strategy module's sources; empty if not there
  std::filesystem::path bt;       // the bpftrace scripts; empty if not there
  // Set by SIGINT, SIGTERM and SIGHUP.
  const std::atomic<bool>* interrupted = nullptr;
};

// Where the command's own parts are, from where the command is. Failure(kUsage) when they are not
// there.
CommandContext make_context(int argc, char** argv, const std::atomic<bool>& interrupted);

// The file systems' tools and what else an image needs is looked for here.
std::filesystem::path find_tool(const std::string& name);

// The git revision that the command was built from.
const char* build_revision();
const char* build_version();

}  // namespace faultline
