// SPDX-License-Identifier: GPL-2.0-only
// The crash test in real guests: promises kept, promises not made, and losses that were planted,
// which it must find.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <sstream>

#include "cell/failure.h"
#include "cli/crash_testing.h"

namespace faultline {
namespace {

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
    EXPECT_EQ(test["model"], "px86");
    EXPECT_GE(test["images"], 6);
    EXPECT_EQ(test["recovery"]["fsck_clean"], test["images"]);
    EXPECT_LE(test["classes"], test["images"]);
    EXPECT_EQ(test["recovery"]["unmountable"], 0);
  }
  EXPECT_EQ(ran.tests[0]["strategy"], "volatile");
  EXPECT_EQ(ran.tests[0]["promised"]["pages"], 0);
  EXPECT_GT(ran.tests[0]["unpromised"]["pages"], 100);
  EXPECT_EQ(ran.tests[0]["unpromised"]["survived"], 0) << "it is lost until something is synced";
  EXPECT_EQ(ran.tests[1]["strategy"], "map_sync");
  EXPECT_EQ(ran.tests[1]["promises"], "data and size, after the store");
  EXPECT_GT(ran.tests[1]["promised"]["pages"], 100);
  EXPECT_EQ(ran.tests[1]["promised"]["size"], ran.tests[1]["images"]);
  EXPECT_EQ(ran.tests[1]["promised"]["mtime"], 0);
  for (std::istringstream lines(ran.output.out + ran.output.error); lines;) {
    std::string line;
    std::getline(lines, line);
    EXPECT_LE(line.size(), 80U) << line;
  }
}

// Its file may not grow once the flag is set: an unwritten one has its size beforehand.
TEST(CrashTestInAGuest, AFileWhoseMapIsFrozenMayBeUnwritten) {
  const Scratch scratch;
  const Ran ran =
      crashtest({"--strategy", "daxfile", "--fs", "ext4", "--points", "3"}, scratch / "a");
  ASSERT_EQ(ran.output.status, 0) << ran.output.error;
  ASSERT_EQ(ran.tests.size(), 1U);
  EXPECT_EQ(ran.tests[0]["state"], "unwritten");
  EXPECT_EQ(ran.tests[0]["status"], "ok");
  EXPECT_EQ(lost_of(ran.tests[0]), 0);
  EXPECT_GT(ran.tests[0]["promised"]["pages"], 50);
  EXPECT_EQ(ran.tests[0]["promised"]["size"], ran.tests[0]["images"]);
}

// As an end before the end leaves it: the one test is done, the other is not.
TEST(CrashTestInAGuest, GoesOnWithWhatWasInterrupted) {
  const Scratch scratch;
  const std::string out = scratch / "a";
  const Ran whole =
      crashtest({"--strategy", "volatile,map_sync", "--fs", "ext4", "--points", "3"}, out);
  ASSERT_EQ(whole.output.status, 0) << whole.output.error;
  const CommandOutput complete = faultline_command({"crashtest", "--resume", out});
  EXPECT_EQ(complete.status, 2);
  EXPECT_NE(complete.error.find("the crashtest is complete"), std::string::npos) << complete.error;

  nlohmann::json half = read_json(out + "/crashtest.json");
  half["context"]["complete"] = false;
  // A mark, by which it is seen that this one is not tested again.
  half["tests"][0]["promises"] = "tested before";
  half["tests"][1]["status"] = "incomplete";
  half["tests"][1]["checked"] = 1;
  write_file(out + "/crashtest.json", half.dump());
  const CommandOutput rest = faultline_command({"crashtest", "--resume", out});
  ASSERT_EQ(rest.status, 0) << rest.error;
  EXPECT_NE(rest.error.find("1 of 2 tests are there already"), std::string::npos) << rest.error;
  const nlohmann::json result = read_json(out + "/crashtest.json");
  EXPECT_EQ(result["context"]["complete"], true);
  EXPECT_EQ(result["context"]["command_line"], half["context"]["command_line"]);
  EXPECT_EQ(result["tests"][0], half["tests"][0]);
  EXPECT_EQ(result["tests"][1], whole.tests[1]);

  const CommandOutput mixed = faultline_command({"crashtest", "--resume", out, "--fs", "xfs"});
  EXPECT_EQ(mixed.status, 2);
  EXPECT_NE(mixed.error.find("--fs: --resume takes the options that the crashtest had"),
            std::string::npos)
      << mixed.error;
  half["context"]["kernels"]["bookworm"]["vmlinuz_sha256"] = "of another";
  write_file(out + "/crashtest.json", half.dump());
  const CommandOutput other = faultline_command({"crashtest", "--resume", out});
  EXPECT_EQ(other.status, 2);
  EXPECT_NE(other.error.find("was measured with another kernel bookworm"), std::string::npos)
      << other.error;
}

