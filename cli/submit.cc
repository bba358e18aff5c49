// SPDX-License-Identifier: GPL-2.0-only
// faultline submit: a run as a job array of a cluster, and what its tasks have measured, merged.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <random>
#include <set>

#include "campaign/progress.h"
#include "campaign/result.h"
#include "campaign/run_campaign.h"
#include "campaign/slurm.h"
#include "campaign/submission.h"
#include "cell/number_option.h"
#include "cli/run_options.h"
#include "cli/verbs.h"
#include "vm/command.h"
#include "vm/files.h"

namespace faultline {

namespace fs = std::filesystem;

namespace {

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

// The node that wrote a result, named by its folder.
std::string host_of(const fs::path& out, const std::vector<DoneTask>& tasks,
                    const std::string& result) {
  for (const DoneTask& one : tasks) {
    if (fs::path(result) == out / one.submitted.task.name) return one.end.host;
  }
  return "an unknown node";
}

// Merges what the tasks have measured, and holds those measured twice against each other.
ExitCode merge(const fs::path& out, const std::vector<DoneTask>& tasks, bool as_json,
               const CommandContext& context) {
  std::vector<std::string> argv = report_command(context);
  argv.insert(argv.end(), {"merge", "--json", "--force", "--out", out.string()});
  std::vector<std::string> shards;
  std::set<std::string> hosts;
  bool cells_failed = false;
  bool all_skipped = true;
  for (const auto& [submitted, end] : tasks) {
    hosts.insert(end.host);
    const std::string folder = (out / submitted.task.name).string();
    if (submitted.task.audit) {
      argv.insert(argv.end(), {"--audit", folder});
      continue;
    }
    shards.push_back(folder);
    cells_failed |= end.code == static_cast<int>(ExitCode::kRegression);
    all_skipped &= end.code == static_cast<int>(ExitCode::kSkipped);
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
                 one["field"].get<std::string>(), host_of(out, tasks, one["shard"]),
                 host_of(out, tasks, one["audit"]), one["shard"].get<std::string>(),
                 one["audit"].get<std::string>());
    }
    return ExitCode::kRegression;
  }
  if (as_json) {
    for (const auto& [submitted, end] : tasks) {
      merged["tasks"].push_back({{"name", submitted.task.name},
                                 {"shard", submitted.task.shard},
                                 {"job", submitted.job},
                                 {"host", end.host},
                                 {"code", end.code}});
    }
    fmt::print("{}\n", merged.dump(1));
  } else {
    fmt::print("{} tasks on {}\n", tasks.size(), fmt::join(hosts, ", "));
    if (merged["audit"].is_object()) {
      fmt::print("measured twice, with the same figures: {} of {} cells\n",
                 merged["audit"]["cells"].dump(), merged["cells"].dump());
    }
    fmt::print("{} cells, {} rows: {}\n{}\n", merged["cells"].dump(), merged["rows"].dump(),
               (out / kResultName).string(), merged["sha256"].get<std::string>());
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

ExitCode follow_and_merge(const fs::path& out, std::vector<SubmittedTask> tasks, unsigned tried,
                          const SubmitOptions& options, const CommandContext& context) {
  const std::vector<DoneTask> done = follow({.out = out,
                                             .tasks = std::move(tasks),
                                             .tries = options.tries,
                                             .tried = tried,
                                             .quiet = options.quiet,
                                             .interrupted = context.interrupted});
  return merge(out, done, options.json, context);
}

ExitCode submit(const SubmitOptions& options, RunOptions run, const std::vector<std::string>& words,
                const CommandContext& context) {
  if (!options.follow.empty()) {
    if (!words.empty()) {
      throw Failure(ExitCode::kUsage,
                    fmt::format("{}: --follow takes what was submitted", words.front()));
    }
    const fs::path out = fs::absolute(options.follow);
    return follow_and_merge(out, read_submitted(out), 0, options, context);
  }
  settle_observation(run, context);
  const RunPlan plan = plan_campaign(run.wish, context);
  if (plan.lives == 0) {
    fmt::print(stderr, "{}", plan_text(plan));
    return ExitCode::kSkipped;
  }
  const double seconds = about_seconds(plan.life_s, plan.boots, 1);
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
  return follow_and_merge(out, std::move(tasks), 1, options, context);
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
      "  faultline submit --engine slurm --fs xfs --tasks 8 --partition short --out xfs\n"
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
