// SPDX-License-Identifier: GPL-2.0-only
#include "vm/pmem_log.h"

#include "vm/qemu.h"

namespace faultline {

std::string pmem_log_plugin(std::string_view qemu_version) {
  constexpr unsigned kFirstOfInterface2 = 9;
  return qemu_release(qemu_version).major < kFirstOfInterface2 ? "libfaultline_pmem_log_1.so"
                                                               : "libfaultline_pmem_log_2.so";
}

}  // namespace faultline
