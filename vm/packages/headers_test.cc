// SPDX-License-Identifier: GPL-2.0-only
#include "vm/packages/headers.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

#include "cell/failure.h"
#include "vm/files.h"
#include "vm/packages/test_mirror.h"

namespace faultline {
namespace {
namespace fs = std::filesystem;

constexpr const char* kRelease = "9.9.0-2-cloud-amd64";
constexpr const char* kCommon = "9.9.0-2-common";
constexpr const char* kVersion = "9.9.1-1";

TEST(RelativeMakefile, HasNoPathOfTheMachine) {
  EXPECT_EQ(relative_makefile("include /usr/src/linux-headers-6.1.0-56-common/Makefile\n"),
            "faultline_src := $(dir $(realpath $(lastword $(MAKEFILE_LIST))))../\n"
            "include $(faultline_src)linux-headers-6.1.0-56-common/Makefile\n");
  // As 7.3 has it.
  EXPECT_EQ(relative_makefile("KBUILD_OUTPUT=/usr/src/a\ninclude /usr/src/b/Makefile\n"),
            "faultline_src := $(dir $(realpath $(lastword $(MAKEFILE_LIST))))../\n"
            "KBUILD_OUTPUT=$(faultline_src)a\ninclude $(faultline_src)b/Makefile\n");
  EXPECT_EQ(relative_makefile("all:\n"), "all:\n");
}

TEST(CompilerIn, IsTheKernels) {
  const ConfiguredCompiler plain = compiler_in(
      "CONFIG_CC_VERSION_TEXT=\"gcc-12 (Debian 12.2.0-14+deb12u1) 12.2.0\"\n"
      "CONFIG_GCC_VERSION=120200\n");
  EXPECT_EQ(plain.name, "gcc-12");
  EXPECT_EQ(plain.major, 12);
  const ConfiguredCompiler cross = compiler_in(
      "# comment\nCONFIG_CC_VERSION_TEXT=\"x86_64-linux-gnu-gcc-14 (Debian 14.2.0-19) 14.2.0\"\n"
      "CONFIG_GCC_VERSION=140200\n");
  EXPECT_EQ(cross.name, "gcc-14");
  EXPECT_EQ(cross.major, 14);
  EXPECT_EQ(compiler_in("").name, "");
  EXPECT_EQ(compiler_in("").major, 0);
}

class FetchHeaders : public FakeMirror {
 protected:
  // tools: the version of the build's tools, which headers ask for at least of their own.
  void offer_headers(const std::string& version, std::string tools = "") {
    if (tools.empty()) tools = version;
    const std::string own = fmt::format("usr/src/linux-headers-{}/", kRelease);
    const std::string common = fmt::format("usr/src/linux-headers-{}/", kCommon);
    offer(fmt::format("linux-headers-{}", kRelease), version,
          {{own + "Makefile", fmt::format("include /{}Makefile\n", common)},
           {own + ".config", "CONFIG_CC_VERSION_TEXT=\"gcc-12 (x) 1\"\n"},
           {own + "Module.symvers", ""},
           {own + "vmlinux", "left out"},
           {own + "include/generated/autoconf.h", ""},
           {own + "scripts", "", "../../lib/linux-kbuild-9.9/scripts"},
           {fmt::format("lib/modules/{}/build", kRelease), "", "/" + own}},
          {fmt::format("linux-headers-{} (= {})", kCommon, version),
           fmt::format("linux-kbuild-9.9 (>= {})", version), "gcc-12"});
    offer(fmt::format("linux-headers-{}", kCommon), version,
          {{common + "Makefile", "all:\n\t@echo $(lastword $(MAKEFILE_LIST))\n"},
           {common + "arch/x86/Makefile", ""},
           {common + "arch/arm/Makefile", "left out"},
           {common + "include/linux/fs.h", ""}});
    offer("linux-kbuild-9.9", tools,
          {{"usr/lib/linux-kbuild-9.9/scripts/basic/fixdep", "", "", 0755},
           {"usr/lib/linux-kbuild-9.9/scripts/mod/modpost", "", "", 0755},
           {"usr/share/doc/linux-kbuild-9.9/copyright", "left out"}},
          {"pahole", "libc6 (>= 2.38)", "libelf1t64", "zlib1g"});
  }
  KernelHeaders fetch() { return fetch_headers(kernel_, cache(), {}, {.etc_apt = etc()}); }
  std::string failure_of(ExitCode code) {
    try {
      fetch();
    } catch (const Failure& failure) {
      EXPECT_EQ(failure.code(), code) << failure.what();
      return failure.what();
    }
    return "";
  }
  [[nodiscard]] fs::path folder() const { return cache() / "headers" / kRelease; }
  [[nodiscard]] fs::path unfinished() const {
    return cache() / "unfinished" / fmt::format("headers-{}", kRelease);
  }

