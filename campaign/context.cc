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
  const fs::path here = fs::read_symlink("/proc/self/exe", error).parent_path();
  context.guest_binary = here / "faultline-guest";
  std::error_code ignored;
  if (fs::exists(here / "pinned/faultline-guest", ignored)) {
    context.image_binary = here / "pinned/faultline-guest";
  }
  // In a build folder these are in the source tree above it; installed, under share/.
  const auto folder_with = [&](const char* folder, const char* file) {
    for (const char* above : {"..", "../share/faultline"}) {
      const fs::path place = here / above / folder;
      if (fs::exists(place / file, error)) return fs::weakly_canonical(place, error);
    }
    return fs::path();
  };
  if (const fs::path reports = folder_with("reports", "faultline_report.py"); !reports.empty()) {
    context.reports = reports / "faultline_report.py";
  }
  context.kmod = folder_with("kmod", "faultline_ioctl.h");
  context.bt = folder_with("bpf/bt", "fault.bt");
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
