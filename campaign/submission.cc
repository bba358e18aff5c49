// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/submission.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <thread>

#include "campaign/progress.h"
#include "campaign/result.h"
#include "cell/failure.h"
#include "vm/command.h"
#include "vm/files.h"

namespace faultline {

namespace fs = std::filesystem;

namespace {

// Lines as one.
std::string in_one_line(const std::string& text) {
  std::string line;
  for (const char c : text) line += c == '\n' ? std::string("; ") : std::string(1, c);
  while (line.ends_with("; ")) line.resize(line.size() - 2);
  return line;
}

}  // namespace

void write_submitted(const fs::path& out, const std::vector<SubmittedTask>& tasks) {
  nlohmann::json written = nlohmann::json::array();
  for (const SubmittedTask& one : tasks) {
    written.push_back({{"name", one.task.name},
                       {"shard", one.task.shard},
                       {"audit", one.task.audit},
                       {"job", one.job}});
  }
  write_document(out / kSubmitName, {{"engine", kSlurm}, {"tasks", std::move(written)}});
}

std::vector<SubmittedTask> read_submitted(const fs::path& out) {
  std::ifstream in(out / kSubmitName);
  std::vector<SubmittedTask> tasks;
  try {
    const nlohmann::json submitted = nlohmann::json::parse(in);
    for (const nlohmann::json& one : submitted.at("tasks")) {
      tasks.push_back(
          {.task = {.name = one.at("name"), .shard = one.at("shard"), .audit = one.at("audit")},
           .job = one.at("job")});
    }
  } catch (const nlohmann::json::exception&) {
    throw Failure(ExitCode::kUsage,
                  fmt::format("--follow {}: holds no {}, which `faultline submit --out` writes",
                              out.string(), kSubmitName));
  }
  return tasks;
}

std::string slurm_program(const std::string& name) {
  const fs::path found = find_program(name);
  if (found.empty()) {
    throw Failure(ExitCode::kUsage,
                  fmt::format("{} is not installed; install package slurm-client, or submit from "
                              "a login node of the cluster (--print writes the script anywhere)",
                              name));
  }
  return found.string();
}

std::string submit_script(const fs::path& out, const std::vector<std::size_t>& numbers) {
  std::vector<std::string> argv = {slurm_program("sbatch"), "--parsable"};
  if (!numbers.empty()) argv.push_back("--array=" + array_list(numbers));
  argv.push_back((out / kScriptName).string());
  const CommandOutput said = run_command(argv);
  // "JOB" or "JOB;CLUSTER".
  std::string job = said.out.substr(0, said.out.find_first_of(";\n"));
  if (said.status != 0 || job.empty()) {
    throw Failure(ExitCode::kUsage,
                  in_one_line(said.error.empty() ? "sbatch gave no job's id" : said.error));
  }
  return job;
}

namespace {

class Following {
 public:
  explicit Following(FollowWish wish)
      : wish_(std::move(wish)),
        tried_(wish_.tasks.size(), wish_.tried),
        last_seen_(wish_.tasks.size(), Clock::now()),
        verdicts_(wish_.tasks.size()),
        ends_(wish_.tasks.size()),
        progress_(wish_.quiet) {}

  std::vector<DoneTask> to_the_end();

 private:
  using Clock = std::chrono::steady_clock;

  void look();
  void say_why_they_wait(const std::set<std::string>& reasons);
  void try_again();
  [[nodiscard]] bool over() const;
  [[nodiscard]] bool wait();
  [[nodiscard]] std::size_t count(TaskStands stands) const;
  [[noreturn]] void say_interrupted() const;
  [[noreturn]] void say_lost() const;

