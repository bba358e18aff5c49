// SPDX-License-Identifier: GPL-2.0-only
#include "cli/version.h"

#include <fmt/format.h>

#include "campaign/context.h"
#include "campaign/result.h"
#include "cell/failure.h"
#include "harness/wire.h"
#include "vm/files.h"
#include "vm/packages/guest_qemu.h"

namespace faultline {

std::string found_qemu() {
  const std::optional<QemuProgram> qemu = find_guest_qemu(cache_dir());
  if (!qemu) return "that of the figures is not here; the first run fetches it";
  return qemu->program.string() + ": " + qemu->version;
}

std::string version_text() {
  // A frame's head names its format.
  const std::string frames = wire::encode("", "").substr(1, 4);
  std::string qemu;
  try {
    qemu = found_qemu();
  } catch (const Failure& failure) {
    qemu = failure.what();
  }
  return fmt::format(
      "faultline {} ({})\n"
      "result schema {}, guest's frames {}, QEMU plugin interfaces 1 and 3\n"
      "QEMU: {}",
      build_version(), build_revision(), kSchemaVersion, frames, qemu);
}

}  // namespace faultline
