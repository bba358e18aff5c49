// SPDX-License-Identifier: GPL-2.0-only
#include "cli/version.h"

#include <fmt/format.h>

#include <cstdlib>

#include "campaign/context.h"
#include "campaign/result.h"
#include "harness/wire.h"
#include "vm/command.h"
#include "vm/files.h"
#include "vm/packages/guest_qemu.h"
#include "vm/packages/guest_root.h"

namespace faultline {

namespace fs = std::filesystem;

namespace {

constexpr char kQemu[] = "qemu-system-x86_64";

std::string version_of(const fs::path& program) {
  const std::string said = run_command({program.string(), "--version"}).out;
  return said.substr(0, said.find('\n'));
}

}  // namespace

std::string found_qemu() {
  const char* wish = std::getenv("FAULTLINE_QEMU");
  if (wish != nullptr) return std::string("FAULTLINE_QEMU=") + wish;
  const fs::path installed = find_tool(kQemu);
  const std::string version = installed.empty() ? "" : version_of(installed);
  if (is_of_guest_suite(version)) return installed.string() + ": " + version;
  std::error_code error;
  const fs::path fetched = cache_dir() / "qemu" / kGuestSuite / kQemu;
  if (fs::exists(fetched, error)) return fetched.string() + ": " + version_of(fetched);
  return (version.empty() ? "not installed" : version) +
         "; figures are of 7.2, which the first run fetches";
}

std::string version_text() {
  // A frame's head names its format.
  const std::string frames = wire::encode("", "").substr(1, 4);
  return fmt::format(
      "faultline {} ({})\n"
      "result schema {}, guest's frames {}, QEMU plugin interfaces 1 and 2\n"
      "QEMU: {}",
      build_version(), build_revision(), kSchemaVersion, frames, found_qemu());
}

}  // namespace faultline
