// SPDX-License-Identifier: GPL-2.0-only
#include "vm/strategy_module.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "cell/failure.h"
#include "vm/files.h"
#include "vm/packages/toolchain.h"
#include "vm/test_support.h"

namespace faultline {
namespace {
namespace fs = std::filesystem;

constexpr const char* kRelease = "9.9.0-own";

TEST(FirstBuildError, IsTheCompilersBeforeMakes) {
  const std::string log =
      "make[1]: *** [/h/usr/src/Makefile.build:255: /b/source/faultline.o] Error 1\n"
      "/b/source/faultline.c:7:3: warning: unused\n"
      "/b/source/faultline.c:9:3: error: implicit declaration of function 'f'\n"
      "/b/source/faultline.c:10:3: error: second\n";
  EXPECT_EQ(first_build_error(log, {"/b/source", "/h"}),
            "faultline.c:9:3: error: implicit declaration of function 'f'");
}

TEST(FirstBuildError, IsTheLinkersOrMakesElse) {
  EXPECT_EQ(first_build_error("make: *** [x] Error 2\n"
                              "ERROR: modpost: \"zap\" [/b/faultline.ko] undefined!\n",
                              {"/b"}),
            "ERROR: modpost: \"zap\" [faultline.ko] undefined!");
  EXPECT_EQ(first_build_error("  CC x\nmake: *** No rule to make target 'x'.  Stop.\n", {}),
            "make: *** No rule to make target 'x'.  Stop.");
  EXPECT_EQ(first_build_error("one\ntwo\n\n", {}), "two");
  EXPECT_EQ(first_build_error("", {}), "the build failed and said nothing");
  EXPECT_EQ(first_build_error("error: " + std::string(400, 'x'), {}).size(), 303U);
}

TEST(FrontScript, TakesPathsAsTheyAre) {
  const Toolchain toolchain = {.root = "/t", .loader = "/t/l'd", .libraries = "/t/lib"};
  EXPECT_EQ(front_script(toolchain, "/t/nm"),
            "#!/bin/sh\nexec '/t/l'\\''d' --library-path '/t/lib' '/t/nm' \"$@\"\n");
  EXPECT_EQ(base_suite("trixie-backports"), "trixie");
  EXPECT_EQ(base_suite("bookworm"), "bookworm");
}

// A kernel of the user's own, whose "build" is a Makefile that only copies.
class BuildModule : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* file : {".config", "Module.symvers", "include/generated/autoconf.h"}) {
      make_dirs((build() / file).parent_path());
      write_file(build() / file, "");
    }
    for (const char* tool : {"scripts/basic/fixdep", "scripts/mod/modpost"}) {
      make_dirs((build() / tool).parent_path());
      fs::create_symlink("/bin/true", build() / tool);
    }
    write_file(build() / "Makefile",
               "modules:\n"
               "\t@test -z '$(LEAK)'\n"
               "\t@if test -e $(M)/broken; then echo '$(M)/faultline.c:3:1: error: broken' >&2; "
               "exit 1; fi\n"
               "\t@cp $(M)/blob $(M)/faultline.ko\n");
    make_dirs(source());
    write_file(source() / "Kbuild", "obj-m := faultline.o\n");
    write_blob(fmt::format("vermagic={} SMP preempt", kRelease));
  }
  void write_blob(const std::string& text) { write_file(source() / "blob", fake_module({text})); }
  [[nodiscard]] bool nothing_unfinished() const {
    const fs::directory_iterator entries(cache() / "unfinished");
    return std::all_of(begin(entries), end(entries),
                       [](const auto& entry) { return fs::is_empty(entry.path()); });
  }
  BuiltModule built() { return build_strategy_module(kernel_, source(), cache()); }
  std::string reason() {
    try {
      built();
    } catch (const Failure& failure) {
      EXPECT_EQ(failure.code(), ExitCode::kSkipped) << failure.what();
      return failure.what();
    }
    return "";
  }
  [[nodiscard]] fs::path build() const { return kernel_.modules_dir / "build"; }
  [[nodiscard]] fs::path source() const { return dir_.path() / "kmod"; }
  [[nodiscard]] fs::path cache() const { return dir_.path() / "cache"; }

  TempDir dir_{fs::temp_directory_path()};
  FetchedKernel kernel_ = {
      .id = "own", .release = kRelease, .modules_dir = dir_.path() / "modules" / kRelease};
};

