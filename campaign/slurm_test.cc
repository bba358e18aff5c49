// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/slurm.h"

#include <gtest/gtest.h>

#include "cell/failure.h"
#include "vm/command.h"
#include "vm/files.h"

namespace faultline {
namespace {

namespace fs = std::filesystem;

ArrayJob small_job() {
  return {.command = "/opt/faultline",
          .selection = {"--fs", "ext4", "--strategy", "map_*"},
          .directory = "/share/work",
          .out = "/share/out",
          .tasks = array_tasks(2, {.count = 7, .indices = {4}}),
          .options = {"--partition=short", "--exclusive"},
          .cpus = 4};
}

std::string before_the_tasks_part(const std::string& script) {
  return script.substr(0, script.find("folder=$out"));
}

TEST(JobScript, AsksForATaskPerShardAndForTheAudit) {
  EXPECT_EQ(before_the_tasks_part(job_script(small_job())),
            "#!/bin/bash\n"
            "# Written by `faultline submit`: each task measures a shard of one run, into its own "
            "folder.\n"
            "#SBATCH --job-name=\"faultline\"\n"
            "#SBATCH --array=\"1-3\"\n"
            "#SBATCH --cpus-per-task=\"4\"\n"
            "#SBATCH --chdir=\"/share/work\"\n"
            "#SBATCH --output=\"/share/out/log/%a.%A.txt\"\n"
            "#SBATCH --requeue\n"
            "#SBATCH --open-mode=\"append\"\n"
            "#SBATCH --partition=\"short\"\n"
            "#SBATCH --exclusive\n"
            "faultline=/opt/faultline\n"
            "out=/share/out\n"
            "selection=(--fs ext4 --strategy 'map_*')\n"
            "case $SLURM_ARRAY_TASK_ID in\n"
            "  3) name=audit-1 shard=5/7 ;;\n"
            "  *) name=shard-$SLURM_ARRAY_TASK_ID shard=$SLURM_ARRAY_TASK_ID/2 ;;\n"
            "esac\n");
}

TEST(JobScript, HoldsOddPaths) {
  ArrayJob job = small_job();
  job.out = "/share/it's \"100%\" $HOME";
  job.selection = {"--kernel", "", "--fs", "a b'c"};
  const std::string script = job_script(job);
  EXPECT_NE(script.find("#SBATCH --output=\"/share/it's \\\"100%%\\\" $HOME/log/%a.%A.txt\"\n"),
            std::string::npos)
      << script;
  EXPECT_NE(script.find("out='/share/it'\\''s \"100%\" $HOME'\n"), std::string::npos) << script;
  EXPECT_NE(script.find("selection=(--kernel '' --fs 'a b'\\''c')\n"), std::string::npos) << script;
}

TEST(JobScript, RefusesWhatSbatchCannotBeTold) {
  for (const char* wrong : {"--comment=two\nlines", "--comment=a\\b"}) {
    ArrayJob job = small_job();
    job.options = {wrong};
    EXPECT_THROW(job_script(job), Failure) << wrong;
  }
}

// The script as a node would run it, with a command in faultline's place that says its arguments
// and ends as it is told to.
class TaskOfScript : public testing::Test {
 protected:
  TaskOfScript() : dir_(fs::temp_directory_path(), "faultline-test-"), out_(dir_.path() / "o u't") {
    ArrayJob job = small_job();
    job.command = dir_.path() / "fake";
    job.out = out_;
    write_file(job.command,
               "#!/bin/sh\nprintf '<%s>' \"$@\"\n[ -z \"$RESULT\" ] || touch \"$RESULT\"\n"
               "exit $CODE\n",
               0755);
    write_file(dir_.path() / kScriptName, job_script(job));
  }

