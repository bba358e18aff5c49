// SPDX-License-Identifier: GPL-2.0-only
#include "harness/init.h"

#include <gtest/gtest.h>

namespace faultline {
namespace {

TEST(RefusedModule, TheKernelsLastWordIsTold) {
  EXPECT_EQ(explained_refusal(""), "");
  EXPECT_EQ(explained_refusal("nova: Unknown symbol crc32c (err -2)"),
            "; the kernel: nova: Unknown symbol crc32c (err -2)");
  // kernel/bpf/btf.c
  EXPECT_EQ(explained_refusal("failed to validate module [nova] BTF: -22"),
            "; the kernel: failed to validate module [nova] BTF: -22: its BTF is of another build "
            "of the kernel; build it against this one's vmlinux, or strip it: objcopy -R .BTF");
}

}  // namespace
}  // namespace faultline