TEST_F(BuildModule, IsKeptForTheSameSources) {
  const BuiltModule first = built();
  EXPECT_TRUE(first.made_now);
  EXPECT_EQ(first.release, kRelease);
  EXPECT_EQ(read_file(first.path), read_file(source() / "blob"));
  EXPECT_EQ(first.sha256, sha256_of_file(source() / "blob"));
  EXPECT_EQ(first.path.filename(), "faultline.ko");
  EXPECT_FALSE(first.compiler.empty());
  EXPECT_FALSE(fs::exists(source() / "faultline.ko")) << "the sources' folder stays as it was";
  EXPECT_TRUE(nothing_unfinished());

  const BuiltModule second = built();
  EXPECT_FALSE(second.made_now);
  EXPECT_EQ(second.path, first.path);

  write_file(source() / "faultline.c", "int x;\n");
  const BuiltModule other = built();
  EXPECT_TRUE(other.made_now);
  EXPECT_NE(other.path, first.path);

  write_file(build() / "Module.symvers", "other\n");
  EXPECT_TRUE(built().made_now) << "other headers";
}

TEST_F(BuildModule, IsBuiltAnewWhenDamaged) {
  write_file(built().path, "cut short");
  EXPECT_TRUE(built().made_now);
  EXPECT_FALSE(built().made_now);
}

TEST_F(BuildModule, DoesNotSeeTheMakeThatCallsIt) {
  setenv("MAKEFLAGS", "LEAK=1", 1);
  EXPECT_EQ(reason(), "");
  unsetenv("MAKEFLAGS");
}

TEST_F(BuildModule, GivesTheCompilersFirstErrorAsTheReason) {
  write_file(source() / "broken", "");
  EXPECT_EQ(reason(), "no strategy module for 9.9.0-own: faultline.c:3:1: error: broken");
  EXPECT_NE(read_file(cache() / "kmod" / "failed-9.9.0-own.log").find("error: broken"),
            std::string::npos);
  EXPECT_TRUE(nothing_unfinished());
}

TEST_F(BuildModule, RefusesAModuleOfAnotherRelease) {
  write_blob("vermagic=9.9.0-other SMP");
  EXPECT_EQ(reason(), "no strategy module for 9.9.0-own: its headers make modules for 9.9.0-other");
  write_blob("name=faultline");
  EXPECT_NE(reason().find("says no vermagic"), std::string::npos);
}

TEST_F(BuildModule, SaysWhatIsMissing) {
  fs::remove(source() / "Kbuild");
  EXPECT_NE(reason().find("no Kbuild in kmod"), std::string::npos);
  write_file(source() / "Kbuild", "");
  fs::remove(build() / "Module.symvers");
  EXPECT_NE(reason().find("is no folder in which this kernel was built"), std::string::npos);
}

TEST_F(BuildModule, NeedsAFolderThatKbuildTakes) {
  EXPECT_THROW(build_strategy_module(kernel_, source(), dir_.path() / "a b"), Failure);
}

TEST(ModuleSources, PassOverWhatABuildLeft) {
  const TempDir dir(fs::temp_directory_path());
  for (const char* file :
       {"Kbuild", "faultline.c", "faultline.o", "faultline.ko", ".faultline.cmd", "faultline.mod.c",
        "Module.symvers", "modules.order", "sub/compat.h", ".git/HEAD"}) {
    make_dirs((dir.path() / file).parent_path());
    write_file(dir.path() / file, file);
  }
  std::vector<std::string> names;
  for (const auto& [name, content] : module_sources(dir.path())) {
    EXPECT_EQ(name, content);
    names.push_back(name);
  }
  EXPECT_EQ(names, (std::vector<std::string>{"Kbuild", "faultline.c", "sub/compat.h"}));
  EXPECT_TRUE(module_sources("/nonexistent").empty());
}

}  // namespace
}  // namespace faultline
