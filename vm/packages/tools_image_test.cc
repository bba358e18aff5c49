// SPDX-License-Identifier: GPL-2.0-only
#include "vm/packages/tools_image.h"

#include <gtest/gtest.h>

namespace faultline {
namespace {

TEST(ToolsImage, SuiteOfAKernel) {
  EXPECT_EQ(tools_suite({.suites = {"bullseye", "bullseye-security"}}), "bullseye");
  EXPECT_EQ(tools_suite({.suites = {"bookworm-backports"}}), "bookworm");
  EXPECT_EQ(tools_suite({.suites = {"trixie-backports"}}), "trixie");
  EXPECT_EQ(tools_suite({.release = "5.4.0"}), "bullseye");
  EXPECT_EQ(tools_suite({.release = "5.15.7-mine"}), "bookworm");
  EXPECT_EQ(tools_suite({.release = "6.9.0"}), "trixie");
  EXPECT_EQ(tools_suite({.release = "7.10.0-rc1"}), "trixie");
}

TEST(ToolsImage, PlacesAreBelowUsr) {
  EXPECT_EQ(tools_place_of("bin/bash"), "usr/bin/bash");
  EXPECT_EQ(tools_place_of("lib/x86_64-linux-gnu/libc.so.6"), "usr/lib/x86_64-linux-gnu/libc.so.6");
  EXPECT_EQ(tools_place_of("usr/bin/bpftrace"), "usr/bin/bpftrace");
  EXPECT_EQ(tools_place_of("etc/bash.bashrc"), "etc/bash.bashrc");
  EXPECT_EQ(tools_place_of("usr/share/doc/bash/README"), "");
  EXPECT_EQ(tools_place_of("usr/include/linux/types.h"), "usr/include/linux/types.h");
  EXPECT_EQ(tools_place_of("usr/include/bfd.h"), "");
  EXPECT_EQ(tools_place_of("lib64/ld-linux-x86-64.so.2"), "");
}

TEST(ToolsImage, ADiskIsAnArgumentPair) {
  const std::vector<std::string> expected = {"-drive",
                                             "if=none,id=tools,format=raw,readonly=on,file=/c/a,,b",
                                             "-device", "virtio-blk-pci,drive=tools"};
  EXPECT_EQ(disk_arguments("tools", "/c/a,b", true), expected);
}

}  // namespace
}  // namespace faultline
