// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/run_campaign.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <tuple>

#include "campaign/outliers.h"
#include "campaign/progress.h"
#include "campaign/result.h"
#include "campaign/sample_writer.h"
#include "campaign/sent_row.h"
#include "campaign/watch.h"
#include "cell/name.h"
#include "cell/plan.h"
#include "cell/words.h"
#include "harness/wire.h"
#include "vm/files.h"
#include "vm/guest.h"

namespace faultline {

namespace fs = std::filesystem;

namespace {

// The result file is written anew at most this often while cells come in.
constexpr std::chrono::seconds kSaveInterval{5};
// The fewest whose least and greatest are an interval (docs/compare.md).
constexpr const char* kDefaultSeeds = "5";
constexpr std::uint64_t kDefaultProbeSeeds = 1;

// What a guest's end means for its row. `came`: it sent one.
void judge_row(Row& row, const GuestOutcome& outcome, bool came) {
  if (!outcome.ok()) {
    const bool cancelled = outcome.verdict == Verdict::kCancelled;
    row.status = cancelled ? kStatusIncomplete : kStatusFailed;
    row.reason = cancelled ? "interrupted" : outcome.message;
  } else if (!came) {
    row.status = kStatusFailed;
    row.reason = "the guest ended well but sent no row";
  } else if (!outcome.console_warnings.empty()) {
    row.status = kStatusFailed;
    row.reason = "the kernel warned: " + outcome.console_warnings.front();
  }
}

class RunCampaign {
 public:
  RunCampaign(const RunWish& wish, const CommandContext& context)
      : wish_(wish), context_(context), progress_(wish.quiet) {}

  RunEnd execute();
  RunPlan plan_only();

 private:
  [[nodiscard]] Selection selection() const;
  [[nodiscard]] Sampling sampling() const;
  void check_wish();
  void prepare();
  void plan(std::size_t number, const RunnerKernel& kernel);
  void resume(const ReadResult& before);
  void hold_against(const nlohmann::json& earlier);
  void interleave();
  void run_cells();
  void take(const CellJob& job, const SentWords& words, const GuestOutcome& outcome);
  void tell_failure(const CellJob& job, const Row& row,
                    const std::vector<std::string>& console_tail);
  void count_failures();
  void explain_outliers();
  void save();
  void finish();
  [[nodiscard]] double elapsed() const {
    return elapsed_before_ +
           std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  }

