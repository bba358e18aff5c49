// SPDX-License-Identifier: GPL-2.0-only
#include "vm/own_kernel.h"

#include <gtest/gtest.h>

#include <string>

#include "vm/files.h"
#include "vm/test_support.h"

namespace faultline {
namespace {
namespace fs = std::filesystem;

constexpr const char* kRelease = "9.9.0-2-cloud-amd64";

class OwnKernels : public testing::Test {
 protected:
  void SetUp() override {
    write_file(bzimage(), fake_bzimage(std::string(kRelease) + " (me) #1"));
    make_dirs(modules() / "kernel");
    write_file(modules() / "kernel" / "xfs.ko", fake_module({"name=xfs"}));
    write_file(modules() / "modules.order", "kernel/xfs.ko\n");
  }
  [[nodiscard]] fs::path bzimage() const { return dir_.path() / "bzImage"; }
  [[nodiscard]] fs::path modules() const { return dir_.path() / "lib" / "modules" / kRelease; }

  TempDir dir_{fs::temp_directory_path()};
};

TEST_F(OwnKernels, TakesTheModulesFolderOrTheInstallRoot) {
  for (const fs::path& given : {modules(), modules() / "", modules().parent_path(), dir_.path()}) {
    const FetchedKernel kernel = kernel_from_path(bzimage(), given);
    EXPECT_EQ(kernel.release, kRelease);
    EXPECT_EQ(kernel.build, std::string(kRelease) + " (me) #1");
    EXPECT_EQ(kernel.modules_dir, modules()) << given;
    EXPECT_EQ(kernel.config, "");
  }
}

TEST_F(OwnKernels, TakesAModulesFolderOfAnyPlainName) {
  fs::rename(modules(), dir_.path() / "my-modules");
  EXPECT_EQ(kernel_from_path(bzimage(), dir_.path() / "my-modules").modules_dir,
            dir_.path() / "my-modules");
}

TEST_F(OwnKernels, FindsTheConfigBesideIt) {
  write_file(dir_.path() / (std::string("config-") + kRelease), "");
  EXPECT_EQ(kernel_from_path(bzimage(), modules()).config,
            dir_.path() / (std::string("config-") + kRelease));
}

TEST_F(OwnKernels, FindsTheConfigOfTheTreeOrTheFolder) {
  const fs::path boot = dir_.path() / "tree/arch/x86/boot";
  make_dirs(boot);
  fs::copy_file(bzimage(), boot / "bzImage");
  write_file(dir_.path() / "tree/.config", "");
  EXPECT_EQ(kernel_from_path(boot / "bzImage", modules()).config, dir_.path() / "tree/.config");
  write_file(dir_.path() / "config", "");
  EXPECT_EQ(kernel_from_path(bzimage(), modules()).config, dir_.path() / "config");
}

// "modules" of a folder that no machine has: what is built in needs none.
TEST_F(OwnKernels, NeedsNoModulesFolder) {
  const FetchedKernel kernel = kernel_from_path(bzimage(), "");
  EXPECT_EQ(kernel.release, kRelease);
  EXPECT_EQ(kernel.modules_dir, "");
  EXPECT_EQ(kernel.config, "");
}

TEST_F(OwnKernels, HasAShortIdAndThePathApart) {
  const std::string id = kernel_from_path(bzimage(), modules()).id;
  EXPECT_EQ(id, "bzImage-" + sha256_of_file(bzimage()).substr(0, 8));
  EXPECT_EQ(kernel_from_path(bzimage(), modules()).path, bzimage().string());
  EXPECT_EQ(kernel_from_path(bzimage(), modules(), "mine").id, "mine");
  // Another build of the same release, also called bzImage; and the same build elsewhere.
  make_dirs(dir_.path() / "new");
  write_file(dir_.path() / "new/bzImage", fake_bzimage(std::string(kRelease) + " (me) #2"));
  EXPECT_NE(own_kernel_id(dir_.path() / "new/bzImage"), id);
  fs::copy_file(bzimage(), dir_.path() / "new/bzImage", fs::copy_options::overwrite_existing);
  EXPECT_EQ(own_kernel_id(dir_.path() / "new/bzImage"), id);
  // No '+', which would plant a delay, and nothing that a file's name or a list cannot hold.
  fs::copy_file(bzimage(), dir_.path() / "vmlinuz-6.9.0-rc1+g1a2b:x,y=z");
  EXPECT_EQ(own_kernel_id(dir_.path() / "vmlinuz-6.9.0-rc1+g1a2b:x,y=z"),
            "vmlinuz-6.9.0-rc1_g1a2b_x_y_z-" + sha256_of_file(bzimage()).substr(0, 8));
}

TEST_F(OwnKernels, IsGivenByItsPathAndMayHaveAName) {
  EXPECT_FALSE(own_kernel("bookworm"));
  EXPECT_FALSE(own_kernel("6.1.*"));
  EXPECT_EQ(own_kernel("./old/bzImage")->path, "./old/bzImage");
  EXPECT_EQ(own_kernel("./old/bzImage")->name, "");
  EXPECT_EQ(own_kernel("mine=./new/bzImage")->name, "mine");
  EXPECT_EQ(own_kernel("mine=./new/bzImage")->path, "./new/bzImage");
  EXPECT_EQ(own_kernel("mine=bzImage")->path, "bzImage");
  EXPECT_EQ(own_kernel("./a=b/bzImage")->name, "");
  EXPECT_NE(usage_message([] { own_kernel("my kernel=./bzImage"); }).find("a kernel's name"),
            std::string::npos);
  EXPECT_NE(usage_message([] { own_kernel("a+1=./bzImage"); }).find("a kernel's name"),
            std::string::npos);
}

TEST_F(OwnKernels, SaysWhatIsWrong) {
  const auto message = [](const fs::path& kernel, const fs::path& given) {
    return usage_message([&] { kernel_from_path(kernel, given); });
  };
  EXPECT_NE(message("/nonexistent/k", modules()).find("no such kernel file: /nonexistent/k"),
            std::string::npos);
  EXPECT_NE(message(dir_.path(), modules()).find("is no file"), std::string::npos);
  EXPECT_NE(message("/etc/passwd", modules()).find("is no x86 kernel"), std::string::npos);
  EXPECT_NE(message(bzimage(), "/nonexistent/m").find("no modules folder"), std::string::npos);
  EXPECT_NE(message(bzimage(), "/etc").find("holds no modules of 9.9.0-2"), std::string::npos);
  const fs::path other = dir_.path() / "other";
  const auto of = [&](const std::string& bytes) {
    write_file(other, bytes + std::string(1024, 'x'));
    return message(other, modules());
  };
  EXPECT_NE(of("\x7f"
               "ELF")
                .find("an ELF file (a vmlinux?); give --kernel the bzImage"),
            std::string::npos);
  EXPECT_NE(of("!<arch>\ndebian-binary").find("dpkg-deb -x FILE DIR"), std::string::npos);
  EXPECT_NE(of("\xed\xab\xee\xdb").find("rpm2cpio"), std::string::npos);
  EXPECT_NE(of("\x1f\x8b").find("a compressed file"), std::string::npos);
  EXPECT_NE(of("070701").find("an initramfs"), std::string::npos);
  EXPECT_NE(of("MZ").find("another EFI program"), std::string::npos);
  EXPECT_NE(of("#\n# Automatically generated file; DO NOT EDIT.\n").find("a configuration"),
            std::string::npos);
  // The tree that a vmlinux was built in holds the file to give.
  make_dirs(dir_.path() / "arch/x86/boot");
  fs::copy_file(bzimage(), dir_.path() / "arch/x86/boot/bzImage");
  EXPECT_NE(of("\x7f"
               "ELF")
                .find("give --kernel " + (dir_.path() / "arch/x86/boot/bzImage").string()),
            std::string::npos);
  fs::rename(modules(), modules().parent_path() / "8.8.0-other");
  EXPECT_NE(message(bzimage(), modules().parent_path() / "8.8.0-other")
                .find("holds no modules of 9.9.0-2"),
            std::string::npos);
}

}  // namespace
}  // namespace faultline
