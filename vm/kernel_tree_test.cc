// SPDX-License-Identifier: GPL-2.0-only
#include "vm/kernel_tree.h"

#include <gtest/gtest.h>

#include "cell/failure.h"
#include "vm/files.h"
#include "vm/modules.h"
#include "vm/test_support.h"

namespace faultline {
namespace {
namespace fs = std::filesystem;

class KernelTree : public testing::Test {
 protected:
  void SetUp() override {
    make_dirs(tree() / "arch" / "x86" / "boot");
    make_dirs(tree() / "fs" / "xfs");
    write_file(tree() / "arch" / "x86" / "boot" / "bzImage",
               fake_bzimage("6.9.0-rc1-mine (me) #1 SMP"));
    write_file(tree() / ".config", "CONFIG_FS_DAX=y\n");
    write_file(tree() / "fs" / "xfs" / "xfs.ko", fake_module({"name=xfs"}, {}, {"crc32c"}));
    write_file(tree() / "fs" / "libcrc32c.ko", fake_module({"name=libcrc32c"}, {"crc32c"}));
    write_file(tree() / "modules.builtin", "kernel/fs/ext4/ext4.ko\n");
  }
  [[nodiscard]] fs::path tree() const { return dir_.path() / "tree"; }
  [[nodiscard]] fs::path into() const { return dir_.path() / "into"; }
  TempDir dir_{fs::temp_directory_path()};
};

TEST_F(KernelTree, IsLaidOutAsItWouldBeInstalled) {
  // The three forms that modules.order has had.
  for (const char* order : {"kernel/fs/xfs/xfs.ko\nkernel/fs/libcrc32c.ko\n",
                            "fs/xfs/xfs.ko\nfs/libcrc32c.ko\n", "fs/xfs/xfs.o\nfs/libcrc32c.o\n"}) {
    fs::remove_all(into());
    write_file(tree() / "modules.order", order);
    const FetchedKernel kernel = kernel_from_tree(tree(), into());
    EXPECT_EQ(kernel.release, "6.9.0-rc1-mine");
    EXPECT_EQ(read_file(kernel.config), "CONFIG_FS_DAX=y\n");
    const auto modules = load_order(kernel.modules_dir, {{"xfs", false}, {"ext4", false}});
    ASSERT_EQ(modules.size(), 2U) << "xfs and what it needs; ext4 is built in";
    EXPECT_EQ(modules[0].name, "libcrc32c");
    EXPECT_EQ(modules[1].file, kernel.modules_dir / "kernel/fs/xfs/xfs.ko");
  }
}

TEST_F(KernelTree, WithoutModulesWillDo) {
  const FetchedKernel kernel = kernel_from_tree(tree(), into());
  EXPECT_TRUE(load_order(kernel.modules_dir, {{"ext4", false}}).empty());
}

TEST_F(KernelTree, SaysWhatIsMissing) {
  const auto message = [&] {
    try {
      kernel_from_tree(tree(), into());
    } catch (const Failure& failure) {
      return std::string(failure.what());
    }
    return std::string();
  };
  write_file(tree() / "modules.order", "fs/xfs/xfs.o\nfs/nfs/nfs.o\n");
  EXPECT_NE(message().find("nfs.ko"), std::string::npos) << message();
  fs::remove(tree() / "arch" / "x86" / "boot" / "bzImage");
  EXPECT_NE(message().find("bzImage"), std::string::npos) << message();
}

TEST_F(KernelTree, IsAKernelByItsPath) {
  write_file(tree() / "modules.order", "fs/xfs/xfs.o\nfs/libcrc32c.o\n");
  const FetchedKernel kernel = kernel_of_path(tree(), "", "mine");
  EXPECT_EQ(kernel.id, "mine");
  EXPECT_EQ(kernel.path, tree());
  EXPECT_EQ(kernel.vmlinuz, tree() / "arch/x86/boot/bzImage");
  EXPECT_EQ(read_file(kernel.config), "CONFIG_FS_DAX=y\n");
  const auto modules = load_order(kernel.modules_dir, {{"xfs", false}, {"ext4", false}});
  ASSERT_EQ(modules.size(), 2U);
  EXPECT_EQ(modules[1].name, "xfs");
}

TEST_F(KernelTree, TakesModulesThatWereInstalledElsewhere) {
  write_file(tree() / "modules.order", "fs/nfs/nfs.o\n");  // which was not built
  const fs::path installed = dir_.path() / "mods/lib/modules/6.9.0-rc1-mine";
  make_dirs(installed / "kernel");
  write_file(installed / "kernel/xfs.ko", fake_module({"name=xfs"}));
  write_file(installed / "modules.order", "kernel/xfs.ko\n");
  EXPECT_EQ(kernel_of_path(tree(), dir_.path() / "mods").modules_dir, installed);
}

TEST_F(KernelTree, WithAllBuiltInNeedsNoModules) {
  const FetchedKernel kernel = kernel_of_path(tree(), "");
  EXPECT_TRUE(load_order(kernel.modules_dir, {{"ext4", false}}).empty());
  fs::remove(tree() / "modules.builtin");
  EXPECT_EQ(kernel_of_path(tree(), "").modules_dir, "");
  EXPECT_EQ(read_file(kernel_of_path(tree(), "").config), "CONFIG_FS_DAX=y\n");
}

class PackageFolder : public testing::Test {
 protected:
  void add(const std::string& file, const std::string& content) const {
    make_dirs((folder() / file).parent_path());
    write_file(folder() / file, content);
  }
  [[nodiscard]] fs::path folder() const { return dir_.path() / "package"; }
  [[nodiscard]] std::string message() const {
    return usage_message([&] { kernel_of_path(folder(), ""); });
  }
  TempDir dir_{fs::temp_directory_path()};
};

TEST_F(PackageFolder, OfDebian) {
  add("boot/vmlinuz-6.9.0-1-amd64", fake_bzimage("6.9.0-1-amd64 (deb) #1"));
  add("boot/config-6.9.0-1-amd64", "CONFIG_A=y\n");
  add("lib/modules/6.9.0-1-amd64/kernel/xfs.ko", fake_module({"name=xfs"}));
  add("lib/modules/6.9.0-1-amd64/modules.order", "kernel/xfs.ko\n");
  const FetchedKernel kernel = kernel_of_path(folder(), "");
  EXPECT_EQ(kernel.release, "6.9.0-1-amd64");
  EXPECT_EQ(kernel.vmlinuz, folder() / "boot/vmlinuz-6.9.0-1-amd64");
  EXPECT_EQ(kernel.modules_dir, folder() / "lib/modules/6.9.0-1-amd64");
  EXPECT_EQ(kernel.config, folder() / "boot/config-6.9.0-1-amd64");
  EXPECT_EQ(kernel.path, folder());
  EXPECT_TRUE(kernel.id.starts_with("vmlinuz-6.9.0-1-amd64-")) << kernel.id;
  // No depmod has run on what was only unpacked.
  EXPECT_EQ(load_order(kernel.modules_dir, {{"xfs", false}}).size(), 1U);
}

TEST_F(PackageFolder, OfFedora) {
  for (const char* below : {"lib/modules", "usr/lib/modules"}) {
    fs::remove_all(folder());
    const std::string modules = std::string(below) + "/6.9.1-200.fc40.x86_64/";
    add(modules + "vmlinuz", fake_bzimage("6.9.1-200.fc40.x86_64 (rpm) #1"));
    add(modules + "config", "CONFIG_A=y\n");
    add(modules + "modules.order", "");
    const FetchedKernel kernel = kernel_of_path(folder(), "");
    EXPECT_EQ(kernel.vmlinuz, folder() / (modules + "vmlinuz"));
    EXPECT_EQ(kernel.modules_dir, (folder() / modules).parent_path());
    EXPECT_EQ(kernel.config, folder() / (modules + "config"));
  }
}

TEST_F(PackageFolder, OneKernelOrAMessage) {
  make_dirs(folder());
  EXPECT_NE(message().find("holds no kernel"), std::string::npos) << message();
  add("boot/vmlinuz-6.9.0", fake_bzimage("6.9.0 (me) #1"));
  add("lib/modules/6.9.0/vmlinuz", fake_bzimage("6.9.0 (me) #1"));
  EXPECT_EQ(message(), "") << "one release in two places is one kernel";
  add("boot/vmlinuz-6.8.0", fake_bzimage("6.8.0 (me) #1"));
  EXPECT_NE(message().find("several kernels; give --kernel one of them"), std::string::npos)
      << message();
}

}  // namespace
}  // namespace faultline
