// SPDX-License-Identifier: GPL-2.0-only
#include "vm/command.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "cell/failure.h"
#include "vm/files.h"

namespace faultline {
namespace {

TEST(RunCommand, KeepsOutputErrorAndStatus) {
  const CommandOutput output = run_command({"sh", "-c", "echo out; echo error >&2; exit 3"});
  EXPECT_EQ(output.status, 3);
  EXPECT_EQ(output.out, "out\n");
  EXPECT_EQ(output.error, "error\n");
}

TEST(RunCommand, PassesArgumentsAsTheyAre) {
  EXPECT_EQ(run_command({"printf", "%s|", "a b", "$HOME", ";"}).out, "a b|$HOME|;|");
}

TEST(RunCommand, HasNoInputAndTheCLocale) {
  EXPECT_EQ(run_command({"cat"}).out, "");
  EXPECT_EQ(run_command({"sh", "-c", "echo $LC_ALL"}).out, "C\n");
}

TEST(RunCommand, RunsWhereToldAndWithoutTheVariablesNamed) {
  ::setenv("FAULTLINE_TEST_VARIABLE", "set", 1);
  const CommandOutput output =
      run_command({"sh", "-c", "pwd; echo ${FAULTLINE_TEST_VARIABLE-unset}"},
                  {.directory = "/", .unset_environment = {"FAULTLINE_TEST_VARIABLE"}});
  ::unsetenv("FAULTLINE_TEST_VARIABLE");
  EXPECT_EQ(output.out, "/\nunset\n");
}

TEST(RunCommand, TakesMoreThanAPipeHoldsOnBothSides) {
  const CommandOutput output =
      run_command({"sh", "-c", "head -c 300000 /dev/zero >&2; head -c 300000 /dev/zero"});
  EXPECT_EQ(output.out.size(), 300000U);
  EXPECT_EQ(output.error.size(), 300000U);
}

TEST(RunCommand, TellsASignal) {
  EXPECT_EQ(run_command({"sh", "-c", "kill -TERM $$"}).status, 128 + 15);
}

TEST(RunCommand, NamesAProgramThatIsNotThere) {
  try {
    run_command({"no-such-program-of-faultline"});
    FAIL();
  } catch (const Failure& failure) {
    EXPECT_EQ(failure.code(), ExitCode::kUsage);
    EXPECT_NE(std::string(failure.what()).find("no-such-program-of-faultline"), std::string::npos);
  }
}

class FindProgram : public testing::Test {
 protected:
  void SetUp() override { ::setenv("PATH", dir_.path().c_str(), 1); }
  void TearDown() override { ::setenv("PATH", before_.c_str(), 1); }

  TempDir dir_{std::filesystem::temp_directory_path(), "faultline-test-"};
  const std::string before_ = std::getenv("PATH");
};

TEST_F(FindProgram, LooksThroughPath) {
  write_file(dir_.path() / "mine", "", 0755);
  EXPECT_EQ(find_program("mine"), dir_.path() / "mine");
  EXPECT_EQ(find_program("/a/b"), "/a/b");
  EXPECT_EQ(find_program("no-such-program"), "");
}

TEST_F(FindProgram, LooksInSbinThoughPathLacksIt) {
  EXPECT_EQ(find_program("ldconfig").parent_path().filename(), "sbin");
  EXPECT_EQ(find_program("sh"), "");
}

TEST_F(FindProgram, PassesOverWhatCannotBeRun) {
  write_file(dir_.path() / "text", "", 0644);
  make_dirs(dir_.path() / "folder");
  EXPECT_EQ(find_program("text"), "");
  EXPECT_EQ(find_program("folder"), "");
}

TEST(NotInstalled, NamesThePackage) {
  EXPECT_EQ(not_installed("mksquashfs", "squashfs-tools"),
            "mksquashfs is not installed; install package squashfs-tools (in a source tree, `make "
            "deps` does)");
}

}  // namespace
}  // namespace faultline