// A writer that promises what MAP_SYNC does over a mapping without it.
TEST(CrashTestInAGuest, ASkippedSyncIsFoundAndItsPointRunsAgain) {
  const Scratch scratch;
  const Ran ran = crashtest({"--strategy", "map_sync", "--fs", "ext4", "--points", "4", "--seed",
                             "5", "--plant", "skip_sync", "--images", "1"},
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
            "--model px86 --points 4 --seed 5 --point 2 --image 0 --images 1 --plant skip_sync "
            "--out point-2");
  EXPECT_NE(ran.output.error.find("seed 5: page"), std::string::npos) << ran.output.error;
  EXPECT_NE(ran.output.error.find("--point 0 --image 0"), std::string::npos) << ran.output.error;

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
    EXPECT_LT(test["lost"]["pages"], 20 * test["images"].get<int>() / 6)
        << test["fs"] << ": what that record held, and no more";
  }
}

// A writer that leaves out its write-backs, or the fence behind them: found by no model but px86.
TEST(CrashTestInAGuest, AFlushOrAFenceThatIsLeftOutIsFound) {
  const Scratch scratch;
  for (const char* plant : {"skip_flush", "skip_fence"}) {
    const Ran ran =
        crashtest({"--strategy", "map_sync", "--fs", "ext4", "--points", "4", "--plant", plant},
                  scratch / "a");
    EXPECT_EQ(ran.output.status, static_cast<int>(ExitCode::kRegression)) << ran.output.error;
    ASSERT_EQ(ran.tests.size(), 1U);
    EXPECT_GT(ran.tests[0]["lost"]["pages"], 0) << plant;
    EXPECT_EQ(ran.tests[0]["lost"]["size"], 0) << plant << ": the metadata are there";
  }
  const Ran refused = crashtest({"--strategy", "map_sync", "--fs", "ext4", "--points", "4",
                                 "--plant", "skip_flush", "--model", "order"},
                                scratch / "c");
  EXPECT_EQ(refused.output.status, static_cast<int>(ExitCode::kUsage));
  EXPECT_NE(refused.output.error.find("cannot find it"), std::string::npos) << refused.output.error;
}

// Images that recovery cannot tell apart come to what each would have come to alone, whose file the
// guest has read through the file system. FAULTLINE_TEST_POINTS: of more points than usual.
TEST(CrashTestInAGuest, ClassesAndBruteForceGiveTheSameVerdict) {
  const Scratch scratch;
  const char* const points = std::getenv("FAULTLINE_TEST_POINTS");
  const std::vector<std::string> what = {"--strategy", "map_sync", "--fs",
                                         "ext4,xfs",   "--points", points != nullptr ? points : "8",
                                         "--images",   "6"};
  const Ran classes = crashtest(what, scratch / "a");
  std::vector<std::string> every = what;
  every.emplace_back("--brute");
  const Ran brute = crashtest(every, scratch / "b");
  ASSERT_EQ(classes.tests.size(), 2U);
  ASSERT_EQ(brute.tests.size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    nlohmann::json one = classes.tests[i];
    nlohmann::json other = brute.tests[i];
    EXPECT_EQ(other["classes"], other["images"]);
    EXPECT_LT(one["classes"], one["images"]) << one["fs"];
    one.erase("classes");
    other.erase("classes");
    EXPECT_EQ(one, other);
  }
}

