// SPDX-License-Identifier: GPL-2.0-only
// `faultline run --on host` on this machine's own disk, through the page cache.
#include "campaign/host_process.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "campaign/testing.h"
#include "cell/plan.h"

namespace faultline {
namespace {

namespace fs = std::filesystem;

TEST(CellEnds, AreJudged) {
  EXPECT_TRUE(judge_cell({.done = true}).ok());
  const GuestOutcome crash = judge_cell({.signal = SIGSEGV, .output = "a\n\nlast words\n"});
  EXPECT_EQ(crash.message, "the cell's process died of signal 11 (Segmentation fault)");
  EXPECT_EQ(crash.exit_code, ExitCode::kRegression);
  EXPECT_EQ(crash.console_tail, (std::vector<std::string>{"a", "last words"}));
  EXPECT_NE(judge_cell({.signal = SIGBUS}).message.find("is the file system full"),
            std::string::npos);
  EXPECT_EQ(judge_cell({.cancelled = true, .signal = SIGKILL}).verdict, Verdict::kCancelled);
  EXPECT_EQ(judge_cell({.overdue_s = 3, .signal = SIGKILL}).message,
            "hang: not ended within 3 s (--cell-deadline)");
  EXPECT_EQ(judge_cell({.exit_code = 2, .fail = R"({"message": "no room"})"}).message, "no room");
  EXPECT_EQ(judge_cell({.exit_code = 2, .fail = "garbage"}).message, "garbage");
  EXPECT_EQ(judge_cell({.exit_code = 127, .output = "no libfmt\n"}).message,
            "the cell's process ended with 127: no libfmt");
  EXPECT_FALSE(judge_cell({.exit_code = 0, .done = false}).ok()) << "it ended before its time";
}

// A folder with something of the user's in it, and a run in it.
class OnTheHost : public testing::Test {
 protected:
  void SetUp() override {
    make_dirs(dir_);
    write_file(dir_ + "/precious", "do not touch");
  }

  // After each test, whatever happened.
  void TearDown() override {
    size_t entries = 0;
    for (const auto& entry : fs::directory_iterator(dir_)) {
      EXPECT_EQ(entry.path().filename(), "precious") << "left behind";
      ++entries;
    }
    EXPECT_EQ(entries, 1U);
    EXPECT_EQ(read_file(dir_ + "/precious"), "do not touch");
    expect_no_process();
  }

  // No process works in the folder any more.
  void expect_no_process() const {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator("/proc", ignored)) {
      std::ifstream in(entry.path() / "cmdline");
      std::string line;
      std::getline(in, line);
      EXPECT_EQ(line.find(dir_), std::string::npos) << line;
    }
  }

