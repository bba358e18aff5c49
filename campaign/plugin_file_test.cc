// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/plugin_file.h"

#include <gtest/gtest.h>

namespace faultline {
namespace {

TEST(PluginFile, AQemuGetsThePluginOfItsInterface) {
  EXPECT_EQ(plugin_file("observer", "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)"),
            "libfaultline_observer_1.so");
  EXPECT_EQ(plugin_file("pmem_log", "QEMU emulator version 8.2.2"), "libfaultline_pmem_log_1.so");
  EXPECT_EQ(plugin_file("observer", "QEMU emulator version 9.0.2"), "");
  EXPECT_EQ(plugin_file("observer", "QEMU emulator version 9.1.0"), "libfaultline_observer_3.so");
  EXPECT_EQ(plugin_file("pmem_log", "QEMU emulator version 10.0.13"), "libfaultline_pmem_log_3.so");
}

TEST(PluginFile, AnUnknownQemuIsTakenForALaterOne) {
  EXPECT_EQ(plugin_file("pmem_log", ""), "libfaultline_pmem_log_3.so");
  EXPECT_EQ(plugin_file("observer", "v-next"), "libfaultline_observer_3.so");
}

}  // namespace
}  // namespace faultline