// Every flush and fence left out once, the writer's own among them.
TEST(CrashTestInAGuest, EachFlushThatIsLeftOutIsFoundOrRedundant) {
  const Scratch scratch;
  const Ran ran = crashtest(
      {"--strategy", "map_sync", "--fs", "ext4,xfs", "--points", "2", "--mutate", "flushes"},
      scratch / "a");
  ASSERT_EQ(ran.output.status, 0) << ran.output.error;
  ASSERT_EQ(ran.tests.size(), 2U);
  for (const nlohmann::json& test : ran.tests) {
    const nlohmann::json& mutants = test.at("mutants");
    EXPECT_EQ(mutants["survived"], 0) << test["fs"] << mutants;
    EXPECT_EQ(mutants["score"], 1.0);
    EXPECT_GE(mutants["killed"], 4) << "the writer's clwb and fence, the kernel's copy and fence";
    EXPECT_EQ(mutants["sites"].get<int>(),
              mutants["killed"].get<int>() + mutants["redundant"].get<int>());
    for (const nlohmann::json& one : mutants["redundancies"]) {
      EXPECT_NE(one["function"], "the writer") << one;
    }
  }
}

// A loss as a mail, an image and a script, none of which a point without a loss leaves.
TEST(CrashTestInAGuest, ALossIsReported) {
  const Scratch scratch;
  const std::vector<std::string> what = {"--strategy", "map_sync", "--fs", "ext4",     "--points",
                                         "4",          "--seed",   "5",    "--report", "2"};
  std::vector<std::string> planted = what;
  planted.insert(planted.end(), {"--plant", "skip_sync"});
  const Ran lost = crashtest(planted, scratch / "a");
  ASSERT_EQ(lost.output.status, static_cast<int>(ExitCode::kRegression)) << lost.output.error;
  const std::string text = read_file(scratch / "a/point-2.txt");
  EXPECT_NE(text.find("--point 2 "), std::string::npos) << text;
  EXPECT_NE(text.find("point-2.img.gz"), std::string::npos) << text;
  EXPECT_EQ(run_command({"gzip", "-t", scratch / "a/point-2.img.gz"}).status, 0);
  EXPECT_EQ(run_command({"sh", "-n", scratch / "a/point-2.sh"}).status, 0);

  const Ran kept = crashtest(what, scratch / "b");
  EXPECT_EQ(kept.output.status, 0) << kept.output.error;
  EXPECT_FALSE(std::filesystem::exists(scratch / "b/point-2.txt"));
}

// Without a plant nothing is lost, in many images.
TEST(CrashTestInAGuest, TwoThousandImagesLoseNothing) {
  const Scratch scratch;
  const Ran ran = crashtest(
      {"--strategy", "map_sync,fsync:8", "--fs", "ext4", "--points", "45", "--images", "50"},
      scratch / "a");
  ASSERT_EQ(ran.output.status, 0) << ran.output.error;
  int images = 0;
  for (const nlohmann::json& test : ran.tests) {
    images += test["images"].get<int>();
    EXPECT_EQ(lost_of(test), 0) << test;
  }
  EXPECT_GE(images, 2000);
}

// XFS syncs what was dirty before a MAP_SYNC fault, and puts the fault's own copy of a shared block
// into the file after that (docs/reports/xfs-mapsync-reflink.txt); a sync behind the fault is
// right.
TEST(CrashTestInAGuest, ASharedBlockIsWhereMapSyncLoses) {
  const Scratch scratch;
  const Ran ran = crashtest({"--strategy", "map_sync,sync_fault", "--fs", "xfs-reflink", "--state",
                             "shared", "--points", "8", "--images", "4"},
                            scratch / "a");
  EXPECT_EQ(ran.output.status, static_cast<int>(ExitCode::kRegression)) << ran.output.error;
  ASSERT_EQ(ran.tests.size(), 2U);
  for (const nlohmann::json& test : ran.tests) {
    const bool map_sync = test["strategy"] == "map_sync";
    EXPECT_EQ(test["status"], map_sync ? "failed" : "ok") << test;
    EXPECT_EQ(lost_of(test) > 0, map_sync) << test;
  }
}

}  // namespace
}  // namespace faultline