  CommandOutput run(const std::string& number, int code) {
    return run_command(
        {"env", "SLURM_ARRAY_TASK_ID=" + number, "SLURM_ARRAY_JOB_ID=17", "SLURM_CPUS_PER_TASK=4",
         "SLURMD_NODENAME=n1", "CODE=" + std::to_string(code),
         "RESULT=" + (folder(number) / "result.json").string(), "bash", dir_.path() / kScriptName});
  }
  [[nodiscard]] fs::path folder(const std::string& number) const {
    return out_ / (number == "3" ? "audit-1" : "shard-" + number);
  }
  [[nodiscard]] std::string anew(const std::string& number) const {
    return "<run><--fs><ext4><--strategy><map_*><--shard><" +
           std::string(number == "3" ? "5/7" : number + "/2") + "><--out><" +
           folder(number).string() + "><--force><--jobs><4><--no-table>";
  }
  [[nodiscard]] std::string resumed(const std::string& number) const {
    return "<run><--resume><" + folder(number).string() + "><--jobs><4><--no-table>";
  }
  [[nodiscard]] std::string end(const std::string& number) const {
    return read_file(folder(number) / kEndName);
  }

 private:
  TempDir dir_;
  fs::path out_;
};

TEST_F(TaskOfScript, MeasuresItsShardAndSaysHowItEnded) {
  for (const char* number : {"1", "2", "3"}) {
    const CommandOutput done = run(number, 0);
    EXPECT_EQ(done.out, anew(number)) << done.error;
    EXPECT_EQ(done.status, 0);
    EXPECT_EQ(end(number), "0 n1 17\n");
  }
}

TEST_F(TaskOfScript, GoesOnWhereItWasCutOff) {
  EXPECT_EQ(run("1", 137).status, 137);
  EXPECT_EQ(end("1"), "137 n1 17\n");
  EXPECT_EQ(run("1", 0).out, resumed("1"));
}

TEST_F(TaskOfScript, BeginsAnewWhereGoingOnWasRefused) {
  run("1", 2);
  EXPECT_EQ(run("1", 2).out, resumed("1"));
  EXPECT_EQ(run("1", 2).out, anew("1"));
  EXPECT_EQ(run("1", 0).out, resumed("1"));
}

TEST_F(TaskOfScript, BeginsAnewAfterAVmThatFailed) {
  EXPECT_EQ(run("2", 69).status, 69);
  EXPECT_EQ(run("2", 0).out, anew("2"));
}

TEST_F(TaskOfScript, IsNoFailedJobWhenCellsFailedOrWereSkipped) {
  EXPECT_EQ(run("1", 1).status, 0);
  EXPECT_EQ(end("1"), "1 n1 17\n");
  EXPECT_EQ(run("2", 77).status, 0);
  EXPECT_EQ(end("2"), "77 n1 17\n");
}

TEST(ArrayList, JoinsNeighbours) {
  EXPECT_EQ(array_list({1}), "1");
  EXPECT_EQ(array_list({1, 2, 3, 7, 9, 10}), "1-3,7,9-10");
}

std::vector<bool> cells(std::size_t count) { return std::vector<bool>(count, true); }

TEST(AuditShards, AreOneCellOfAHundredAndOneAtLeast) {
  // One of each hundred: each shard of a division by 100 is that.
  const AuditShards thousand = audit_shards(cells(1000), 8, 1234);
  EXPECT_EQ(thousand.count, 100U);
  EXPECT_EQ(thousand.indices, std::vector<std::size_t>{34});
  // Of 250, three: the shards before the 50th have three, those from it on two.
  EXPECT_EQ(audit_shards(cells(250), 8, 7).indices, std::vector<std::size_t>{7});
  EXPECT_EQ(audit_shards(cells(250), 8, 60).indices, (std::vector<std::size_t>{60, 61}));
  const AuditShards few = audit_shards(cells(3), 2, 5);
  EXPECT_EQ(few.count, 3U);
  EXPECT_EQ(few.indices, std::vector<std::size_t>{2});
}

TEST(AuditShards, AreNoLongerThanAShard) {
  const AuditShards many = audit_shards(cells(20000), 1000, 999);
  EXPECT_EQ(many.count, 1000U);
  EXPECT_EQ(many.indices, (std::vector<std::size_t>{999, 0, 1, 2, 3, 4, 5, 6, 7, 8}));
}

TEST(AuditShards, AreOfCellsThatAreMeasured) {
  std::vector<bool> measured(10, false);
  measured[3] = true;
  EXPECT_EQ(audit_shards(measured, 2, 8).indices, std::vector<std::size_t>{3});
  EXPECT_TRUE(audit_shards(std::vector<bool>(10, false), 2, 8).indices.empty());
  EXPECT_TRUE(audit_shards({}, 1, 8).indices.empty());
}

TEST(QueuedTasks, AreReadFromWhatSqueuePrints) {
  const auto tasks =
      queued_tasks("17|1|RUNNING|None\n17|2|PENDING|Resources\n18|N/A|RUNNING|None\n\n");
  ASSERT_EQ(tasks.size(), 2U);
  EXPECT_EQ(tasks.at({"17", 1}).state, "RUNNING");
  EXPECT_EQ(tasks.at({"17", 2}).reason, "Resources");
}

TEST(TaskEnd, IsReadOrIsNone) {
  const auto end = task_end("137 n1 17\n");
  ASSERT_TRUE(end);
  EXPECT_EQ(end->code, 137);
  EXPECT_EQ(end->host, "n1");
  EXPECT_EQ(end->job, "17");
  EXPECT_FALSE(task_end(""));
  EXPECT_FALSE(task_end("137 n1"));
}

TaskStands stands(const std::string& state, double unseen_s = 0) {
  return judge_task("17", QueuedTask{.state = state}, std::nullopt, unseen_s).stands;
}

TEST(Task, StandsAsSlurmSaysUntilItHasSaidHowItEnded) {
  EXPECT_EQ(stands("PENDING"), TaskStands::kWaits);
  EXPECT_EQ(stands("REQUEUED"), TaskStands::kWaits);
  EXPECT_EQ(stands("RUNNING", 1000), TaskStands::kRuns);
  EXPECT_EQ(stands("COMPLETING", 1000), TaskStands::kRuns);
  EXPECT_EQ(stands("A_STATE_OF_TOMORROW", 1000), TaskStands::kRuns);
  for (const char* over : {"FAILED", "CANCELLED", "NODE_FAIL", "TIMEOUT", "OUT_OF_MEMORY",
                           "PREEMPTED", "BOOT_FAIL", "DEADLINE"}) {
    EXPECT_EQ(stands(over), TaskStands::kLost) << over;
  }
  EXPECT_EQ(judge_task("17", QueuedTask{.state = "TIMEOUT", .reason = "TimeLimit"}, {}, 0).why,
            "is lost: Slurm says TIMEOUT (TimeLimit)");
}

TEST(Task, ThatIsOverHasAMinuteForItsWordToBeSeen) {
  EXPECT_EQ(stands("COMPLETED", 59), TaskStands::kRuns);
  EXPECT_EQ(stands("COMPLETED", 60), TaskStands::kLost);
  EXPECT_EQ(judge_task("17", std::nullopt, std::nullopt, 59).stands, TaskStands::kRuns);
  const TaskVerdict gone = judge_task("17", std::nullopt, std::nullopt, 60);
  EXPECT_EQ(gone.stands, TaskStands::kLost);
  EXPECT_EQ(gone.why, "is lost: Slurm no longer knows of it");
}

TEST(Task, EndsAsItHasSaid) {
  const auto ended = [](int code, const std::string& job = "17") {
    return judge_task("17", QueuedTask{.state = "RUNNING"}, TaskEnd{code, "n1", job}, 0);
  };
  for (const int code : {0, 1, 77}) EXPECT_EQ(ended(code).stands, TaskStands::kDone) << code;
  EXPECT_EQ(ended(137).stands, TaskStands::kLost);
  EXPECT_EQ(ended(137).why, "was ended by signal 9 on n1");
  EXPECT_EQ(ended(69).why, "had a VM that failed on n1");
  EXPECT_EQ(ended(2).why, "is incomplete, or was refused on n1");
  EXPECT_EQ(ended(127).why, "ended in 127 on n1");
  EXPECT_EQ(ended(0, "16").stands, TaskStands::kRuns) << "an earlier try's";
}

TEST(TasksToTryAgain, AreThoseThatAreLostUpToABound) {
  const std::vector<TaskVerdict> verdicts = {{TaskStands::kLost},  {TaskStands::kDone},
                                             {TaskStands::kLost},  {TaskStands::kRuns},
                                             {TaskStands::kWaits}, {TaskStands::kLost}};
  EXPECT_EQ(tasks_to_try_again(verdicts, {1, 1, 3, 1, 1, 2}, 3), (std::vector<std::size_t>{1, 6}));
  EXPECT_TRUE(tasks_to_try_again(verdicts, {3, 1, 3, 1, 1, 3}, 3).empty());
}

}  // namespace
}  // namespace faultline
