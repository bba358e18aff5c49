// SPDX-License-Identifier: GPL-2.0-only
#include "vm/packages/guest_qemu.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "cell/failure.h"
#include "vm/command.h"
#include "vm/files.h"
#include "vm/image.h"
#include "vm/packages/test_mirror.h"

namespace faultline {
namespace {
namespace fs = std::filesystem;

TEST(GuestQemu, KnowsItsVersion) {
  EXPECT_TRUE(is_of_guest_suite("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)"));
  EXPECT_FALSE(is_of_guest_suite("QEMU emulator version 7.20.1"));
  EXPECT_FALSE(is_of_guest_suite("QEMU emulator version 10.0.13 (Debian 1:10.0.13+ds-0+deb13u1)"));
  EXPECT_FALSE(is_of_guest_suite(""));
}

TEST(GuestQemu, ASandboxIsThatOfTheLibraryItIsLinkedWith) {
  const TempDir folder(fs::temp_directory_path());
  const fs::path binary = folder.path() / "qemu";
  write_file(binary, "an ELF file: libseccomp.so.2 libc.so.6");
  EXPECT_TRUE((QemuProgram{.program = "/bin/sh", .binary = binary}.has_sandbox()));
  write_file(binary, "an ELF file: libc.so.6");
  EXPECT_FALSE((QemuProgram{.program = "/bin/sh", .binary = binary}.has_sandbox()));
}

TEST(GuestQemu, TakesProgramLibrariesAndFirmware) {
  EXPECT_EQ(qemu_place_of("usr/bin/qemu-system-x86_64"), "usr/bin/qemu-system-x86_64");
  EXPECT_EQ(qemu_place_of("usr/bin/qemu-system-i386"), "");
  EXPECT_EQ(qemu_place_of("usr/share/seabios/bios-256k.bin"), "usr/share/seabios/bios-256k.bin");
  EXPECT_EQ(qemu_place_of("usr/share/qemu/linuxboot_dma.bin"), "usr/share/qemu/linuxboot_dma.bin");
  EXPECT_EQ(qemu_place_of("lib/x86_64-linux-gnu/libc.so.6"), "usr/lib/x86_64-linux-gnu/libc.so.6");
  EXPECT_EQ(qemu_place_of("usr/lib/x86_64-linux-gnu/qemu/accel-tcg-x86_64.so"),
            "usr/lib/x86_64-linux-gnu/qemu/accel-tcg-x86_64.so");
  EXPECT_EQ(qemu_place_of("usr/share/doc/qemu-system-x86/copyright"), "");
}

// The programs are scripts that say a version.
class FetchQemu : public FakeMirror {
 protected:
  FetchQemu() {
    path_ = std::getenv("PATH");
    make_dirs(bin());
    setenv("PATH", (bin().string() + ":" + path_).c_str(), 1);
    unsetenv("FAULTLINE_QEMU");
  }
  ~FetchQemu() override {
    setenv("PATH", path_.c_str(), 1);
    unsetenv("FAULTLINE_QEMU");
  }
  [[nodiscard]] fs::path bin() const { return dir_.path() / "bin"; }
  void install(const std::string& version) {
    write_file(bin() / "qemu-system-x86_64",
               "#!/bin/sh\necho 'QEMU emulator version " + version + "'\n", 0755);
  }
  QemuProgram qemu() { return guest_qemu(cache(), {}, {.etc_apt = etc()}); }
  std::string path_;
};

TEST_F(FetchQemu, ThisMachinesIsTakenIfItIsOfTheVersion) {
  install("7.2.1");
  EXPECT_EQ(qemu().program, bin() / "qemu-system-x86_64");
  EXPECT_FALSE(qemu().fetched);
}

TEST_F(FetchQemu, ThisMachinesIsTakenIfItIsAskedFor) {
  install("10.0.0");
  setenv("FAULTLINE_QEMU", "system", 1);
  EXPECT_EQ(qemu().program, bin() / "qemu-system-x86_64");
  setenv("FAULTLINE_QEMU", (bin() / "qemu-system-x86_64").c_str(), 1);
  EXPECT_EQ(qemu().version, "QEMU emulator version 10.0.0");
  setenv("FAULTLINE_QEMU", "/no/such/qemu", 1);
  EXPECT_THROW(qemu(), Failure);
}

// Instead of the loader the mirror offers a shell, which runs a program that is a script.
TEST_F(FetchQemu, ElseTheGuestsSuitesOwnIsFetched) {
  install("10.0.0");
  const std::string shell = "#!/bin/sh\nshift 2\nexec \"$@\"\n";
  offer(
      "qemu-system-x86", "1",
      {{"usr/bin/qemu-system-x86_64", "#!/bin/sh\necho 'QEMU emulator version 7.2.9'\n", "", 0755},
       {"usr/share/doc/x", "left out"}},
      {"libc6"});
  offer("libc6", "1", {{"lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", shell, "", 0755}});
  publish();
  const QemuProgram fetched = qemu();
  EXPECT_TRUE(fetched.fetched);
  EXPECT_EQ(fetched.version, "QEMU emulator version 7.2.9");
  EXPECT_EQ(fetched.program, cache() / "qemu/bookworm/qemu-system-x86_64");
  EXPECT_EQ(run_command({fetched.program.string(), "--version"}).out,
            "QEMU emulator version 7.2.9\n");
  fs::remove_all(mirror());  // the second time needs no mirror
  EXPECT_EQ(qemu().program, fetched.program);
}

}  // namespace
}  // namespace faultline
