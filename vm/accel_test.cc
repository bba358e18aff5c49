// SPDX-License-Identifier: GPL-2.0-only
#include "vm/accel.h"

#include <elf.h>
#include <gtest/gtest.h>

#include <cstring>

#include "vm/files.h"

namespace faultline {
namespace {

TEST(ProbeProgram, IsAnExecutableThatEndsInItsText) {
  const std::string program = probe_program("some text");
  Elf64_Ehdr file{};
  ASSERT_GE(program.size(), sizeof file);
  std::memcpy(&file, program.data(), sizeof file);
  EXPECT_EQ(std::memcmp(file.e_ident, ELFMAG, SELFMAG), 0);
  EXPECT_EQ(file.e_machine, EM_X86_64);
  EXPECT_EQ(program.substr(program.size() - 9), "some text");
  EXPECT_LT(program.size(), 256U);

  // The operands: where the text is, its length, the port.
  const std::size_t code = file.e_entry - 0x400000;
  std::uint32_t address = 0;
  std::uint32_t length = 0;
  std::uint16_t port = 0;
  std::memcpy(&address, &program[code + 13], sizeof address);
  std::memcpy(&length, &program[code + 18], sizeof length);
  std::memcpy(&port, &program[code + 24], sizeof port);
  EXPECT_EQ(program.substr(address - 0x400000, length), "some text");
  EXPECT_EQ(port, 0xe9);
}

TEST(ProbeAccel, NoQemuIsAReason) {
  const TempDir cache(std::filesystem::temp_directory_path());
  const std::atomic<bool> cancel = false;
  AccelProbe probe = probe_accel(Accel::kTcg, "/dev/null", cache.path(), cancel, 1, "no-such-qemu");
  EXPECT_FALSE(probe.works);
  EXPECT_FALSE(probe.cached);
  EXPECT_NE(probe.reason.find("no-such-qemu"), std::string::npos) << probe.reason;
  probe = probe_accel(Accel::kTcg, "/dev/null", cache.path(), cancel, 1, "no-such-qemu");
  EXPECT_TRUE(probe.cached);
  EXPECT_FALSE(probe.works);
}

}  // namespace
}  // namespace faultline
