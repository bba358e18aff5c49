// SPDX-License-Identifier: GPL-2.0-only
// `faultline submit` on a real Slurm of this machine alone (tools/slurm-loopback), with real
// guests.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <future>
#include <iterator>
#include <thread>

#include "campaign/testing.h"
#include "vm/test_support.h"

namespace faultline {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLoopback = FAULTLINE_SOURCE_DIR "/tools/slurm-loopback";
constexpr std::chrono::seconds kPatience{300};

bool wait_until(const std::function<bool()>& is_so) {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (!is_so()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return true;
}

std::size_t ok_rows(const fs::path& result) {
  const nlohmann::json rows = read_rows(result);
  return static_cast<std::size_t>(std::count_if(
      rows.begin(), rows.end(), [](const nlohmann::json& row) { return row["status"] == "ok"; }));
}

// The `faultline run` that writes into a folder; 0: none runs.
pid_t run_into(const std::string& folder) {
  for (const fs::directory_entry& entry : fs::directory_iterator("/proc")) {
    std::ifstream in(entry.path() / "cmdline");
    const std::string line{std::istreambuf_iterator<char>(in), {}};
    if (line.starts_with(FAULTLINE_COMMAND) && line.find(folder) != std::string::npos &&
        line.find("--shard") != std::string::npos) {
      return std::stoi(entry.path().filename());
    }
  }
  return 0;
}

class SlurmLoopback : public testing::Test {
 protected:
  void SetUp() override {
    const CommandOutput started = run_command({kLoopback, "start", cluster_});
    if (started.status == static_cast<int>(ExitCode::kSkipped)) GTEST_SKIP() << started.error;
    ASSERT_EQ(started.status, 0) << started.error;
    runs_ = true;
  }
  void TearDown() override {
    if (!runs_) return;
    const CommandOutput stopped = run_command({kLoopback, "stop", cluster_});
    EXPECT_EQ(stopped.status, 0) << stopped.error;
    EXPECT_FALSE(fs::exists(cluster_));
  }

  [[nodiscard]] CommandOutput slurm(const std::vector<std::string>& words) const {
    std::vector<std::string> argv = {kLoopback, "run", cluster_};
    argv.insert(argv.end(), words.begin(), words.end());
    return run_command(argv);
  }
  [[nodiscard]] std::vector<std::string> selected(const std::string& verb,
                                                  const std::string& seeds) const {
    return {verb,      "--fs",         "ext4",    "--strategy", "volatile,map_sync",
            "--state", "hole,written", "--seeds", seeds};
  }
  [[nodiscard]] CommandOutput submit(const std::string& seeds, const std::vector<std::string>& more,
                                     const std::vector<std::string>& before = {}) const {
    std::vector<std::string> argv = before;
    argv.emplace_back(FAULTLINE_COMMAND);
    for (const std::string& word : selected("submit", seeds)) argv.push_back(word);
    argv.insert(argv.end(), {"--engine", "slurm", "--out", out_});
    argv.insert(argv.end(), more.begin(), more.end());
    return slurm(argv);
  }

  const Scratch scratch_;
  const std::string cluster_ = scratch_ / "cluster";
  const std::string out_ = scratch_ / "it's out";

 private:
  bool runs_ = false;
};

TEST_F(SlurmLoopback, AKilledTaskAndADrainedNodeChangeNothing) {
  ASSERT_EQ(slurm({"scontrol", "update", "nodename=two", "state=drain", "reason=test"}).status, 0);
  auto submitted = std::async(std::launch::async, [&] { return submit("8", {"--tasks", "2"}); });
  // Where it is killed something of it must have been kept, and something be left to do.
  const std::string first = out_ + "/shard-1";
  ASSERT_TRUE(wait_until([&] { return ok_rows(first + "/result.json") > 0; }));
  EXPECT_LT(ok_rows(first + "/result.json"), 32U);
  const pid_t task = run_into(first);
  ASSERT_NE(task, 0);
  ASSERT_EQ(kill(task, SIGKILL), 0);
  ASSERT_EQ(slurm({"scontrol", "update", "nodename=two", "state=resume"}).status, 0);
  const CommandOutput done = submitted.get();
  ASSERT_EQ(done.status, 0) << done.error;
  const std::string said = "shard-1 was ended by signal 9 on one; again, as job ";
  const std::size_t at = done.error.find(said);
  ASSERT_NE(at, std::string::npos) << done.error;
  const int again = std::atoi(done.error.c_str() + at + said.size());
  EXPECT_NE(
      done.out.find("3 tasks on one, two\nmeasured twice, with the same figures: 1 of 4 cells\n"),
      std::string::npos)
      << done.out;
  EXPECT_NE(
      read_file(fmt::format("{}/log/1.{}.txt", out_, again)).find(" of 32 lives are there already"),
      std::string::npos);

  std::vector<std::string> plain = selected("run", "8");
  plain.insert(plain.end(), {"--out", scratch_ / "plain", "--no-table"});
  ASSERT_EQ(faultline_command(plain).status, 0);
  const CommandOutput hash = faultline_command({"hash", scratch_ / "plain"});
  EXPECT_EQ(faultline_command({"hash", out_}).out, hash.out);
  EXPECT_TRUE(done.out.ends_with(hash.out)) << done.out;
}

TEST_F(SlurmLoopback, AnInterruptLeavesTheTasksAndAnAuditThatFailsNamesBothNodes) {
  const CommandOutput left =
      submit("1", {"--tasks", "2"}, {"timeout", "--preserve-status", "--signal=INT", "3"});
  EXPECT_EQ(left.status, 2) << left.error;
  EXPECT_NE(left.error.find("the others go on; `faultline submit --follow '"), std::string::npos)
      << left.error;
  EXPECT_NE(left.error.find("`scancel 1` ends them"), std::string::npos) << left.error;
  const std::vector<std::string> follow = {FAULTLINE_COMMAND, "submit", "--follow", out_};
  const CommandOutput followed = slurm(follow);
  ASSERT_EQ(followed.status, 0) << followed.error;

  // Other tasks' figures are kept: only what is merged is made anew.
  const std::string audit = out_ + "/audit-1/result.json";
  nlohmann::json result = read_json(audit);
  nlohmann::json& row = result["benchmarks"][0];
  row["faults"] = row["faults"].get<int>() + 1;
  write_file(audit, result.dump());
  const CommandOutput differs = slurm(follow);
  EXPECT_EQ(differs.status, 1) << differs.out;
  const std::string said =
      fmt::format("faultline: {} seed 0 has one faults on ", row["cell"].get<std::string>());
  EXPECT_NE(differs.error.find(said), std::string::npos) << differs.error;
  const std::string host = read_file(out_ + "/audit-1/end").substr(2, 3);
  EXPECT_NE(differs.error.find(fmt::format(" and another on {} (", host)), std::string::npos)
      << differs.error;
}

TEST_F(SlurmLoopback, ATaskThatFailsEachTimeEndsTheRunAndNamesItsLog) {
  const CommandOutput done =
      submit("1", {"--tasks", "1", "--tries", "2", "--quiet", "--cell-deadline", "0.01"});
  EXPECT_EQ(done.status, 69) << done.error;
  EXPECT_NE(done.error.find("shard-1 had a VM that failed on "), std::string::npos) << done.error;
  const std::size_t at = done.error.find(out_ + "/log/1.");
  ASSERT_NE(at, std::string::npos) << done.error;
  EXPECT_TRUE(fs::exists(done.error.substr(at, done.error.find('\n', at) - at))) << done.error;
  EXPECT_NE(done.error.find("have failed 2 times"), std::string::npos) << done.error;
}

TEST_F(SlurmLoopback, WhatSlurmRefusesItSaysItself) {
  const CommandOutput done = submit("1", {"--partition", "nope"});
  EXPECT_EQ(done.status, 2);
  EXPECT_EQ(done.error,
            "faultline: sbatch: error: invalid partition specified: nope; sbatch: error: Batch job "
            "submission failed: Invalid partition name specified\n");
  EXPECT_FALSE(fs::exists(out_));
}

}  // namespace
}  // namespace faultline