  FetchedKernel kernel_ = {.id = "bookworm",
                           .release = kRelease,
                           .package = fmt::format("linux-image-{}", kRelease),
                           .version = kVersion,
                           .suites = {"bookworm"}};
};

TEST_F(FetchHeaders, MakesATreeOfItsOwnAndOnlyOnce) {
  offer_headers("9.9.2-1");  // newer than the kernel: not these
  offer_headers(kVersion);
  publish();
  EXPECT_FALSE(have_headers(kernel_, cache()));
  const KernelHeaders headers = fetch();
  EXPECT_EQ(headers.build, folder() / "usr/src" / fmt::format("linux-headers-{}", kRelease));
  EXPECT_EQ(headers.root, folder());
  EXPECT_EQ(headers.version, kVersion);
  EXPECT_EQ(headers.compiler, "gcc-12");
  EXPECT_EQ(headers.libs, (std::vector<std::string>{"libc6", "libelf1t64", "zlib1g"}));
  EXPECT_NE(
      fs::status(headers.build / "scripts/basic/fixdep").permissions() & fs::perms::owner_exec,
      fs::perms::none);
  const fs::path common = folder() / "usr/src" / fmt::format("linux-headers-{}", kCommon);
  EXPECT_TRUE(fs::exists(common / "arch/x86/Makefile"));
  EXPECT_FALSE(fs::exists(common / "arch/arm"));
  EXPECT_FALSE(fs::exists(headers.build / "vmlinux"));
  EXPECT_FALSE(fs::exists(folder() / "lib"));
  EXPECT_FALSE(fs::exists(folder() / "usr/share"));
  // The wrapper finds the common tree from wherever it is.
  EXPECT_EQ(
      run_command({"make", "-s", "-C", headers.build.string()}).out,
      (headers.build / "../" / fmt::format("linux-headers-{}/Makefile", kCommon)).string() + "\n");
  EXPECT_TRUE(fs::is_empty(unfinished()));

  fs::remove_all(mirror());  // the second time needs no mirror
  EXPECT_TRUE(have_headers(kernel_, cache()));
  EXPECT_EQ(fetch().version, kVersion);
  kernel_.version = "9.9.2-1";  // another build of the same release has other headers
  EXPECT_FALSE(have_headers(kernel_, cache()));
}

TEST_F(FetchHeaders, SkipsWhereTheMirrorHasNoneOfThisVersion) {
  offer_headers("9.9.2-1");
  publish();
  const std::string message = failure_of(ExitCode::kSkipped);
  EXPECT_NE(message.find("offers no linux-headers-9.9.0-2-cloud-amd64 9.9.1-1"), std::string::npos)
      << message;
  EXPECT_EQ(message.find('\n'), std::string::npos);
  EXPECT_FALSE(fs::exists(folder()));
}

TEST_F(FetchHeaders, TakesToolsOfAKernelThatIsNotSignedYet) {
  offer_headers(kVersion, "9.9.1-2");
  publish();
  EXPECT_EQ(fetch().version, kVersion);
}

TEST_F(FetchHeaders, SkipsWhereTheToolsAreOlderThanTheKernel) {
  offer_headers(kVersion, "9.9.0-9");
  publish();
  const std::string message = failure_of(ExitCode::kSkipped);
  EXPECT_NE(message.find("offers no linux-kbuild-9.9 9.9.1-1"), std::string::npos) << message;
}

TEST_F(FetchHeaders, LeavesNothingOfADamagedPackage) {
  offer_headers(kVersion);
  publish();
  const fs::path deb = mirror() / "pool" / fmt::format("linux-kbuild-9.9_{}_amd64.deb", kVersion);
  const std::string whole = read_file(deb);
  write_file(deb, whole.substr(0, whole.size() / 2));
  EXPECT_NE(failure_of(ExitCode::kVmFailed), "");
  EXPECT_FALSE(fs::exists(folder()));
  EXPECT_TRUE(fs::is_empty(unfinished()));
  write_file(deb, whole);
  EXPECT_EQ(fetch().version, kVersion);
}

TEST_F(FetchHeaders, FetchesAnewAfterAnInterruptOrDamage) {
  offer_headers(kVersion);
  publish();
  make_dirs(unfinished() / "tmp-killed" / "headers");
  const KernelHeaders headers = fetch();
  EXPECT_TRUE(fs::is_empty(unfinished()));
  fs::remove(headers.build / "scripts/mod/modpost");
  EXPECT_FALSE(have_headers(kernel_, cache()));
  fetch();
  EXPECT_TRUE(have_headers(kernel_, cache()));
  write_file(folder() / "stamp.json", "[]");
  EXPECT_FALSE(have_headers(kernel_, cache()));
}

}  // namespace
}  // namespace faultline
