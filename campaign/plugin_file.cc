// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/plugin_file.h"

#include <fmt/format.h>

#include "vm/qemu.h"

namespace faultline {

std::string plugin_file(std::string_view plugin, std::string_view qemu_version) {
  const QemuRelease qemu = qemu_release(qemu_version);
  if (qemu.major < 9) return fmt::format("libfaultline_{}_1.so", plugin);
  // 9.0 has an interface of its own, in which instructions are read as in the first.
  if (qemu.major == 9 && qemu.minor == 0) return "";
  return fmt::format("libfaultline_{}_3.so", plugin);
}

}  // namespace faultline