  [[nodiscard]] std::vector<std::string> arguments(const std::vector<std::string>& more) const {
    std::vector<std::string> all = {
        "run",   "--on",          "host", "--dir", dir_, "--no-table", "--allow-page-cache",
        "--out", scratch_ / "out"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  [[nodiscard]] CommandOutput run(const std::vector<std::string>& more,
                                  const std::vector<std::string>& before = {}) const {
    return faultline_command(arguments(more), before);
  }
  [[nodiscard]] nlohmann::json result() const { return read_json(scratch_ / "out/result.json"); }

  const Scratch scratch_;
  const std::string dir_ = scratch_ / "dir";
};

TEST_F(OnTheHost, RefusesAFolderThatIsNotOnDax) {
  const CommandOutput output = faultline_command(
      {"run", "--on", "host", "--dir", dir_, "--strategy", "volatile", "--out", scratch_ / "out"});
  if (output.status == 0) GTEST_SKIP() << "this folder is on DAX";
  EXPECT_EQ(output.status, 2);
  EXPECT_NE(output.error.find("not on DAX"), std::string::npos) << output.error;
  EXPECT_NE(output.error.find("--allow-page-cache"), std::string::npos);
  EXPECT_NE(output.error.find(dir_), std::string::npos);
  EXPECT_EQ(std::count(output.error.begin(), output.error.end(), '\n'), 1) << output.error;
  EXPECT_FALSE(fs::exists(scratch_ / "out/result.json"));
}

TEST_F(OnTheHost, MeasuresThroughThePageCacheWhenTold) {
  const CommandOutput output = run({"--strategy", "volatile,fsync:8,pwrite,map_sync", "--state",
                                    "hole", "--touches", "23", "--probes", "off"});
  ASSERT_EQ(output.status, 0) << output.error;
  const nlohmann::json all = result();
  const nlohmann::json& context = all["context"];
  utsname name{};
  uname(&name);
  EXPECT_EQ(context["on"], "host");
  EXPECT_EQ(context["accel"], "none");
  EXPECT_EQ(context["unit"], "ns");
  EXPECT_EQ(context["complete"], true);
  EXPECT_EQ(context["kernels"]["host"]["release"], name.release);
  EXPECT_EQ(context["file_systems"].size(), 1U);
  ASSERT_EQ(all["benchmarks"].size(), 4U);
  for (const nlohmann::json& row : all["benchmarks"]) {
    if (row["strategy"] == "map_sync" && row["status"] == "skipped") {
      EXPECT_EQ(row["reason"], "map_sync needs MAP_SYNC, which only a DAX mapping has");
      continue;
    }
    EXPECT_EQ(row["status"], "ok") << row["reason"];
    EXPECT_EQ(row["faults"], row["strategy"] == "pwrite" ? 0 : 23);
    EXPECT_GT(row["per_page"], 0);
    EXPECT_TRUE(row["life"].is_null());
    const nlohmann::json& counters = row["counters"];
    EXPECT_EQ(counters["reason"] == "", counters["instructions"].is_number() &&
                                            counters["cycles"].is_number() &&
                                            counters["dtlb_load_misses"].is_number());
  }
  const CommandOutput table = faultline_command({"table", scratch_ / "out"});
  EXPECT_EQ(table.status, 0) << table.error << "the schema holds";
  EXPECT_NE(table.out.find("on the running kernel"), std::string::npos) << table.out;
}

TEST_F(OnTheHost, ProbesThatCannotBeAreSkippedWithTheReasonAndTheTwinsRun) {
  const CommandOutput output =
      run({"--strategy", "volatile", "--state", "hole", "--touches", "23", "--probes", "on"});
  ASSERT_EQ(output.status, 0) << output.error;
  for (const nlohmann::json& row : result()["benchmarks"]) {
    if (row["probes"] == "on" && row["status"] != "ok") {
      EXPECT_EQ(row["status"], "skipped");
      EXPECT_EQ(row["reason"].get<std::string>().find("no probe"), 0U) << row["reason"];
    } else {
      EXPECT_EQ(row["status"], "ok") << row["reason"];
    }
  }
}

TEST_F(OnTheHost, ACrashIsOneCellsFailure) {
  const CommandOutput output = run({"--strategy", "volatile", "--state", "hole", "--touches", "16",
                                    "--probes", "off", "--workload", "first_touch,selftest_crash"});
  EXPECT_EQ(output.status, 1) << output.error;
  for (const nlohmann::json& row : result()["benchmarks"]) {
    if (row["workload"] == "first_touch") {
      EXPECT_EQ(row["status"], "ok") << row["reason"];
    } else {
      EXPECT_EQ(row["status"], "failed");
      EXPECT_EQ(row["reason"], "the cell's process died of signal 11 (Segmentation fault)");
    }
  }
}

TEST_F(OnTheHost, WhatFailsForOneReasonIsToldOnceAndCounted) {
  const CommandOutput output =
      run({"--strategy", "volatile", "--state", "hole,written", "--touches", "16", "--probes",
           "off", "--workload", "selftest_crash"});
  EXPECT_EQ(output.status, 1) << output.error;
  const std::string reason = "the cell's process died of signal 11 (Segmentation fault)";
  std::size_t told = 0;
  for (std::size_t at = output.error.find("t1/off: " + reason); at != std::string::npos;
       at = output.error.find("t1/off: " + reason, at + 1)) {
    ++told;
  }
  EXPECT_EQ(told, 1U) << output.error;
  EXPECT_NE(output.error.find("2 rows failed so: " + reason), std::string::npos) << output.error;
}

TEST_F(OnTheHost, AHangEndsAtItsDeadline) {
  const CommandOutput output = run({"--strategy", "volatile", "--state", "hole", "--probes", "off",
                                    "--workload", "selftest_hang", "--cell-deadline", "2"});
  EXPECT_EQ(output.status, 1) << output.error;
  EXPECT_EQ(result()["benchmarks"][0]["reason"], "hang: not ended within 2 s (--cell-deadline)");
}

// Planned and not run: on the machine that runs the tests these would be the end of it.
TEST_F(OnTheHost, WhatHarmsTheMachineIsSkipped) {
  const std::vector<PlannedCell> cells =
      plan_cells({.patterns = {{"fs", {"ext4-nodax"}},
                               {"strategy", {"volatile"}},
                               {"state", {"written"}},
                               {"workload", {"selftest_panic", "selftest_oom", "bystander"}},
                               {"touch", {"freeze"}}},
                  .wall = true},
                 {}, {.place = HostPlace{.where = "/"}});
  ASSERT_EQ(cells.size(), 4U) << "a contest has two settings";
  for (const PlannedCell& cell : cells) {
    const std::string& skip = cell.skip;
    EXPECT_TRUE(skip.find("brings the kernel down") != std::string::npos ||
                skip.find("stops the whole file system") != std::string::npos ||
                skip == "needs --accel tcg-icount")
        << skip;
  }
}

TEST_F(OnTheHost, CtrlCLeavesNothingAndKeepsWhatWasMeasured) {
  const CommandOutput output =
      run({"--strategy", "volatile", "--state", "hole", "--touches", "16", "--probes", "off",
           "--workload", "first_touch,selftest_hang"},
          {"timeout", "--preserve-status", "--foreground", "-s", "INT", "10"});
  EXPECT_EQ(output.status, 2) << output.error;
  const nlohmann::json all = result();
  EXPECT_EQ(all["context"]["complete"], false);
  for (const nlohmann::json& row : all["benchmarks"]) {
    EXPECT_EQ(row["status"], row["workload"] == "first_touch" ? "ok" : "incomplete");
  }
}

TEST_F(OnTheHost, AProcessBesideTheCellEndsWithIt) {
  const CommandOutput output = run({"--strategy", "volatile", "--state", "hole", "--touches", "16",
                                    "--probes", "off", "--workload", "copy_beside"});
  EXPECT_EQ(output.status, 0) << output.error;
}

TEST_F(OnTheHost, TheRunsFolderVanishes) {
  const CommandOutput output =
      run({"--strategy", "volatile,fsync:1,msync:1", "--state", "hole", "--touches", "100",
           "--probes", "off", "--workload", "paced"},
          {"bash", "-c", "(sleep 1; rm -rf \"$0\"/faultline-*) & \"$@\"", dir_});
  EXPECT_EQ(output.status, 1) << output.error;
  const nlohmann::json all = result();
  EXPECT_EQ(all["context"]["complete"], true);
  const nlohmann::json& last = all["benchmarks"].back();
  EXPECT_EQ(last["status"], "failed");
  EXPECT_NE(last["reason"].get<std::string>().find("No such file or directory"), std::string::npos)
      << last["reason"];
}

TEST_F(OnTheHost, NoRoomForTheResult) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to mount a tmpfs";
  const std::string full = scratch_ / "out";
  make_dirs(full);
  ASSERT_EQ(::mount("none", full.c_str(), "tmpfs", 0, "size=4k"), 0);
  const CommandOutput output =
      run({"--strategy", "volatile,fsync", "--state", "hole", "--touches", "16"});
  EXPECT_EQ(::umount(full.c_str()), 0);
  EXPECT_EQ(output.status, 69) << output.error;
  EXPECT_NE(output.error.find("No space left"), std::string::npos) << output.error;
}

TEST_F(OnTheHost, TheMountGoesAway) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to mount a tmpfs";
  ASSERT_EQ(::mount("none", dir_.c_str(), "tmpfs", 0, "size=16m"), 0);
  const CommandOutput output = run({"--strategy", "volatile,fsync:1,msync:1", "--state", "hole",
                                    "--touches", "100", "--probes", "off", "--workload", "paced"},
                                   {"bash", "-c", "(sleep 1; umount -l \"$0\") & \"$@\"", dir_});
  EXPECT_EQ(output.status, 1) << output.error;
  // What is there instead is another file system: nothing may be made on it.
  EXPECT_EQ(result()["benchmarks"].back()["status"], "failed");
}

// A small file system of its own at the folder, until the end of the test.
class SmallMount : public OnTheHost {
 protected:
  void SetUp() override {
    OnTheHost::SetUp();
    if (geteuid() != 0) GTEST_SKIP() << "needs root to mount a tmpfs";
    mounted_ = ::mount("none", dir_.c_str(), "tmpfs", 0, "size=512k") == 0;
    ASSERT_TRUE(mounted_);
  }
  void TearDown() override {
    if (mounted_) {
      EXPECT_TRUE(fs::is_empty(dir_));
      EXPECT_EQ(::umount(dir_.c_str()), 0) << "nothing has it open";
    }
    OnTheHost::TearDown();
  }
  bool mounted_ = false;
};

TEST_F(SmallMount, IsFull) {
  const CommandOutput output = run({"--strategy", "volatile", "--state", "hole,unwritten",
                                    "--touches", "512", "--probes", "off"});
  EXPECT_EQ(output.status, 1) << output.error;
  const nlohmann::json rows = result()["benchmarks"];
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0]["reason"],
            "the cell's process died of signal 7 (Bus error); a store found no block: is the file "
            "system full, or gone?");
  EXPECT_EQ(rows[1]["status"], "failed");
  EXPECT_NE(rows[1]["reason"].get<std::string>().find("No space left on device; fewer touches"),
            std::string::npos)
      << rows[1]["reason"];
}

