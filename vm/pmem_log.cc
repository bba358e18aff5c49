// SPDX-License-Identifier: GPL-2.0-only
#include "vm/pmem_log.h"

#include <charconv>

namespace faultline {

std::string pmem_log_plugin(std::string_view qemu_version) {
  constexpr std::string_view kBefore = "version ";
  constexpr unsigned kFirstOfInterface2 = 9;
  unsigned major = kFirstOfInterface2;  // what says nothing is taken for a later one
  if (const std::size_t at = qemu_version.find(kBefore); at != std::string_view::npos) {
    const std::string_view rest = qemu_version.substr(at + kBefore.size());
    std::from_chars(rest.data(), rest.data() + rest.size(), major);
  }
  return major < kFirstOfInterface2 ? "libfaultline_pmem_log_1.so" : "libfaultline_pmem_log_2.so";
}

}  // namespace faultline
