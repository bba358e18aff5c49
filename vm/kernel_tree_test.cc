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

}  // namespace
}  // namespace faultline
