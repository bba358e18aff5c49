// SPDX-License-Identifier: GPL-2.0-only
// faultline submit: a run as a job array of a cluster. The queue is the scheduler's; what is here
// writes the script, follows the tasks, and merges what they have measured.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <set>
#include <thread>

#include "campaign/progress.h"
#include "campaign/result.h"
#include "campaign/run_campaign.h"
#include "campaign/slurm.h"
#include "cell/number_option.h"
#include "cli/run_options.h"
#include "cli/verbs.h"
#include "vm/command.h"
#include "vm/files.h"

namespace faultline {

namespace fs = std::filesystem;

namespace {

constexpr char kSlurm[] = "slurm";
constexpr char kSubmitName[] = "submit.json";
// Slurm's own bound on an array (MaxArraySize), unless a site has set another.
constexpr std::size_t kMostTasks = 1000;
// A task's worth of guests: below it, what starts a task is felt.
constexpr double kTaskSeconds = 300;
constexpr unsigned kMostCpus = 4096;
constexpr unsigned kMostTries = 100;

struct SubmitOptions {
  std::string engine = kSlurm;
  std::string out = "out";
  std::size_t tasks = 0;  // 0: by how long it takes
  unsigned cpus = 1;
  unsigned tries = 3;
  std::string partition;
  std::vector<std::string> sbatch;
  bool print = false;
  std::string follow;  // a folder
  bool quiet = false;
  bool json = false;
};

// The job that a task is in, as OUT/submit.json has it.
struct SubmittedTask {
  ArrayTask task;
  std::string job;
};

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

// A program of Slurm's, which must be here.
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

// Lines as one.
std::string in_one_line(const std::string& text) {
  std::string line;
  for (const char c : text) line += c == '\n' ? std::string("; ") : std::string(1, c);
  while (line.ends_with("; ")) line.resize(line.size() - 2);
  return line;
}

// Submits OUT/job.sh, all of it or these numbers; the job's id.
std::string submit_script(const fs::path& out, const std::vector<std::size_t>& numbers = {}) {
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

class Following {
 public:
  Following(fs::path out, std::vector<SubmittedTask> tasks, unsigned tries, unsigned tried,
            const SubmitOptions& options, const CommandContext& context)
      : out_(std::move(out)),
        tasks_(std::move(tasks)),
        tries_(tries),
        tried_(tasks_.size(), tried),
        last_seen_(tasks_.size(), Clock::now()),
        verdicts_(tasks_.size()),
        ends_(tasks_.size()),
        options_(options),
        context_(context),
        progress_(options.quiet) {}

  ExitCode to_the_end();

 private:
  using Clock = std::chrono::steady_clock;

  void look();
  void say_why_they_wait(const std::set<std::string>& reasons);
  void try_again();
  [[nodiscard]] bool over() const;
  [[nodiscard]] bool wait();
  [[nodiscard]] std::size_t count(TaskStands stands) const;
  [[nodiscard]] fs::path folder(std::size_t i) const { return out_ / tasks_[i].task.name; }
  [[nodiscard]] std::string host_of(const std::string& result) const;
  ExitCode say_interrupted();
  ExitCode say_lost();
  ExitCode merge();

  fs::path out_;
  std::vector<SubmittedTask> tasks_;
  unsigned tries_;
  std::vector<unsigned> tried_;
  std::vector<Clock::time_point> last_seen_;  // under way, by Slurm
  std::vector<TaskVerdict> verdicts_;
  std::vector<std::optional<TaskEnd>> ends_;
  std::set<std::string> said_;  // why tasks wait
  bool unanswered_ = false;
  const SubmitOptions& options_;
  const CommandContext& context_;
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
  if (!answered && !unanswered_ && !*context_.interrupted) {
    progress_.say(in_one_line(said.error) + "; asking again");
  }
  unanswered_ = !answered;
  const auto queue = queued_tasks(said.out);
  const Clock::time_point now = Clock::now();
  std::set<std::string> reasons;
  std::vector<std::size_t> ended;
  for (std::size_t i = 0; i < tasks_.size(); ++i) {
    if (verdicts_[i].stands == TaskStands::kDone) continue;
    std::ifstream in(folder(i) / kEndName);
    ends_[i] = task_end({std::istreambuf_iterator<char>(in), {}});
    const auto found = queue.find({tasks_[i].job, i + 1});
    const auto queued = found == queue.end() ? std::nullopt : std::optional(found->second);
    const double unseen = std::chrono::duration<double>(now - last_seen_[i]).count();
    // If Slurm gave no answer, nothing is known of tasks that have not said how they ended.
    verdicts_[i] = judge_task(tasks_[i].job, queued, ends_[i], answered ? unseen : 0);
    const bool under_way = queued && queued->state != "COMPLETED";
    if (!answered || under_way) last_seen_[i] = now;
    if (verdicts_[i].stands == TaskStands::kWaits) reasons.insert(queued->reason);
    if (verdicts_[i].stands == TaskStands::kDone) ended.push_back(i);
  }
  say_why_they_wait(reasons);
  for (const std::size_t i : ended) {
    progress_.step(fmt::format("{} on {}; {} run, {} wait", tasks_[i].task.name, ends_[i]->host,
                               count(TaskStands::kRuns), count(TaskStands::kWaits)));
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
  const std::vector<std::size_t> numbers = tasks_to_try_again(verdicts_, tried_, tries_);
  if (numbers.empty()) return;
  const std::string job = submit_script(out_, numbers);
  for (const std::size_t number : numbers) {
    const std::size_t i = number - 1;
    progress_.say(fmt::format("{} {}; again, as job {}_{}", tasks_[i].task.name, verdicts_[i].why,
                              job, number));
    tasks_[i].job = job;
    ++tried_[i];
    last_seen_[i] = Clock::now();
    verdicts_[i] = {};
  }
  write_submitted(out_, tasks_);
}

bool Following::over() const {
  return count(TaskStands::kRuns) == 0 && count(TaskStands::kWaits) == 0;
}

// Waits until it is time to ask again: a controller that serves a whole cluster is not asked every
// second for hours. False when the user has had enough.
bool Following::wait() {
  const double elapsed = std::chrono::duration<double>(Clock::now() - begin_).count();
  const auto until = Clock::now() + std::chrono::duration<double>(std::min(15.0, 1 + elapsed / 20));
  while (Clock::now() < until && !*context_.interrupted) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return !*context_.interrupted;
}

ExitCode Following::to_the_end() {
  const auto lock = FileLock::try_lock(out_ / "follow.lock");
  if (!lock) {
    throw Failure(ExitCode::kUsage,
                  fmt::format("{}: another `faultline submit` follows it already", out_.string()));
  }
  progress_.start(tasks_.size());
  for (look();; look()) {
    if (*context_.interrupted) return say_interrupted();
    try_again();
    if (over()) break;
    if (!wait()) return say_interrupted();
  }
  return count(TaskStands::kLost) == 0 ? merge() : say_lost();
}

ExitCode Following::say_interrupted() {
  std::set<std::string> jobs;
  for (std::size_t i = 0; i < tasks_.size(); ++i) {
    if (verdicts_[i].stands != TaskStands::kDone) jobs.insert(tasks_[i].job);
  }
  const std::string out = shell_word(out_.string());
  throw Failure(ExitCode::kUsage,
                fmt::format("interrupted: {} of {} tasks are done, the others go on; `faultline "
                            "submit --follow {}` follows them again, `scancel {}` ends them",
                            count(TaskStands::kDone), tasks_.size(), out, fmt::join(jobs, " ")));
}

ExitCode Following::say_lost() {
  bool vm_failed = false;
  for (std::size_t i = 0; i < tasks_.size(); ++i) {
    if (verdicts_[i].stands != TaskStands::kLost) continue;
    vm_failed |= ends_[i] && ends_[i]->job == tasks_[i].job &&
                 ends_[i]->code == static_cast<int>(ExitCode::kVmFailed);
    fmt::print(stderr, "{} {}; its log: {}/{}/{}.{}.txt\n", tasks_[i].task.name, verdicts_[i].why,
               out_.string(), kLogFolder, i + 1, tasks_[i].job);
  }
  throw Failure(
      vm_failed ? ExitCode::kVmFailed : ExitCode::kUsage,
      fmt::format("{} of {} tasks have failed {} times; `faultline submit --follow {}` "
                  "tries them again, and keeps what the others have measured",
                  count(TaskStands::kLost), tasks_.size(), tries_, shell_word(out_.string())));
}

// The node that wrote a result, named by its folder.
std::string Following::host_of(const std::string& result) const {
  for (std::size_t i = 0; i < tasks_.size(); ++i) {
    if (fs::path(result) == folder(i) && ends_[i]) return ends_[i]->host;
  }
  return "an unknown node";
}

ExitCode Following::merge() {
  std::vector<std::string> argv = report_command(context_);
  argv.insert(argv.end(), {"merge", "--json", "--force", "--out", out_.string()});
  std::vector<std::string> shards;
  std::set<std::string> hosts;
  bool cells_failed = false;
  bool all_skipped = true;
  for (std::size_t i = 0; i < tasks_.size(); ++i) {
    hosts.insert(ends_[i]->host);
    if (tasks_[i].task.audit) {
      argv.insert(argv.end(), {"--audit", folder(i).string()});
      continue;
    }
    shards.push_back(folder(i).string());
    cells_failed |= ends_[i]->code == static_cast<int>(ExitCode::kRegression);
    all_skipped &= ends_[i]->code == static_cast<int>(ExitCode::kSkipped);
  }
  argv.insert(argv.end(), shards.begin(), shards.end());
  const CommandOutput said = run_command(argv);
  nlohmann::json merged = nlohmann::json::parse(said.out, nullptr, false);
  if (said.status != 0 || !merged.is_object()) {
    if (!merged.is_object() || said.status != static_cast<int>(ExitCode::kRegression)) {
      fmt::print(stderr, "{}", said.error);
      return said.status == 0 ? ExitCode::kUsage : static_cast<ExitCode>(said.status);
    }
    for (const nlohmann::json& one : merged["audit"]["differing"]) {
      fmt::print(stderr,
                 "faultline: {} seed {} has one {} on {} and another on {} ({}, {}): one of the "
                 "two is wrong, and no result is written\n",
                 one["cell"].get<std::string>(), one["seed"].dump(),
                 one["field"].get<std::string>(), host_of(one["shard"]), host_of(one["audit"]),
                 one["shard"].get<std::string>(), one["audit"].get<std::string>());
    }
    return ExitCode::kRegression;
  }
  if (options_.json) {
    for (std::size_t i = 0; i < tasks_.size(); ++i) {
      merged["tasks"].push_back({{"name", tasks_[i].task.name},
                                 {"shard", tasks_[i].task.shard},
                                 {"job", tasks_[i].job},
                                 {"host", ends_[i]->host},
                                 {"code", ends_[i]->code}});
    }
    fmt::print("{}\n", merged.dump(1));
  } else {
    fmt::print("{} tasks on {}\n", tasks_.size(), fmt::join(hosts, ", "));
    if (merged["audit"].is_object()) {
      fmt::print("measured twice, with the same figures: {} of {} cells\n",
                 merged["audit"]["cells"].dump(), merged["cells"].dump());
    }
    fmt::print("{} cells, {} rows: {}\n{}\n", merged["cells"].dump(), merged["rows"].dump(),
               (out_ / kResultName).string(), merged["sha256"].get<std::string>());
  }
  if (cells_failed) return ExitCode::kRegression;
  return all_skipped ? ExitCode::kSkipped : ExitCode::kPass;
}

// What a user has set of these options, as `run` takes it.
std::vector<std::string> words_of(const std::vector<CLI::Option*>& options) {
  std::vector<std::string> words;
  for (const CLI::Option* option : options) {
    if (option->count() == 0) continue;
    if (option->get_items_expected_max() == 0) {
      words.push_back(option->get_name());
      continue;
    }
    for (const std::string& value : option->results()) {
      words.insert(words.end(), {option->get_name(), value});
    }
  }
  return words;
}

ExitCode submit(const SubmitOptions& options, RunOptions run, const std::vector<std::string>& words,
                const CommandContext& context) {
  if (!options.follow.empty()) {
    if (!words.empty()) {
      throw Failure(ExitCode::kUsage,
                    fmt::format("{}: --follow takes what was submitted", words.front()));
    }
    const fs::path out = fs::absolute(options.follow);
    return Following(out, read_submitted(out), options.tries, 0, options, context).to_the_end();
  }
  settle_observation(run, context);
  const RunPlan plan = plan_campaign(run.wish, context);
  if (plan.lives == 0) {
    fmt::print(stderr, "{}", plan_text(plan));
    return ExitCode::kSkipped;
  }
  const double seconds = about_seconds(plan.lives, plan.boots, 1);
  const std::size_t wanted = options.tasks != 0
                                 ? options.tasks
                                 : static_cast<std::size_t>(std::ceil(seconds / kTaskSeconds));
  const std::size_t shards =
      std::clamp<std::size_t>(wanted, 1, std::min(kMostTasks, plan.measured.size()));
  const AuditShards audits = audit_shards(plan.measured, shards, std::random_device()());
  const fs::path out = fs::absolute(options.out).lexically_normal();
  ArrayJob job = {.command = fs::read_symlink("/proc/self/exe"),
                  .selection = words,
                  .directory = fs::current_path(),
                  .out = out,
                  .tasks = array_tasks(shards, audits),
                  .options = {},
                  .cpus = options.cpus};
  if (!options.partition.empty()) job.options.push_back("--partition=" + options.partition);
  job.options.insert(job.options.end(), options.sbatch.begin(), options.sbatch.end());
  const std::string script = job_script(job);
  if (options.print) {
    fmt::print("{}", script);
    return ExitCode::kPass;
  }
  slurm_program("sbatch");
  for (const char* name : {kSubmitName, kResultName}) {
    if (!fs::exists(out / name)) continue;
    throw Failure(ExitCode::kUsage,
                  fmt::format("{} holds another {}; give another --out, or go on with what was "
                              "submitted by --follow {}",
                              options.out, name, options.out));
  }
  make_dirs(out / kLogFolder);
  write_file(out / kScriptName, script, 0755);
  std::string id;
  try {
    id = submit_script(out);
  } catch (const Failure&) {
    // Nothing runs: no more is left than what else there was.
    for (const fs::path& made : {out / kScriptName, out / kLogFolder, out}) {
      std::error_code kept;
      fs::remove(made, kept);
    }
    throw;
  }
  std::vector<SubmittedTask> tasks;
  for (const ArrayTask& task : job.tasks) tasks.push_back({.task = task, .job = id});
  write_submitted(out, tasks);
  if (!options.quiet) {
    fmt::print(stderr,
               "job {}: {} lives of {} cells in {} tasks, {} more measure cells again; about {} "
               "of a core each\n",
               id, plan.lives, plan.cells, shards, audits.indices.size(),
               clock_text(seconds / static_cast<double>(shards)));
  }
  return Following(out, std::move(tasks), options.tries, 1, options, context).to_the_end();
}

// Options of `run` that are submit's own, or of what cannot be spread over machines: wall time.
constexpr const char* kNotOfATask[] = {
    "--on",     "--dir",     "--allow-page-cache", "--accel", "--out",      "--force",
    "--resume", "--shard",   "--reverse",          "--jobs",  "--deadline", "--repetitions",
    "--json",   "--dry-run", "--no-table",         "--quiet"};

}  // namespace

Verb add_submit(CLI::App& app) {
  auto options = std::make_shared<SubmitOptions>();
  CLI::App* verb = app.add_subcommand(
      "submit", "Measure cells on a cluster: a job array of shards, merged, with an audit");
  verb->footer(
      "What is measured is selected as for `faultline run`. Each task of the array is\n"
      "one shard of that run, in a folder below --out, which all nodes must share, as\n"
      "they must the folder submitted from and faultline itself. A task that is killed\n"
      "or lost is tried again, and goes on where it was cut off. One cell of a hundred,\n"
      "and one at least, is measured a second time by another task; if any figure\n"
      "differs, the run fails and names the cell and both nodes. DIR/result.json is what\n"
      "one `faultline run` would have written. Ctrl-C leaves the tasks running.\n\n"
      "Examples:\n"
      "  faultline submit --engine slurm --kernel all --out all --print\n"
      "  faultline submit --engine slurm --fs xfs --tasks 20 --partition short --out xfs\n"
      "  faultline submit --engine slurm --cpus 8 --sbatch=--time=30 --out out\n"
      "  faultline submit --follow out\n\n"
      "Exit: 0 all ok; 1 a cell failed, or the audit; 2 usage, interrupted, or a task\n"
      "that failed each time; 69 a VM failed; 77 every cell was skipped.");
  const RunVerb run = declare_run_options(verb);
  for (const char* name : kNotOfATask) verb->remove_option(verb->get_option(name));
  std::vector<CLI::Option*> selection;
  for (CLI::Option* option : verb->get_options()) {
    if (option != verb->get_help_ptr()) selection.push_back(option);
  }
  verb->add_option("--engine", options->engine, "what runs the tasks")
      ->check(CLI::IsMember({kSlurm}))
      ->capture_default_str();
  verb->add_option("--out", options->out,
                   "folder of the result and of the tasks, on a file system that "
                   "all nodes share")
      ->capture_default_str();
  whole_numbers(verb->add_option("--tasks", options->tasks,
                                 "shards (default: one for each five minutes of a core)"),
                1, kMostTasks);
  whole_numbers(verb->add_option("--cpus", options->cpus, "cores of a task"), 1, kMostCpus)
      ->capture_default_str();
  verb->add_option("--partition", options->partition, "of the cluster (default: its own)");
  verb->add_option("--sbatch", options->sbatch,
                   "an option for sbatch, as --sbatch=--time=30; several times")
      ->expected(1)
      ->take_all();
  whole_numbers(verb->add_option("--tries", options->tries, "times that each task is tried"), 1,
                kMostTries)
      ->capture_default_str();
  verb->add_flag("--print", options->print, "print the script, and submit nothing");
  verb->add_option("--follow", options->follow,
                   "go on with what was submitted into this folder; failed tasks are tried again");
  verb->add_flag("--quiet", options->quiet, "no progress");
  verb->add_flag("--json", options->json, "print what was merged, and each task, as JSON");
  return {verb, [options, run, selection](const CommandContext& context) {
            return submit(*options, *run.options, words_of(selection), context);
          }};
}

}  // namespace faultline
