// SPDX-License-Identifier: GPL-2.0-only
#include "vm/packages/toolchain.h"

#include <gtest/gtest.h>

#include <string>

#include "cell/failure.h"
#include "vm/files.h"
#include "vm/image.h"
#include "vm/packages/test_mirror.h"

namespace faultline {
namespace {
namespace fs = std::filesystem;

const std::string kLib = "usr/lib/x86_64-linux-gnu/";

// A compiler that is this machine's `true`, with this machine's C library.
class FetchToolchain : public FakeMirror {
 protected:
  void offer_all(const std::string& compiler_content) {
    std::vector<Member> libc;
    for (const Library& library : library_closure("/bin/true")) {
      // One in the older layout.
      libc.push_back({kLib.substr(libc.empty() ? 0 : 4) + library.name.filename().string(),
                      read_file(library.file), "", 0755});
    }
    libc.push_back({kLib + "libasan.so.8", "left out"});
    libc.push_back({"usr/share/doc/libc6/copyright", "left out"});
    offer("libc6", "1", libc);
    offer("gcc-99", "1",
          {{"usr/bin/x86_64-linux-gnu-gcc-99", compiler_content, "", 0755},
           {"usr/bin/gcc-99", "", "x86_64-linux-gnu-gcc-99"},
           {"usr/lib/gcc/x86_64-linux-gnu/99/include/stdarg.h", ""},
           {"usr/libexec/gcc/x86_64-linux-gnu/99/cc1", "", "", 0755},
           {"usr/libexec/gcc/x86_64-linux-gnu/99/lto1", "left out"}},
          {"libc6", "helper"});
    offer(
        "helper", "1",
        {{kLib + "libhelper.so.1", "", "libhelper.so.1.2"}, {kLib + "libhelper.so.1.2", "helps"}});
    offer("binutils", "1",
          {{"usr/bin/x86_64-linux-gnu-ld", "", "x86_64-linux-gnu-ld.bfd"},
           {"usr/bin/x86_64-linux-gnu-ld.bfd", "", "", 0755}});
    publish();
  }
  Toolchain fetch() {
    return fetch_toolchain("bookworm", "gcc-99", {}, cache(), {}, {.etc_apt = etc()});
  }
};

TEST_F(FetchToolchain, RunsThroughItsOwnLoaderAndIsKept) {
  offer_all(read_file("/bin/true"));
  const Toolchain toolchain = fetch();
  EXPECT_EQ(toolchain.root, cache() / "toolchain/bookworm-gcc-99");
  std::vector<std::string> command = command_of(toolchain, toolchain.compiler);
  EXPECT_EQ(run_command(command).status, 0);
  EXPECT_EQ(read_file(toolchain.libraries / "libhelper.so.1"), "helps");
  EXPECT_TRUE(fs::exists(toolchain.root / "usr/lib/gcc/x86_64-linux-gnu/99/include/stdarg.h"));
  EXPECT_TRUE(fs::exists(toolchain.root / "usr/libexec/gcc/x86_64-linux-gnu/99/cc1"));
  for (const std::string& left_out :
       {std::string("usr/bin/gcc-99"), std::string("usr/libexec/gcc/x86_64-linux-gnu/99/lto1"),
        kLib + "libasan.so.8", std::string("usr/share")}) {
    EXPECT_FALSE(fs::exists(toolchain.root / left_out)) << left_out;
  }
  EXPECT_TRUE(fs::is_empty(cache() / "unfinished/toolchain-bookworm-gcc-99"));

  const std::vector<std::string> variables = write_fronts(toolchain, dir_.path());
  EXPECT_EQ(variables.front(), "CC=" + (dir_.path() / "cc").string());
  EXPECT_EQ(variables.size(), 8U);
  EXPECT_EQ(run_command({(dir_.path() / "cc").string()}).status, 0);
  EXPECT_NE(read_file(dir_.path() / "cc").find(" -wrapper '"), std::string::npos);

  fs::remove_all(mirror());  // the second time needs no mirror
  EXPECT_EQ(fetch().root, toolchain.root);
}

TEST_F(FetchToolchain, WithACompilerThatDoesNotRunIsSkipped) {
  offer_all("no program");
  try {
    fetch();
    FAIL() << "it was taken";
  } catch (const Failure& failure) {
    EXPECT_EQ(failure.code(), ExitCode::kSkipped) << failure.what();
  }
  EXPECT_FALSE(fs::exists(cache() / "toolchain/bookworm-gcc-99"));
}

TEST_F(FetchToolchain, ThatIsNotOfferedSaysSo) {
  publish();
  try {
    fetch();
    FAIL() << "there is none";
  } catch (const Failure& failure) {
    EXPECT_EQ(failure.code(), ExitCode::kVmFailed);
    EXPECT_NE(std::string(failure.what()).find("gcc-99"), std::string::npos) << failure.what();
  }
}

}  // namespace
}  // namespace faultline
