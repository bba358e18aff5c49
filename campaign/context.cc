// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/context.h"

#include <fmt/format.h>
#include <unistd.h>

#include "cell/failure.h"
#include "revision.h"
#include "vm/saved_state.h"

namespace faultline {

namespace fs = std::filesystem;

CommandContext make_context(int argc, char** argv, const std::atomic<bool>& interrupted) {
  CommandContext context;
  context.command_line.assign(argv, argv + argc);
  context.interrupted = &interrupted;
  std::error_code error;
  context.parts = find_parts(fs::read_symlink("/proc/self/exe", error).parent_path());
  return context;
}

fs::path find_tool(const std::string& name) {
  fs::path found = find_program(name);
  std::error_code error;
  for (const char* place : {"/usr/sbin", "/sbin"}) {
    if (found.empty() && fs::exists(fs::path(place) / name, error)) found = fs::path(place) / name;
  }
  return found;
}

const char* build_revision() { return FAULTLINE_REVISION; }
const char* build_version() { return FAULTLINE_VERSION; }

}  // namespace faultline
