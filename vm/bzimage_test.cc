// SPDX-License-Identifier: GPL-2.0-only
#include "vm/bzimage.h"

#include <gtest/gtest.h>

#include <string>

#include "vm/test_support.h"

namespace faultline {
namespace {

TEST(BzImageVersion, IsReadThroughItsPointer) {
  EXPECT_EQ(bzimage_version(fake_bzimage("6.1.0-test (me) #1 SMP"), "k"), "6.1.0-test (me) #1 SMP");
}

TEST(BzImageVersion, RefusesWhatIsNoKernel) {
  const std::string kernel = fake_bzimage("6.1.0-test");
  std::string no_flag = kernel;
  no_flag[0x1fe] = 'x';
  std::string no_magic = kernel;
  no_magic[0x202] = 'x';
  for (const std::string& bytes :
       {std::string(), std::string("text"), std::string(5000, '\0'), no_flag, no_magic}) {
    EXPECT_NE(usage_message([&] { bzimage_version(bytes, "k"); }).find("k is no x86 kernel"),
              std::string::npos);
  }
  EXPECT_NE(usage_message([&] {
              bzimage_version(
                  "\x7f"
                  "ELF....",
                  "k");
            }).find("arch/x86/boot"),
            std::string::npos);
  std::string no_version = kernel;
  no_version[0x20f] = '\0';
  for (const std::string& bytes :
       {no_version, kernel.substr(0, 0x3203), kernel.substr(0, 0x300), fake_bzimage("")}) {
    EXPECT_NE(usage_message([&] { bzimage_version(bytes, "k"); }).find("does not say its version"),
              std::string::npos);
  }
  for (std::size_t size = 0; size < 0x212; ++size) {
    EXPECT_THROW(bzimage_version(kernel.substr(0, size), "k"), Failure) << size;
  }
}

}  // namespace
}  // namespace faultline
