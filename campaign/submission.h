// SPDX-License-Identifier: GPL-2.0-only
// A job array of Slurm's that was submitted into a folder: which job each of its tasks is in, and
// following them until all have ended. sbatch and squeue do the work; campaign/slurm.h says what
// they are given and what they say.
#pragma once

#include <atomic>
#include <filesystem>
#include <string>
#include <vector>

#include "campaign/slurm.h"

namespace faultline {

inline constexpr char kSlurm[] = "slurm";
inline constexpr char kSubmitName[] = "submit.json";

// The job that a task is in, as OUT/submit.json has it.
struct SubmittedTask {
  ArrayTask task;
  std::string job;
};
void write_submitted(const std::filesystem::path& out, const std::vector<SubmittedTask>& tasks);
// Failure(kUsage) for a folder into which nothing was submitted.
std::vector<SubmittedTask> read_submitted(const std::filesystem::path& out);

// The path of a program of Slurm's; Failure(kUsage), with the package, where it is not installed.
std::string slurm_program(const std::string& name);

// Submits OUT/job.sh, all of it or the tasks of these numbers; the job's id. Failure(kUsage) with
// what sbatch says when it refuses.
std::string submit_script(const std::filesystem::path& out,
                          const std::vector<std::size_t>& numbers = {});

struct FollowWish {
  std::filesystem::path out;
  std::vector<SubmittedTask> tasks;
  unsigned tries = 1;  // of each task
  unsigned tried = 0;  // of them, before
  bool quiet = false;
  const std::atomic<bool>* interrupted = nullptr;
};
// A task that has measured its shard.
struct DoneTask {
  SubmittedTask submitted;
  TaskEnd end;
};
// Follows the tasks, with progress, and tries those that fail or are lost again; all of them, in
// order. Failure: kUsage for one that is followed already, when interrupted, and when tasks are
// lost for good, which is kVmFailed if a VM was why. The tasks themselves go on, or are kept.
std::vector<DoneTask> follow(FollowWish wish);

}  // namespace faultline