  FollowWish wish_;
  std::vector<unsigned> tried_;
  std::vector<Clock::time_point> last_seen_;  // under way, by Slurm
  std::vector<TaskVerdict> verdicts_;
  std::vector<std::optional<TaskEnd>> ends_;
  std::set<std::string> said_;  // why tasks wait
  bool unanswered_ = false;
  ProgressLine progress_;
  Clock::time_point begin_ = Clock::now();
};

std::size_t Following::count(TaskStands stands) const {
  return static_cast<std::size_t>(
      std::count_if(verdicts_.begin(), verdicts_.end(),
                    [&](const TaskVerdict& verdict) { return verdict.stands == stands; }));
}

void Following::look() {
  // Ended ones too, which Slurm remembers for some minutes; no accounting is needed for that.
  const CommandOutput said = run_command({slurm_program("squeue"), "--me", "--array", "--noheader",
                                          "--states=all", "--format", kQueueFormat});
  const bool answered = said.status == 0;
  if (!answered && !unanswered_ && !*wish_.interrupted) {
    progress_.say(in_one_line(said.error) + "; asking again");
  }
  unanswered_ = !answered;
  const auto queue = queued_tasks(said.out);
  const Clock::time_point now = Clock::now();
  std::set<std::string> reasons;
  std::vector<std::size_t> ended;
  for (std::size_t i = 0; i < wish_.tasks.size(); ++i) {
    if (verdicts_[i].stands == TaskStands::kDone) continue;
    std::ifstream in(wish_.out / wish_.tasks[i].task.name / kEndName);
    ends_[i] = task_end({std::istreambuf_iterator<char>(in), {}});
    const auto found = queue.find({wish_.tasks[i].job, i + 1});
    const auto queued = found == queue.end() ? std::nullopt : std::optional(found->second);
    const double unseen = std::chrono::duration<double>(now - last_seen_[i]).count();
    // If Slurm gave no answer, nothing is known of tasks that have not said how they ended.
    verdicts_[i] = judge_task(wish_.tasks[i].job, queued, ends_[i], answered ? unseen : 0);
    const bool under_way = queued && queued->state != "COMPLETED";
    if (!answered || under_way) last_seen_[i] = now;
    if (verdicts_[i].stands == TaskStands::kWaits) reasons.insert(queued->reason);
    if (verdicts_[i].stands == TaskStands::kDone) ended.push_back(i);
  }
  say_why_they_wait(reasons);
  for (const std::size_t i : ended) {
    progress_.step(fmt::format("{} on {}; {} run, {} wait", wish_.tasks[i].task.name,
                               ends_[i]->host, count(TaskStands::kRuns),
                               count(TaskStands::kWaits)));
  }
}

// What a user may have to act upon: not that others are before him.
void Following::say_why_they_wait(const std::set<std::string>& reasons) {
  static const std::set<std::string> kUsual = {"",         "None",      "Resources",
                                               "Priority", "BeginTime", "Cleaning"};
  for (const std::string& reason : reasons) {
    if (kUsual.contains(reason) || !said_.insert(reason).second) continue;
    progress_.say(fmt::format("tasks wait; Slurm's reason: {}", reason));
  }
}

void Following::try_again() {
  const std::vector<std::size_t> numbers = tasks_to_try_again(verdicts_, tried_, wish_.tries);
  if (numbers.empty()) return;
  const std::string job = submit_script(wish_.out, numbers);
  for (const std::size_t number : numbers) {
    const std::size_t i = number - 1;
    progress_.say(fmt::format("{} {}; again, as job {}_{}", wish_.tasks[i].task.name,
                              verdicts_[i].why, job, number));
    wish_.tasks[i].job = job;
    ++tried_[i];
    last_seen_[i] = Clock::now();
    verdicts_[i] = {};
  }
  write_submitted(wish_.out, wish_.tasks);
}

bool Following::over() const {
  return count(TaskStands::kRuns) == 0 && count(TaskStands::kWaits) == 0;
}

// Waits until it is time to ask again: a controller that serves a whole cluster is not asked every
// second for hours. False when the user has had enough.
bool Following::wait() {
  const double elapsed = std::chrono::duration<double>(Clock::now() - begin_).count();
  const auto until = Clock::now() + std::chrono::duration<double>(std::min(15.0, 1 + elapsed / 20));
  while (Clock::now() < until && !*wish_.interrupted) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return !*wish_.interrupted;
}

std::vector<DoneTask> Following::to_the_end() {
  const auto lock = FileLock::try_lock(wish_.out / "follow.lock");
  if (!lock) {
    throw Failure(ExitCode::kUsage, fmt::format("{}: another `faultline submit` follows it already",
                                                wish_.out.string()));
  }
  progress_.start(wish_.tasks.size());
  for (look();; look()) {
    if (*wish_.interrupted) say_interrupted();
    try_again();
    if (over()) break;
    if (!wait()) say_interrupted();
  }
  if (count(TaskStands::kLost) != 0) say_lost();
  std::vector<DoneTask> done;
  for (std::size_t i = 0; i < wish_.tasks.size(); ++i) {
    done.push_back({.submitted = wish_.tasks[i], .end = *ends_[i]});
  }
  return done;
}

void Following::say_interrupted() const {
  std::set<std::string> jobs;
  for (std::size_t i = 0; i < wish_.tasks.size(); ++i) {
    if (verdicts_[i].stands != TaskStands::kDone) jobs.insert(wish_.tasks[i].job);
  }
  const std::string out = shell_word(wish_.out.string());
  throw Failure(
      ExitCode::kUsage,
      fmt::format("interrupted: {} of {} tasks are done, the others go on; `faultline "
                  "submit --follow {}` follows them again, `scancel {}` ends them",
                  count(TaskStands::kDone), wish_.tasks.size(), out, fmt::join(jobs, " ")));
}

void Following::say_lost() const {
  bool vm_failed = false;
  for (std::size_t i = 0; i < wish_.tasks.size(); ++i) {
    if (verdicts_[i].stands != TaskStands::kLost) continue;
    vm_failed |= ends_[i] && ends_[i]->job == wish_.tasks[i].job &&
                 ends_[i]->code == static_cast<int>(ExitCode::kVmFailed);
    fmt::print(stderr, "{} {}; its log: {}/{}/{}.{}.txt\n", wish_.tasks[i].task.name,
               verdicts_[i].why, wish_.out.string(), kLogFolder, i + 1, wish_.tasks[i].job);
  }
  throw Failure(vm_failed ? ExitCode::kVmFailed : ExitCode::kUsage,
                fmt::format("{} of {} tasks have failed {} times; `faultline submit --follow {}` "
                            "tries them again, and keeps what the others have measured",
                            count(TaskStands::kLost), wish_.tasks.size(), wish_.tries,
                            shell_word(wish_.out.string())));
}

}  // namespace

std::vector<DoneTask> follow(FollowWish wish) { return Following(std::move(wish)).to_the_end(); }

}  // namespace faultline
