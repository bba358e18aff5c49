// SPDX-License-Identifier: GPL-2.0-only
#include "harness/subprocess.h"

#include <gtest/gtest.h>

#include "harness/testing.h"

namespace faultline {
namespace {

using Words = std::vector<std::string>;

TEST(Subprocess, KeepsOutputAndExitCode) {
  const CommandResult result = RunCommand({"sh", "-c", "echo out; echo err >&2; exit 3"});
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_EQ(result.output, "out\nerr\n");
  EXPECT_EQ(RunCommand({"true"}).exit_code, 0);
  EXPECT_EQ(RunCommand({"true"}).output, "");
}

TEST(Subprocess, PassesArgumentsAsTheyAre) {
  EXPECT_EQ(RunCommand({"printf", "%s|", "a b", "", "$HOME", "*"}).output, "a b||$HOME|*|");
}

TEST(Subprocess, TakesMoreThanAPipeHolds) {
  EXPECT_EQ(RunCommand({"head", "-c", "300000", "/dev/zero"}).output, std::string(300'000, '\0'));
}

TEST(Subprocess, TellsASignal) {
  EXPECT_EQ(RunCommand({"sh", "-c", "kill -9 $$"}).exit_code, 137);
  EXPECT_EQ(RunCommand({"sh", "-c", "kill -TERM $$"}).exit_code, 143);
}

TEST(Subprocess, NamesAProgramThatIsNotThere) {
  EXPECT_EQ(MessageOf(ExitCode::kVmFailed,
                      [] {
                        RunCommand({"mkfs.nothing", "-V"});
                      }),
            "cannot start mkfs.nothing: No such file or directory");
}

TEST(Subprocess, Words) {
  EXPECT_EQ(SplitWords("mkfs.ext4 -q  -b\t4096\n"), (Words{"mkfs.ext4", "-q", "-b", "4096"}));
  EXPECT_EQ(SplitWords(""), Words{});
  EXPECT_EQ(SplitWords("  "), Words{});
}

TEST(Subprocess, FirstLines) {
  EXPECT_EQ(FirstLine("one\ntwo\n"), "one");
  EXPECT_EQ(FirstLine("one"), "one");
  EXPECT_EQ(FirstLine("\ntwo"), "");
  EXPECT_EQ(FirstLine(""), "");
}

}  // namespace
}  // namespace faultline
