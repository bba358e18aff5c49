// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/program_image.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "campaign/testing.h"
#include "cell/failure.h"
#include "harness/wire.h"

namespace faultline {
namespace {

std::string why_not(const std::string& run) {
  try {
    program_words(run);
  } catch (const Failure& failure) {
    EXPECT_EQ(failure.code(), ExitCode::kUsage);
    return failure.what();
  }
  return "";
}

TEST(ProgramImage, TheFirstWordIsAProgram) {
  EXPECT_EQ(program_words(" /bin/sh  -c x "), (std::vector<std::string>{"/bin/sh", "-c", "x"}));
  EXPECT_EQ(why_not("  "), "--run: names no program");
  EXPECT_EQ(why_not("/nowhere/x"),
            "--run: /nowhere/x is no program that can be run; give its path");
  EXPECT_EQ(why_not("/tmp"), "--run: /tmp is no program that can be run; give its path");
  EXPECT_EQ(why_not("/etc/passwd"),
            "--run: /etc/passwd is no program that can be run; give its path");
}

// Its libraries lie apart from those of the guest's tools, and its loader has a name that says so.
TEST(ProgramImage, BringsItsLoaderAndLibraries) {
  const ImageExtras extras = program_in_image("/bin/sh");
  const auto has = [&](const std::string& path) {
    return std::count_if(extras.files.begin(), extras.files.end(), [&](const ImageFile& file) {
      return file.path == path && std::filesystem::exists(file.source);
    });
  };
  EXPECT_EQ(has(wire::kCrashProgram), 1);
  EXPECT_EQ(has(wire::kCrashLoader), 1);
  EXPECT_EQ(has("/program/lib/libc.so.6"), 1);
  EXPECT_EQ(extras.files.size(), 3U);
}

TEST(ProgramImage, WhatIsNoExecutableIsRefused) {
  const Scratch scratch;
  const std::string script = scratch / "script";
  std::ofstream(script) << "#!/bin/sh\n";
  std::filesystem::permissions(script, std::filesystem::perms::owner_all);
  EXPECT_THROW(program_in_image(script), Failure);
}

}  // namespace
}  // namespace faultline
