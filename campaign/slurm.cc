// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/slurm.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <csignal>
#include <cstring>
#include <sstream>

#include "cell/failure.h"
#include "vm/command.h"

namespace faultline {
namespace {

// How long a file of a node may take to be seen here: NFS believes for a minute that there is none.
constexpr double kShareDelay = 60;
constexpr std::size_t kAuditedOf = 100;

// A line for sbatch. It undoes the quotes as a shell would, and knows no variables.
std::string directive(const std::string& option) {
  if (option.find_first_of("\n\\") != std::string::npos) {
    throw Failure(ExitCode::kUsage,
                  fmt::format("{}: sbatch takes neither a line's end nor a backslash in it; give a "
                              "path, or an option, without",
                              option.substr(0, option.find_first_of("=\n\\"))));
  }
  const std::size_t equals = option.find('=');
  if (equals == std::string::npos) return fmt::format("#SBATCH {}\n", option);
  std::string value;
  for (const char c : option.substr(equals + 1)) value += c == '"' ? "\\\"" : std::string(1, c);
  return fmt::format("#SBATCH {}=\"{}\"\n", option.substr(0, equals), value);
}

// A path in which sbatch replaces nothing.
std::string literal_path(const std::string& path) {
  std::string text;
  for (const char c : path) text += c == '%' ? "%%" : std::string(1, c);
  return text;
}

struct StateRow {
  std::string_view name;
  TaskStands stands;  // kLost: over; the task has written how it ended, or was lost
};
// The states of squeue(1), in its order. One that is not here is of a task that Slurm still has.
constexpr std::array<StateRow, 24> kStates = {{
    {.name = "BOOT_FAIL", .stands = TaskStands::kLost},
    {.name = "CANCELLED", .stands = TaskStands::kLost},
    {.name = "COMPLETED", .stands = TaskStands::kDone},
    {.name = "CONFIGURING", .stands = TaskStands::kWaits},
    {.name = "COMPLETING", .stands = TaskStands::kRuns},
    {.name = "DEADLINE", .stands = TaskStands::kLost},
    {.name = "FAILED", .stands = TaskStands::kLost},
    {.name = "NODE_FAIL", .stands = TaskStands::kLost},
    {.name = "OUT_OF_MEMORY", .stands = TaskStands::kLost},
    {.name = "PENDING", .stands = TaskStands::kWaits},
    {.name = "PREEMPTED", .stands = TaskStands::kLost},
    {.name = "RUNNING", .stands = TaskStands::kRuns},
    {.name = "RESV_DEL_HOLD", .stands = TaskStands::kWaits},
    {.name = "REQUEUE_FED", .stands = TaskStands::kWaits},
    {.name = "REQUEUE_HOLD", .stands = TaskStands::kWaits},
    {.name = "REQUEUED", .stands = TaskStands::kWaits},
    {.name = "RESIZING", .stands = TaskStands::kRuns},
    {.name = "REVOKED", .stands = TaskStands::kLost},
    {.name = "SIGNALING", .stands = TaskStands::kRuns},
    {.name = "SPECIAL_EXIT", .stands = TaskStands::kWaits},
    {.name = "STAGE_OUT", .stands = TaskStands::kRuns},
    {.name = "STOPPED", .stands = TaskStands::kRuns},
    {.name = "SUSPENDED", .stands = TaskStands::kWaits},
    {.name = "TIMEOUT", .stands = TaskStands::kLost},
}};

TaskStands stands_by(const std::string& state) {
  const auto* const row = std::find_if(kStates.begin(), kStates.end(),
                                       [&](const StateRow& one) { return one.name == state; });
  return row == kStates.end() ? TaskStands::kRuns : row->stands;
}

// A task that ended so is not tried again: a failed cell fails anywhere, and a skipped one too.
bool is_final(int code) {
  return code == static_cast<int>(ExitCode::kPass) ||
         code == static_cast<int>(ExitCode::kRegression) ||
         code == static_cast<int>(ExitCode::kSkipped);
}

std::string words_of_end(const TaskEnd& end) {
  constexpr int kSignalled = 128;
  const std::string how = end.code > kSignalled && end.code < kSignalled + NSIG
                              ? fmt::format("was ended by signal {}", end.code - kSignalled)
                          : end.code == static_cast<int>(ExitCode::kVmFailed)
                              ? std::string("had a VM that failed")
                          : end.code == static_cast<int>(ExitCode::kUsage)
                              ? std::string("is incomplete, or was refused")
                              : fmt::format("ended in {}", end.code);
  return fmt::format("{} on {}", how, end.host);
}

std::vector<std::string> words_in(const std::string& text, char between) {
  std::vector<std::string> words;
  std::istringstream in(text);
  for (std::string word; std::getline(in, word, between);) words.push_back(word);
  return words;
}

template <typename Number>
std::optional<Number> number_in(const std::string& text) {
  Number number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && stop == end ? std::optional(number) : std::nullopt;
}

// Where a task goes on and how it says that it has ended. A result that is there was left by a try
// that was cut off, and is gone on with: unless that was refused before, or holds rows that a
// broken VM has failed, which `--resume` would keep.
constexpr char kTaskEnd[] = R"(folder=$out/$name
mkdir -p "$folder" || exit
rm -f "$folder/end"
if [ -e "$folder/result.json" ] && [ ! -e "$folder/anew" ]; then
  how=resume
  "$faultline" run --resume "$folder" --jobs "$SLURM_CPUS_PER_TASK" --no-table
else
  how=anew
  rm -f "$folder/anew"
  "$faultline" run "${selection[@]}" --shard "$shard" --out "$folder" --force \
    --jobs "$SLURM_CPUS_PER_TASK" --no-table
fi
code=$?
case $how$code in resume2 | *69) touch "$folder/anew" ;; esac
echo "$code ${SLURMD_NODENAME:-$(hostname)} $SLURM_ARRAY_JOB_ID" >"$folder/end.new"
mv "$folder/end.new" "$folder/end"
# Failed or skipped cells are a result too: nothing of it is left to do.
case $code in 1 | 77) exit 0 ;; esac
exit "$code"
)";

}  // namespace

