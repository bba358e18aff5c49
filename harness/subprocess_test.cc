// SPDX-License-Identifier: GPL-2.0-only
#include "harness/subprocess.h"

#include <gtest/gtest.h>

#include "harness/testing.h"

namespace faultline {
namespace {

using Words = std::vector<std::string>;

TEST(Subprocess, KeepsOutputAndExitCode) {
  const CommandResult result = run_command({"sh", "-c", "echo out; echo err >&2; exit 3"});
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_EQ(result.output, "out\nerr\n");
  EXPECT_EQ(run_command({"true"}).exit_code, 0);
  EXPECT_EQ(run_command({"true"}).output, "");
}

TEST(Subprocess, PassesArgumentsAsTheyAre) {
  EXPECT_EQ(run_command({"printf", "%s|", "a b", "", "$HOME", "*"}).output, "a b||$HOME|*|");
}

TEST(Subprocess, TakesMoreThanAPipeHolds) {
  EXPECT_EQ(run_command({"head", "-c", "300000", "/dev/zero"}).output, std::string(300'000, '\0'));
}

TEST(Subprocess, TellsASignal) {
  EXPECT_EQ(run_command({"sh", "-c", "kill -9 $$"}).exit_code, 137);
  EXPECT_EQ(run_command({"sh", "-c", "kill -TERM $$"}).exit_code, 143);
}

TEST(Subprocess, NamesAProgramThatIsNotThere) {
  EXPECT_EQ(message_of(ExitCode::kVmFailed,
                       [] {
                         run_command({"mkfs.nothing", "-V"});
                       }),
            "cannot start mkfs.nothing: No such file or directory");
}

}  // namespace
}  // namespace faultline
