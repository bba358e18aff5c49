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

class OwnKernel : public testing::Test {
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

TEST_F(OwnKernel, TakesTheModulesFolderOrTheInstallRoot) {
  for (const fs::path& given : {modules(), modules() / "", modules().parent_path(), dir_.path()}) {
    const FetchedKernel kernel = kernel_from_path(bzimage(), given);
    EXPECT_EQ(kernel.release, kRelease);
    EXPECT_EQ(kernel.build, std::string(kRelease) + " (me) #1");
    EXPECT_EQ(kernel.modules_dir, modules()) << given;
    EXPECT_EQ(kernel.config, "");
  }
}

TEST_F(OwnKernel, TakesAModulesFolderOfAnyPlainName) {
  fs::rename(modules(), dir_.path() / "my-modules");
  EXPECT_EQ(kernel_from_path(bzimage(), dir_.path() / "my-modules").modules_dir,
            dir_.path() / "my-modules");
}

TEST_F(OwnKernel, FindsTheConfigBesideIt) {
  write_file(dir_.path() / (std::string("config-") + kRelease), "");
  EXPECT_EQ(kernel_from_path(bzimage(), modules()).config,
            dir_.path() / (std::string("config-") + kRelease));
}

TEST_F(OwnKernel, SaysWhatIsWrong) {
  const auto message = [](const fs::path& kernel, const fs::path& given) {
    return usage_message([&] { kernel_from_path(kernel, given); });
  };
  EXPECT_NE(message("/nonexistent/k", modules()).find("no such kernel file: /nonexistent/k"),
            std::string::npos);
  EXPECT_NE(message(dir_.path(), modules()).find("is no file"), std::string::npos);
  EXPECT_NE(message("/etc/passwd", modules()).find("is no x86 kernel"), std::string::npos);
  EXPECT_NE(message(bzimage(), "/nonexistent/m").find("no modules folder"), std::string::npos);
  EXPECT_NE(message(bzimage(), "/etc").find("holds no modules of 9.9.0-2"), std::string::npos);
  fs::rename(modules(), modules().parent_path() / "8.8.0-other");
  EXPECT_NE(message(bzimage(), modules().parent_path() / "8.8.0-other")
                .find("holds no modules of 9.9.0-2"),
            std::string::npos);
}

}  // namespace
}  // namespace faultline