std::string shell_word(const std::string& word) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=:,./@%";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  return shell_quoted(word);
}

std::string job_script(const ArrayJob& job) {
  std::string text =
      "#!/bin/bash\n"
      "# Written by `faultline submit`: each task measures a shard of one run, into its own "
      "folder.\n";
  std::vector<std::string> options = {
      "--job-name=faultline", fmt::format("--array=1-{}", job.tasks.size()),
      fmt::format("--cpus-per-task={}", job.cpus), "--chdir=" + job.directory,
      fmt::format("--output={}/{}/%a.%A.txt", literal_path(job.out), kLogFolder),
      // What a node's failure cuts off is put back by Slurm itself, and writes on in the same log.
      "--requeue", "--open-mode=append"};
  options.insert(options.end(), job.options.begin(), job.options.end());
  for (const std::string& option : options) text += directive(option);
  text += fmt::format("faultline={}\nout={}\nselection=(", shell_word(job.command),
                      shell_word(job.out));
  const char* between = "";
  for (const std::string& word : job.selection) {
    text += between + shell_word(word);
    between = " ";
  }
  text += ")\ncase $SLURM_ARRAY_TASK_ID in\n";
  std::string shards;
  for (std::size_t i = 0; i < job.tasks.size(); ++i) {
    const ArrayTask& task = job.tasks[i];
    if (task.audit) {
      text += fmt::format("  {}) name={} shard={} ;;\n", i + 1, task.name, task.shard);
    } else {
      shards = task.shard.substr(task.shard.find('/'));
    }
  }
  text += fmt::format(
      "  *) name=shard-$SLURM_ARRAY_TASK_ID shard=$SLURM_ARRAY_TASK_ID{} ;;\nesac\n", shards);
  return text + kTaskEnd;
}

std::string array_list(const std::vector<std::size_t>& numbers) {
  std::vector<std::string> ranges;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const std::size_t first = numbers[i];
    while (i + 1 < numbers.size() && numbers[i + 1] == numbers[i] + 1) ++i;
    ranges.push_back(numbers[i] == first ? fmt::format("{}", first)
                                         : fmt::format("{}-{}", first, numbers[i]));
  }
  return fmt::format("{}", fmt::join(ranges, ","));
}

