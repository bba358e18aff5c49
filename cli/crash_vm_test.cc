// SPDX-License-Identifier: GPL-2.0-only
// The crash test in real guests: promises kept, promises not made, and losses that were planted,
// which it must find.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <sstream>

#include "campaign/testing.h"
#include "cell/failure.h"

namespace faultline {
namespace {

struct Ran {
  CommandOutput output;
  nlohmann::json tests;
};

Ran crashtest(std::vector<std::string> arguments, const std::string& out) {
  arguments.insert(arguments.begin(), "crashtest");
  arguments.insert(arguments.end(), {"--out", out, "--force"});
  Ran ran;
  ran.output = faultline_command(arguments);
  const nlohmann::json result = read_json(out + "/crashtest.json");
  if (result.is_object()) ran.tests = result.value("tests", nlohmann::json());
  return ran;
}

int lost_of(const nlohmann::json& test) {
  int sum = 0;
  for (const auto& [name, count] : test.at("lost").items()) sum += count.get<int>();
  return sum;
}

TEST(CrashTestInAGuest, PromisesAreKeptAndTheRestIsLost) {
  const Scratch scratch;
  const Ran ran = crashtest({"--strategy", "volatile,map_sync", "--fs", "ext4", "--points", "6"},
                            scratch / "a");
  ASSERT_EQ(ran.output.status, 0) << ran.output.error;
  ASSERT_EQ(ran.tests.size(), 2U);
  for (const nlohmann::json& test : ran.tests) {
    EXPECT_EQ(test["status"], "ok") << test;
    EXPECT_EQ(test["checked"], 6);
    EXPECT_EQ(lost_of(test), 0);
    EXPECT_EQ(test["recovery"]["fsck_clean"], 6);
    EXPECT_EQ(test["recovery"]["unmountable"], 0);
  }
  EXPECT_EQ(ran.tests[0]["strategy"], "volatile");
  EXPECT_EQ(ran.tests[0]["promised"]["pages"], 0);
  EXPECT_GT(ran.tests[0]["unpromised"]["pages"], 100);
  EXPECT_EQ(ran.tests[0]["unpromised"]["survived"], 0) << "it is lost until something is synced";
  EXPECT_EQ(ran.tests[1]["strategy"], "map_sync");
  EXPECT_EQ(ran.tests[1]["promises"], "data and size, after the store");
  EXPECT_GT(ran.tests[1]["promised"]["pages"], 100);
  EXPECT_EQ(ran.tests[1]["promised"]["size"], 6);
  EXPECT_EQ(ran.tests[1]["promised"]["mtime"], 0);
  for (std::istringstream lines(ran.output.out + ran.output.error); lines;) {
    std::string line;
    std::getline(lines, line);
    EXPECT_LE(line.size(), 80U) << line;
  }
}

// A writer that promises what MAP_SYNC does over a mapping without it.
TEST(CrashTestInAGuest, ASkippedSyncIsFoundAndItsPointRunsAgain) {
  const Scratch scratch;
  const Ran ran = crashtest({"--strategy", "map_sync", "--fs", "ext4", "--points", "4", "--seed",
                             "5", "--plant", "skip_sync"},
                            scratch / "a");
  ASSERT_EQ(ran.output.status, static_cast<int>(ExitCode::kRegression)) << ran.output.error;
  const nlohmann::json& test = ran.tests.at(0);
  EXPECT_EQ(test["status"], "failed");
  // All that was promised, since nothing is ever synced.
  EXPECT_EQ(test["lost"]["pages"], test["promised"]["pages"]);
  EXPECT_EQ(test["lost"]["size"], 4);
  ASSERT_EQ(test["failures"].size(), 4U);
  const nlohmann::json& failure = test["failures"][2];
  const auto command = failure["command"].get<std::string>();
  EXPECT_EQ(command,
            "faultline crashtest --kernel bookworm --fs ext4 --strategy map_sync --state hole "
            "--points 4 --seed 5 --point 2 --plant skip_sync --out point-2");
  EXPECT_NE(ran.output.error.find("seed 5: page"), std::string::npos) << ran.output.error;
  EXPECT_NE(ran.output.error.find("--point 0 --plant"), std::string::npos) << ran.output.error;

  std::vector<std::string> arguments;
  std::istringstream words(command.substr(0, command.find(" --out")));
  for (std::string word; words >> word;) arguments.push_back(word);
  arguments.erase(arguments.begin(), arguments.begin() + 2);
  const Ran again = crashtest(arguments, scratch / "b");
  EXPECT_EQ(again.output.status, static_cast<int>(ExitCode::kRegression)) << again.output.error;
  ASSERT_EQ(again.tests.at(0)["failures"].size(), 1U);
  EXPECT_EQ(again.tests.at(0)["failures"][0], failure) << "the same instant, the same loss";
  EXPECT_EQ(again.tests.at(0)["stores"], test["stores"]);
  EXPECT_TRUE(std::filesystem::exists(scratch / "b/point-2.img"));
}

TEST(CrashTestInAGuest, ADroppedLogRecordIsFound) {
  const Scratch scratch;
  const Ran ran = crashtest(
      {"--strategy", "map_sync", "--fs", "ext4,xfs", "--points", "6", "--plant", "drop_commit"},
      scratch / "a");
  ASSERT_EQ(ran.output.status, static_cast<int>(ExitCode::kRegression)) << ran.output.error;
  ASSERT_EQ(ran.tests.size(), 2U);
  for (const nlohmann::json& test : ran.tests) {
    EXPECT_EQ(test["status"], "failed") << test["fs"];
    EXPECT_GT(lost_of(test), 0) << test["fs"];
    EXPECT_LT(test["lost"]["pages"], 20) << test["fs"] << ": what that record held, and no more";
  }
}

}  // namespace
}  // namespace faultline