  RunWish wish_;
  const CommandContext& context_;
  ProgressLine progress_;
  std::atomic<bool> cancel_{false};
  std::unique_ptr<Runner> runner_;
  SharedContext shared_;
  bool virtual_time_ = true;
  std::vector<Row> rows_;                       // as long as cells run, under shared_.mutex
  std::map<std::string, std::size_t> numbers_;  // of cells, in the order planned: for shards
  std::vector<CellJob> jobs_;
  std::set<std::size_t> measured_;  // rows that an earlier run has measured
  double elapsed_before_ = 0;       // seconds, in that
  std::unique_ptr<SampleWriter> samples_;
  std::size_t vm_failures_ = 0;
  std::map<std::string, std::size_t> failures_;  // rows by the reason
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point saved_;
};

// An option that names nothing is no wish for the default.
void check_lists(const std::map<std::string, std::string>& lists) {
  for (const auto& [name, list] : lists) {
    if (!list.empty() && list.find_first_not_of(',') == std::string::npos) {
      throw Failure(ExitCode::kUsage,
                    fmt::format("--{}: '{}' names nothing; `faultline list` prints "
                                "what there is",
                                name, list));
    }
  }
}

void apply_preset(RunWish& wish) {
  if (wish.preset.empty()) return;
  std::vector<std::string> names;
  for (const Preset& preset : presets()) {
    names.emplace_back(preset.id);
    if (wish.preset != preset.id) continue;
    for (const auto& [name, list] : preset.lists) {
      if (wish.lists[name].empty()) wish.lists[name] = list;
    }
    if (wish.touches == 0) wish.touches = preset.touches;
    return;
  }
  throw Failure(ExitCode::kUsage, fmt::format("--preset: nothing is called '{}'; there is: {}",
                                              wish.preset, fmt::join(names, ", ")));
}

Selection RunCampaign::selection() const {
  Selection selection;
  for (const auto& [axis, list] : wish_.lists) {
    if (!list.empty()) selection.patterns[axis] = split_list(list);
  }
  selection.wall = !virtual_time_;
  if (wish_.touches != 0) selection.touches = wish_.touches;
  return selection;
}

Sampling RunCampaign::sampling() const {
  Sampling sampling{.sets = probe_sets_named(wish_.probes), .samples = wish_.samples};
  if (wish_.samples && sampling.sets.size() == 1) {
    throw Failure(ExitCode::kUsage, "--samples: of cells with probes, and --probes names none");
  }
  check_vary(wish_.vary);
  sampling.vary = wish_.host ? kVaryNone : wish_.vary;
  if (virtual_time_) {
    if (wish_.repetitions > 1) {
      throw Failure(ExitCode::kUsage,
                    "--repetitions: in virtual time each would be identical to the first; "
                    "--seeds varies what a figure should not hang on");
    }
    sampling.seeds = seeds_named(wish_.seeds.empty() ? kDefaultSeeds : wish_.seeds);
    // A contest is many runs over periods and phases already.
    if (!wish_.seeds.empty()) sampling.contest_seeds = sampling.seeds;
    sampling.probe_seeds =
        wish_.probe_seeds == 0 && wish_.seeds.empty() ? kDefaultProbeSeeds : wish_.probe_seeds;
  } else {
    if (!wish_.seeds.empty()) {
      throw Failure(ExitCode::kUsage,
                    "--seeds: of virtual time only; in wall time --repetitions N measures N times");
    }
    if (wish_.probe_seeds != 0) {
      throw Failure(ExitCode::kUsage, "--probe-seeds: of virtual time only, as --seeds is");
    }
    if (wish_.vary != kVaryAll) {
      throw Failure(ExitCode::kUsage, "--vary: of virtual time only, where seeds vary it");
    }
    sampling.repetitions = std::max(1U, wish_.repetitions);
  }
  return sampling;
}

// Names first: a typing error should cost neither a download nor a folder.
void RunCampaign::check_wish() {
  apply_preset(wish_);
  check_lists(wish_.lists);
  static_cast<void>(shard_named(wish_.shard));
  // What a preset says of file systems is for the VM.
  if (wish_.host) wish_.lists.erase("fs");
  if (wish_.observe_seeds != 0 && !wish_.vm.observe) {
    throw Failure(ExitCode::kUsage, "--observe-seeds goes with --observe");
  }
  // Which accelerator `auto` will be is not known yet.
  virtual_time_ = !wish_.host && (wish_.vm.accel == kAccelAuto
                                      ? wish_.repetitions == 0
                                      : accel_named(wish_.vm.accel).time_domain == kTimeDomains[0]);
  plan_cells(selection());
  const SeedRange seeds = sampling().seeds;
  const std::uint64_t count = seeds.last - seeds.first + 1;
  for (const auto& [option, part] : {std::pair("--probe-seeds", wish_.probe_seeds),
                                     std::pair("--observe-seeds", wish_.observe_seeds)}) {
    if (!virtual_time_ || part <= count) continue;
    throw Failure(ExitCode::kUsage,
                  fmt::format("{} {}: of the seeds, and --seeds {} names {}", option, part,
                              wish_.seeds.empty() ? kDefaultSeeds : wish_.seeds, count));
  }
}

void RunCampaign::prepare() {
  check_wish();
  const Say say = [this](const std::string& line) { progress_.say(line); };
  claim_output(wish_.out, kResultName, wish_.force || wish_.resume.has_value());
  if (wish_.observe_seeds != 0) {
    wish_.vm.observe.last_seed = sampling().seeds.first + wish_.observe_seeds - 1;
  }
  runner_ = wish_.host ? make_host_runner(context_, *wish_.host, say, cancel_)
                       : make_vm_runner(context_, wish_.vm, say, cancel_);
  const std::vector<RunnerKernel> kernels = runner_->prepare(shared_);
  virtual_time_ = runner_->time().time_domain == kTimeDomains[0];
  nlohmann::json known = std::move(shared_.json);
  shared_.json = result_context(context_.command_line, wish_.host.has_value(), runner_->time());
  shared_.json.update(known);
  for (std::size_t i = 0; i < kernels.size(); ++i) plan(i, kernels[i]);
  if (wish_.resume) resume(*wish_.resume);
  if (!wish_.like.is_null()) hold_against(wish_.like);
  samples_ = std::make_unique<SampleWriter>(wish_.out, samples_kept(rows_));
}

void RunCampaign::hold_against(const nlohmann::json& earlier) {
  for (const ContextDifference& one : what_differs(earlier, shared_.json)) {
    if (one.kernel) {
      const std::string id = one.what.substr(one.what.find(' ') + 1);
      const auto package = [&](const nlohmann::json& context) {
        const nlohmann::json& name = context["kernels"][id]["package"];
        return name.is_string() ? name.get<std::string>() : "a file of another content";
      };
      throw Failure(
          ExitCode::kUsage,
          fmt::format("kernel {} was {}, and is {} by now: the result cannot be had again; "
                      "`faultline kernels list --releases` says what still can be fetched",
                      id, package(earlier), package(shared_.json)));
    }
    progress_.say(fmt::format("another {} than it was measured with", one.what));
  }
}

// Takes what an earlier run has measured, if it measured the same: the same hash must come of it as
// of a run that nothing disturbed.
void RunCampaign::resume(const ReadResult& before) {
  refuse_other_context(before.context, shared_.json, wish_.out);
  using Sample = std::tuple<std::string, Count, Count>;
  const auto sample = [](const Row& row) {
    return Sample(row.name, row.seed, row.repetition_index);
  };
  std::map<Sample, const Row*> had;
  for (const Row& row : before.rows) {
    // A file that was damaged may hold anything; what is not believed is measured again.
    if (is_ok(row) && contradiction_in(row).empty()) had[sample(row)] = &row;
  }
  for (const CellJob& job : jobs_) {
    const auto found = had.find(sample(rows_[job.row]));
    if (found == had.end()) continue;
    rows_[job.row] = *found->second;
    measured_.insert(job.row);
  }
  take_earlier_context(before.context, shared_.json);
  elapsed_before_ = before.context.value("elapsed_s", 0.0);
  progress_.say(fmt::format("{}: {} of {} lives are there already", wish_.out, measured_.size(),
                            jobs_.size()));
}

void RunCampaign::plan(std::size_t number, const RunnerKernel& kernel) {
  const Shard shard = shard_named(wish_.shard);
  const std::vector<PlannedCell> cells = plan_cells(selection(), kernel.sources, kernel.around);
  for (const PlannedRow& planned :
       plan_rows(kernel.id, cells, sampling(), kMostRows - rows_.size())) {
    Row row = empty_row(planned.cell, kStatusSkipped, planned.skip);
    // A cell stays with its twin and its other seeds.
    const std::size_t of = numbers_.emplace(*row.cell, numbers_.size()).first->second;
    if (of % shard.count != shard.index) continue;
    row.repetitions = planned.repetitions;
    row.accel = std::string(runner_->time().accel);
    row.vcpus = runner_->vcpus();
    if (planned.skip.empty()) {
      CellJob job{.row = rows_.size(),
                  .cell = planned.cell,
                  .what = sample_name(row.name, planned.cell.seed, planned.cell.repetition)};
      row.reason = runner_->assign(number, job, row);
      if (row.reason.empty()) {
        row.status = kStatusIncomplete;
        row.reason = "not run";
        jobs_.push_back(std::move(job));
      }
    }
    rows_.push_back(std::move(row));
  }
}

// So that a drift of the machine, or an end before the end, meets all cells alike.
void RunCampaign::interleave() {
  std::stable_sort(jobs_.begin(), jobs_.end(), [](const CellJob& a, const CellJob& b) {
    return std::pair(a.cell.seed, a.cell.repetition) < std::pair(b.cell.seed, b.cell.repetition);
  });
  if (wish_.reverse) std::reverse(jobs_.begin(), jobs_.end());
}

void RunCampaign::take(const CellJob& job, const SentWords& words, const GuestOutcome& outcome) {
  Row& row = rows_[job.row];
  std::string why;
  std::optional<Row> sent = sent_row(words, row, why);
  if (sent) {
    row = std::move(*sent);
    if (!words.samples.empty()) row.samples = samples_->add(words.samples);
  }
  judge_row(row, outcome, sent.has_value());
  if (!sent && outcome.ok() && !why.empty()) row.reason = why;
  if (is_ok(row)) runner_->put_observed(job, row);
  runner_->note_life(outcome, row);
  if (!outcome.ok() && outcome.verdict != Verdict::kCancelled) {
    if (outcome.exit_code == ExitCode::kVmFailed) ++vm_failures_;
    tell_failure(job, row, outcome.console_tail);
  } else if (row.status == kStatusFailed) {
    tell_failure(job, row, {});
  }
}

// A guest that cannot be made ready fails every cell of its file system alike: once in full.
void RunCampaign::tell_failure(const CellJob& job, const Row& row,
                               const std::vector<std::string>& console_tail) {
  if (failures_[row.reason]++ != 0) return;
  progress_.say(fmt::format("{}: {}", job.what, row.reason));
  for (const std::string& line : console_tail) progress_.say("  | " + line);
}

void RunCampaign::count_failures() {
  for (const auto& [reason, rows] : failures_) {
    if (rows > 1) progress_.say(fmt::format("{} rows failed so: {}", rows, reason));
  }
}

void RunCampaign::run_cells() {
  std::vector<const CellJob*> left;
  for (const CellJob& job : jobs_) {
    if (!measured_.contains(job.row)) left.push_back(&job);
  }
  progress_.start(left.size());
  std::vector<SentWords> words(left.size());
  run_many(
      left.size(), wish_.jobs,
      [&](std::size_t i) {
        return runner_->run(
            *left[i], [&](const wire::Frame& frame) { words[i].add(frame); }, shared_, cancel_);
      },
      [&](std::size_t i, const GuestOutcome& outcome) {
        const std::lock_guard lock(shared_.mutex);
        take(*left[i], std::exchange(words[i], {}), outcome);
        progress_.step(left[i]->what);
        if (const auto now = std::chrono::steady_clock::now(); now - saved_ >= kSaveInterval) {
          save();
          saved_ = now;
        }
      },
      cancel_);
  count_failures();
}

// Runs each outlier and its cell's middle sample again: with each accident alone, and with probes
// on all that may interrupt. These touch nothing of the fault: what fell into it does so again.
void RunCampaign::explain_outliers() {
  const std::vector<Outliers> found = find_outliers(jobs_, rows_, wish_.outlier);
  if (found.empty() || cancel_) return;
  const std::vector<Remeasurement> again = remeasurements(found, wish_.vary == kVaryAll);
  std::size_t count = 0;
  for (const Outliers& outliers : found) count += outliers.jobs.size();
  progress_.say(
      fmt::format("{} samples lie over {} % off their cell's median; to learn why, {} "
                  "more lives with one accident each, and with probes on what interrupts",
                  count, wish_.outlier, again.size()));
  progress_.start(again.size());
  std::vector<SentWords> words(again.size());
  std::map<std::size_t, MeasuredAgain> seen;
  run_many(
      again.size(), wish_.jobs,
      [&](std::size_t i) {
        CellJob job = jobs_[again[i].job];
        job.cell = remeasured_cell(job.cell, again[i]);
        job.again = true;
        return runner_->run(
            job, [&](const wire::Frame& frame) { words[i].add(frame); }, shared_, cancel_);
      },
      [&](std::size_t i, const GuestOutcome& outcome) {
        progress_.step(jobs_[again[i].job].what);
        if (!outcome.ok()) return;
        std::string untold;
        const std::optional<Row> row = sent_row(
            words[i],
            empty_row(remeasured_cell(jobs_[again[i].job].cell, again[i]), kStatusIncomplete, ""),
            untold);
        // What cannot be told stays untold; the sample itself was measured.
        if (!row) return;
        MeasuredAgain& sample = seen[again[i].job];
        sample.seed = row->seed;
        if (again[i].vary.empty()) {
          sample.interruptions = row->interruptions;
        } else {
          if (!sample.alone) sample.alone = CostByName{};
          (*sample.alone)[again[i].vary] = row->per_page;
        }
      },
      cancel_);
  const std::lock_guard lock(shared_.mutex);
  const auto told = [&](std::size_t job) {
    return seen.contains(job) ? std::optional(seen.at(job)) : std::nullopt;
  };
  for (const Outliers& outliers : found) {
    for (const std::size_t job : outliers.jobs) {
      Row& row = rows_[jobs_[job].row];
      row.outlier = OutlierFigures{.median = outliers.median,
                                   .percent = (*row.per_page / outliers.median - 1) * 100,
                                   .here = told(job),
                                   .typical = told(outliers.typical)};
    }
  }
}

void RunCampaign::save() {
  note_elapsed(shared_.json, elapsed());
  write_result(wish_.out, shared_.json, rows_);
}

void RunCampaign::finish() {
  const std::lock_guard lock(shared_.mutex);
  add_tax(rows_);
  note_complete(shared_.json, tally(rows_), "rows", *context_.interrupted);
  save();
}

RunPlan RunCampaign::plan_only() {
  check_wish();
  runner_ = make_dry_runner(wish_.vm, [this](const std::string& line) { progress_.say(line); });
  const std::vector<RunnerKernel> kernels = runner_->prepare(shared_);
  virtual_time_ = runner_->time().time_domain == kTimeDomains[0];
  for (std::size_t i = 0; i < kernels.size(); ++i) plan(i, kernels[i]);
  RunPlan plan{.lives = jobs_.size(), .measured = std::vector<bool>(numbers_.size())};
  std::set<std::string> cells;
  std::set<std::pair<std::string, std::string>> left_out;
  for (const Row& row : rows_) {
    if (row.status != kStatusSkipped) {
      cells.insert(*row.cell);
      plan.measured[numbers_.at(*row.cell)] = true;
    } else if (left_out.emplace(*row.cell, row.reason).second) {
      ++plan.skipped[row.reason];
    }
  }
  plan.cells = cells.size();
  using Guest = std::tuple<std::string, std::string, bool, unsigned, unsigned>;
  std::set<Guest> guests;
  for (const CellJob& job : jobs_) {
    guests.emplace(job.spec.kernel.string(), job.spec.fs, job.module, job.spec.pmem_mib,
                   job.spec.vcpus);
  }
  const bool saved = jobs_.empty() || accel_info(jobs_.front().spec.accel).saves_state;
  plan.boots = saved ? guests.size() : jobs_.size();
  plan.workers = wish_.jobs == 0 ? runner_->workers() : wish_.jobs;
  constexpr double kObservedFactor = 2.6;  // docs/observer.md
  for (const CellJob& job : jobs_) {
    const double life = find_workload(job.cell.workload)->life_s;
    plan.life_s += runner_->is_observed(job) ? life * kObservedFactor : life;
  }
  plan.seconds = about_seconds(plan.life_s, plan.boots, plan.workers);
  return plan;
}

RunEnd RunCampaign::execute() {
  // Signals set a flag of the command's; what runs here listens to its own.
  const Watch watch([this] {
    if (*context_.interrupted) cancel_ = true;
    if (wish_.total_s > 0 && elapsed() > wish_.total_s) cancel_ = true;
  });
  prepare();
  interleave();
  if (wish_.jobs == 0 || wish_.host) wish_.jobs = runner_->workers();
  if (!jobs_.empty()) {
    save();
    saved_ = std::chrono::steady_clock::now();
    if (measured_.size() < jobs_.size()) {
      runner_->warm_up(jobs_, wish_.jobs, shared_, progress_, cancel_);
      run_cells();
    }
    if (virtual_time_) explain_outliers();
  }
  // Nothing of ours is on the user's mount when the result says that the run is over.
  runner_->close();
  finish();

  const Tally t = tally(rows_);
  progress_.say(fmt::format("{}; {}; {}", tally_text(t, "row"), clock_text(elapsed()),
                            (fs::path(wish_.out) / kResultName).string()));
  RunEnd end{.code = end_code(t, *context_.interrupted, vm_failures_ != 0)};
  end.context = std::move(shared_.json);
  end.rows = std::move(rows_);
  return end;
}

}  // namespace

const std::vector<Preset>& presets() {
  static const std::vector<Preset> table = {
      {.id = "kara2017",
       .summary = "the cells of Jan Kara's table of 2017, with and without MAP_SYNC",
       .lists = {{"fs", "ext4,xfs"},
                 {"strategy", "volatile,map_sync"},
                 {"workload", "first_touch,copy_beside"},
                 {"state", "hole,written"}},
       .touches = 512}};
  return table;
}

Shard shard_named(const std::string& text) {
  Shard shard;
  if (text.empty()) return shard;
  // No scanf: that takes -1 for a number without a sign.
  const char* const end = text.data() + text.size();
  const auto [slash, no_index] = std::from_chars(text.data(), end, shard.index);
  const bool two = no_index == std::errc() && slash != end && *slash == '/';
  const auto count = two ? std::from_chars(slash + 1, end, shard.count) : std::from_chars_result{};
  if (!two || count.ec != std::errc() || count.ptr != end || shard.index < 1 ||
      shard.index > shard.count) {
    throw Failure(ExitCode::kUsage,
                  fmt::format("--shard: '{}' is not I/N with I from 1 to N, as 2/3", text));
  }
  --shard.index;
  return shard;
}

RunPlan plan_campaign(const RunWish& wish, const CommandContext& context) {
  return RunCampaign(wish, context).plan_only();
}

double about_seconds(double life_s, std::size_t boots, unsigned workers) {
  // With one core; as in docs/example (`context.kernels.bookworm.boot.FS.boot_s`).
  constexpr double kBoot = 8;
  return (life_s + static_cast<double>(boots) * kBoot) / std::max(1U, workers);
}

std::string plan_text(const RunPlan& plan) {
  const auto counted = [](std::size_t count, const char* one, const char* many) {
    return fmt::format("{} {}", count, count == 1 ? one : many);
  };
  std::string text =
      fmt::format("{}, {}; at most {}; {} side by side: about {}\n",
                  counted(plan.cells, "cell", "cells"), counted(plan.lives, "life", "lives"),
                  counted(plan.boots, "boot", "boots"), plan.workers, clock_text(plan.seconds));
  for (const auto& [reason, count] : plan.skipped) {
    text += fmt::format("skipped {}: {}\n", count, reason);
  }
  return text;
}

RunEnd run_campaign(const RunWish& wish, const CommandContext& context) {
  return RunCampaign(wish, context).execute();
}

}  // namespace faultline