AuditShards audit_shards(const std::vector<bool>& measured, std::size_t shards, std::size_t draw) {
  AuditShards audits;
  audits.count = std::clamp<std::size_t>(std::max(shards, kAuditedOf), 1,
                                         std::max<std::size_t>(measured.size(), 1));
  std::vector<std::size_t> of_shard(audits.count);
  for (std::size_t i = 0; i < measured.size(); ++i)
    of_shard[i % audits.count] += measured[i] ? 1 : 0;
  const auto all = static_cast<std::size_t>(std::count(measured.begin(), measured.end(), true));
  const std::size_t wanted = (all + kAuditedOf - 1) / kAuditedOf;
  std::size_t found = 0;
  for (std::size_t i = 0; i < audits.count && found < wanted; ++i) {
    const std::size_t index = (draw + i) % audits.count;
    if (of_shard[index] == 0) continue;
    found += of_shard[index];
    audits.indices.push_back(index);
  }
  return audits;
}

std::vector<ArrayTask> array_tasks(std::size_t shards, const AuditShards& audits) {
  std::vector<ArrayTask> tasks;
  for (std::size_t i = 1; i <= shards; ++i) {
    tasks.push_back({.name = fmt::format("shard-{}", i), .shard = fmt::format("{}/{}", i, shards)});
  }
  for (std::size_t i = 0; i < audits.indices.size(); ++i) {
    tasks.push_back({.name = fmt::format("audit-{}", i + 1),
                     .shard = fmt::format("{}/{}", audits.indices[i] + 1, audits.count),
                     .audit = true});
  }
  return tasks;
}

std::map<std::pair<std::string, std::size_t>, QueuedTask> queued_tasks(const std::string& listing) {
  std::map<std::pair<std::string, std::size_t>, QueuedTask> tasks;
  for (const std::string& line : words_in(listing, '\n')) {
    const std::vector<std::string> words = words_in(line, '|');
    if (words.size() < 3) continue;
    const auto number = number_in<std::size_t>(words[1]);
    if (!number) continue;  // of a job that is no array
    tasks[{words[0], *number}] = {.state = words[2], .reason = words.size() > 3 ? words[3] : ""};
  }
  return tasks;
}

std::optional<TaskEnd> task_end(const std::string& text) {
  std::istringstream in(text);
  TaskEnd end;
  if (!(in >> end.code >> end.host >> end.job)) return std::nullopt;
  return end;
}

TaskVerdict judge_task(const std::string& job, const std::optional<QueuedTask>& queued,
                       const std::optional<TaskEnd>& end, double unseen_s) {
  // Another job's end is that of an earlier try.
  if (end && end->job == job) {
    if (is_final(end->code)) return {.stands = TaskStands::kDone};
    return {.stands = TaskStands::kLost, .why = words_of_end(*end)};
  }
  if (queued) {
    const TaskStands stands = stands_by(queued->state);
    if (stands == TaskStands::kLost) {
      return {.stands = TaskStands::kLost,
              .why = fmt::format("is lost: Slurm says {}{}", queued->state,
                                 queued->reason.empty() || queued->reason == "None"
                                     ? ""
                                     : fmt::format(" ({})", queued->reason))};
    }
    if (stands != TaskStands::kDone) return {.stands = stands};
  }
  if (unseen_s < kShareDelay) return {.stands = TaskStands::kRuns};
  return {.stands = TaskStands::kLost,
          .why = queued ? "has ended and left no word in its folder: do all nodes share it?"
                        : "is lost: Slurm no longer knows of it"};
}

std::vector<std::size_t> tasks_to_try_again(const std::vector<TaskVerdict>& verdicts,
                                            const std::vector<unsigned>& tried, unsigned most) {
  std::vector<std::size_t> numbers;
  for (std::size_t i = 0; i < verdicts.size(); ++i) {
    if (verdicts[i].stands == TaskStands::kLost && tried[i] < most) numbers.push_back(i + 1);
  }
  return numbers;
}

}  // namespace faultline
