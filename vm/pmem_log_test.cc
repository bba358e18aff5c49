// SPDX-License-Identifier: GPL-2.0-only
#include "vm/pmem_log.h"

#include <gtest/gtest.h>

namespace faultline {
namespace {

TEST(PmemLog, AQemuGetsThePluginOfItsInterface) {
  EXPECT_EQ(pmem_log_plugin("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)"),
            "libfaultline_pmem_log_1.so");
  EXPECT_EQ(pmem_log_plugin("QEMU emulator version 8.2.2"), "libfaultline_pmem_log_1.so");
  EXPECT_EQ(pmem_log_plugin("QEMU emulator version 9.0.0"), "libfaultline_pmem_log_2.so");
  EXPECT_EQ(pmem_log_plugin("QEMU emulator version 10.0.13 (Debian 1:10.0.13+ds-0+deb13u1)"),
            "libfaultline_pmem_log_2.so");
}

TEST(PmemLog, AnUnknownQemuIsTakenForALaterOne) {
  EXPECT_EQ(pmem_log_plugin(""), "libfaultline_pmem_log_2.so");
  EXPECT_EQ(pmem_log_plugin("QEMU emulator version v-next"), "libfaultline_pmem_log_2.so");
}

}  // namespace
}  // namespace faultline
