// SPDX-License-Identifier: GPL-2.0-only
#include "vm/pmem_log.h"

#include <charconv>

namespace faultline {

QemuRelease qemu_release(std::string_view qemu_version) {
  constexpr std::string_view kBefore = "version ";
  QemuRelease release;
  const std::size_t at = qemu_version.find(kBefore);
  if (at == std::string_view::npos) return release;
  const char* const end = qemu_version.data() + qemu_version.size();
  const auto major = std::from_chars(qemu_version.data() + at + kBefore.size(), end, release.major);
  if (major.ec == std::errc() && major.ptr != end && *major.ptr == '.') {
    std::from_chars(major.ptr + 1, end, release.minor);
  }
  return release;
}

std::string pmem_log_plugin(std::string_view qemu_version) {
  constexpr unsigned kFirstOfInterface2 = 9;
  return qemu_release(qemu_version).major < kFirstOfInterface2 ? "libfaultline_pmem_log_1.so"
                                                               : "libfaultline_pmem_log_2.so";
}

}  // namespace faultline
