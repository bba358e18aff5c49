// SPDX-License-Identifier: GPL-2.0-only
#include "vm/command.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "cell/failure.h"

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

TEST(NotInstalled, NamesThePackage) {
  EXPECT_EQ(not_installed("mksquashfs", "squashfs-tools"),
            "mksquashfs is not installed; install package squashfs-tools (in a source tree, `make "
            "deps` does)");
}

}  // namespace
}  // namespace faultline
