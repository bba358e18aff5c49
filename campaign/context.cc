// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/context.h"

#include "revision.h"

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

const char* build_revision() { return FAULTLINE_REVISION; }
const char* build_version() { return FAULTLINE_VERSION; }

}  // namespace faultline
