// SPDX-License-Identifier: GPL-2.0-only
// A run as a job array of Slurm's: the script, what its tasks' states mean, and which cells are
// measured twice. Nothing here calls Slurm; campaign/submission.cc does.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace faultline {

// One task of the array: a shard, or an audit, which measures cells of other tasks again.
struct ArrayTask {
  std::string name;   // of its folder
  std::string shard;  // I/N, as `run --shard` takes it
  bool audit = false;
};

struct ArrayJob {
  std::string command;                    // faultline, by its path
  std::vector<std::string> selection;     // options of `run`
  std::string directory;                  // where tasks run: what the selection names is below it
  std::string out;                        // absolute, on a file system that all nodes share
  std::vector<ArrayTask> tasks;           // numbered from 1 on
  std::vector<std::string> options = {};  // of sbatch, as --partition=short
  unsigned cpus = 1;                      // of a task
};

// Folders and files below OUT; each task has a folder of its name.
inline constexpr char kScriptName[] = "job.sh";
inline constexpr char kLogFolder[] = "log";
inline constexpr char kEndName[] = "end";

// The script for sbatch. Failure(kUsage) for a path or option that no directive of sbatch can hold.
std::string job_script(const ArrayJob& job);

// A word for a POSIX shell, in quotes where it needs any.
std::string shell_word(const std::string& word);

// "1-3,7" for numbers that rise, as `sbatch --array` takes them.
std::string array_list(const std::vector<std::size_t>& numbers);

// Which shards of which division are measured a second time: as many as it takes for one in a
// hundred of the cells that can be measured, and one at least. Each of these shards is as long as
// one of the `shards`, or shorter. `measured` says of each cell whether it can be, in the order by
// which shards are divided. `draw` is any number, and says where to begin.
struct AuditShards {
  std::size_t count = 1;
  std::vector<std::size_t> indices = {};  // from 0 on
};
AuditShards audit_shards(const std::vector<bool>& measured, std::size_t shards, std::size_t draw);

// The tasks of a run in so many shards: first the shards, then the audits.
std::vector<ArrayTask> array_tasks(std::size_t shards, const AuditShards& audits);

// What Slurm says of a task, by `squeue`.
struct QueuedTask {
  std::string state;
  std::string reason = {};
};
// Prints lines that queued_tasks() reads.
inline constexpr char kQueueFormat[] = "%F|%K|%T|%r";
// Reads what Slurm lists. The tasks are by job, and number in its array.
std::map<std::pair<std::string, std::size_t>, QueuedTask> queued_tasks(const std::string& listing);

// What a task has written of its end.
struct TaskEnd {
  int code = 0;
  std::string host;
  std::string job;
};
std::optional<TaskEnd> task_end(const std::string& text);

enum class TaskStands { kWaits, kRuns, kDone, kLost };
struct TaskVerdict {
  TaskStands stands = TaskStands::kWaits;
  std::string why = {};  // of one that is lost
};
// How a task of `job` stands. `unseen_s`: for how many seconds Slurm has not named it, or called it
// completed.
TaskVerdict judge_task(const std::string& job, const std::optional<QueuedTask>& queued,
                       const std::optional<TaskEnd>& end, double unseen_s);

// Numbers of the tasks, from 1 on, that are lost and have been tried fewer than `most` times.
std::vector<std::size_t> tasks_to_try_again(const std::vector<TaskVerdict>& verdicts,
                                            const std::vector<unsigned>& tried, unsigned most);

}  // namespace faultline