TEST_F(SmallMount, IsReadOnly) {
  ASSERT_EQ(::mount("none", dir_.c_str(), "", MS_REMOUNT | MS_RDONLY, nullptr), 0);
  const CommandOutput output = run({"--strategy", "volatile"});
  EXPECT_EQ(output.status, 2) << output.error;
  EXPECT_NE(output.error.find("Read-only file system"), std::string::npos) << output.error;
  EXPECT_EQ(std::count(output.error.begin(), output.error.end(), '\n'), 1) << output.error;
}

struct BadUse {
  std::vector<std::string> arguments;
  const char* said;
};
class BadUses : public testing::TestWithParam<BadUse> {};

TEST_P(BadUses, AreRefused) {
  const Scratch scratch;
  std::vector<std::string> arguments = {"run", "--out", scratch / "out"};
  const BadUse& bad = GetParam();
  arguments.insert(arguments.end(), bad.arguments.begin(), bad.arguments.end());
  const CommandOutput output = faultline_command(arguments);
  EXPECT_EQ(output.status, 2) << output.error;
  EXPECT_NE((output.error + output.out).find(bad.said), std::string::npos) << output.error;
  EXPECT_FALSE(fs::exists(scratch / "out/result.json"));
}

INSTANTIATE_TEST_SUITE_P(
    Host, BadUses,
    testing::Values(
        BadUse{{"--on", "host"}, "--on host needs --dir"},
        BadUse{{"--dir", "/tmp"}, "go with --on host"},
        BadUse{{"--allow-page-cache"}, "go with --on host"}, BadUse{{"--on", "mars"}, "--on"},
        BadUse{{"--on", "host", "--dir", "/no/such/folder"}, "/no/such/folder"},
        BadUse{{"--on", "host", "--dir", "/proc/version"}, "is no folder"},
        BadUse{{"--on", "host", "--dir", "/proc"}, "--dir: "},
        BadUse{{"--on", "host", "--dir", "/tmp", "--fs", "ext4"}, "--fs: of a VM"},
        BadUse{{"--on", "host", "--dir", "/tmp", "--kernel", "all", "--accel", "kvm"},
               "--kernel, --accel"},
        BadUse{{"--on", "host", "--dir", "/tmp", "--allow-page-cache", "--strategy", "mapsync"},
               "did you mean map_sync"}));

}  // namespace
}  // namespace faultline
