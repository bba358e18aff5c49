// SPDX-License-Identifier: GPL-2.0-only
// faultline run: a selection of cells to one result file.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <utility>

#include "cli/host.h"
#include "cli/machine.h"
#include "cli/measure.h"
#include "cli/progress.h"
#include "cli/result.h"
#include "cli/verbs.h"
#include "cli/watch.h"
#include "vm/command.h"
#include "vm/files.h"
#include "vm/guest.h"
#include "vm/saved_state.h"

namespace faultline {

namespace fs = std::filesystem;

namespace {

// The result file is written anew at most this often while cells come in.
constexpr std::chrono::seconds kSaveInterval{5};
// The fewest whose least and greatest are an interval (docs/compare.md).
constexpr const char* kSeeds = "5";
// That are measured again to learn why.
constexpr size_t kMostExplained = 20;

struct RunOptions {
  std::string kernel = "bookworm";
  std::string modules;
  std::map<std::string, std::string> lists;  // handed to the guest's binary as they are
  std::string preset;
  std::string probes = "on,off";
  std::string accel = "tcg-icount";
  std::string on = "vm";
  std::string dir;                        // on the host
  std::vector<std::string> only_in_a_vm;  // options given that mean nothing on the host
  bool page_cache = false;
  std::string out = "out";
  double boot_s = 300;
  double cell_s = 300;
  double total_s = 0;
  unsigned jobs = 0;
  unsigned pmem_mib = kPmemMib;
  uint64_t touches = 0;
  std::string seeds;  // N or FIRST..LAST; empty: the default
  std::string vary = "all";
  // A sample further off its cell's median, in percent, is measured again to learn why. The
  // accidents that all figures carry are below (docs/repeatability.md).
  double outlier = 3;
  std::string shard;  // I/N
  bool reverse = false;
  unsigned repetitions = 0;  // 0: the default
  bool force = false;
  bool samples = false;
  bool json = false;
  bool quiet = false;
  bool no_table = false;
};

// A selection with a name. What the user names besides goes before it.
struct Preset {
  const char* id;
  const char* summary;
  std::map<std::string, std::string> lists;
  uint64_t touches;
};

const std::vector<Preset>& presets() {
  static const std::vector<Preset> table = {
      {"kara2017",
       "the cells of Jan Kara's table of 2017, with and without MAP_SYNC",
       {{"fs", "ext4,xfs"},
        {"strategy", "volatile,map_sync"},
        {"workload", "first_touch,copy_beside"},
        {"state", "hole,written"}},
       512}};
  return table;
}

void apply_preset(RunOptions& options) {
  if (options.preset.empty()) return;
  std::vector<std::string> names;
  for (const Preset& preset : presets()) {
    names.emplace_back(preset.id);
    if (options.preset != preset.id) continue;
    for (const auto& [name, list] : preset.lists) {
      if (options.lists[name].empty()) options.lists[name] = list;
    }
    if (options.touches == 0) options.touches = preset.touches;
    return;
  }
  throw Failure(ExitCode::kUsage, fmt::format("--preset: nothing is called '{}'; there is: {}",
                                              options.preset, fmt::join(names, ", ")));
}

// The part of the cells that this run measures: those whose number is `index` modulo `count`.
struct Shard {
  size_t index = 0;
  size_t count = 1;
};

Shard shard_named(const std::string& text) {
  Shard shard;
  if (text.empty()) return shard;
  char rest = 0;
  if (std::sscanf(text.c_str(), "%zu/%zu%c", &shard.index, &shard.count, &rest) != 2 ||
      shard.index < 1 || shard.index > shard.count) {
    throw Failure(ExitCode::kUsage,
                  fmt::format("--shard: '{}' is not I/N with I from 1 to N, as 2/3", text));
  }
  --shard.index;
  return shard;
}

struct Job {
  size_t row = 0;  // in the result
  nlohmann::json cell;
  VmSpec spec;
  std::string name;     // of the row
  std::string what;     // to tell the user: the name, and which of its samples
  bool module = false;  // its image holds the strategy module
};

// What a guest's end means for its row. `row` has come if the guest sent one.
void judge_row(nlohmann::json& row, const GuestOutcome& outcome, bool came) {
  if (!outcome.ok()) {
    row["status"] = outcome.verdict == Verdict::kCancelled ? "incomplete" : "failed";
    row["reason"] = outcome.verdict == Verdict::kCancelled ? "interrupted" : outcome.message;
  } else if (!came) {
    row["status"] = "failed";
    row["reason"] = "the guest ended well but sent no row";
  } else if (!outcome.console_warnings.empty()) {
    row["status"] = "failed";
    row["reason"] = "the kernel warned: " + outcome.console_warnings.front();
  }
}

// Counts by status, and what they amount to.
struct Tally {
  size_t ok = 0;
  size_t skipped = 0;
  size_t incomplete = 0;
  size_t failed = 0;
};

Tally tally(const std::vector<nlohmann::json>& rows) {
  Tally t;
  for (const nlohmann::json& row : rows) {
    const auto& status = row.at("status");
    (status == "ok"        ? t.ok
     : status == "skipped" ? t.skipped
     : status == "failed"  ? t.failed
                           : t.incomplete)++;
  }
  return t;
}

class Run {
 public:
  Run(const RunOptions& options, const CommandContext& context)
      : options_(options), context_(context), progress_(options.quiet) {}

  ExitCode execute();

 private:
  [[nodiscard]] bool on_host() const { return options_.on == kHostKernel; }
  void prepare();
  void prepare_host();
  void tell_place(const std::string& ready);
  void plan_cells(const nlohmann::json& tables, const FetchedKernel& kernel,
                  const GuestImage& image);
  void make_states();
  void run_cells();
  void interleave();
  void explain_outliers();
  [[nodiscard]] bool virtual_time() const {
    return !on_host() && accel_info(accel_).time_domain == "virtual";
  }
  void finish();
  void note_guest(const Job& job, const wire::Frame& frame);
  void save();
  // Ticks and seconds of a boot, in the context: the two images of a kernel boot differently.
  nlohmann::json& boot_of(const Job& job) {
    nlohmann::json& kernel = result_context_["kernels"][job.cell.at("kernel")];
    return (job.module ? kernel["module"] : kernel)["boot"][job.spec.fs];
  }

  RunOptions options_;
  const CommandContext& context_;
  ProgressLine progress_;
  fs::path cache_;
  Accel accel_ = Accel::kTcgIcount;
  std::unique_ptr<StateCache> states_;
  std::unique_ptr<Host> host_;
  nlohmann::json result_context_;
  nlohmann::json accidents_;  // that seeds vary
  std::vector<nlohmann::json> rows_;
  std::map<std::string, size_t> cells_;  // names without the probes, in the order planned
  std::vector<Job> jobs_;
  std::mutex mutex_;  // of rows_, result_context_ and vm_failures_
  std::vector<std::string> vm_failures_;
  std::vector<std::string> last_tail_;  // console lines that were shown last
  std::atomic<bool> cancel_{false};
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point saved_;
};

// The selection as the guest's binary takes it.
std::vector<std::string> plan_arguments(const RunOptions& options, bool virtual_time) {
  std::vector<std::string> arguments = {"plan", "--probes", options.probes, "--vary", options.vary};
  if (virtual_time) {
    if (options.repetitions > 1) {
      throw Failure(ExitCode::kUsage,
                    "--repetitions: in virtual time each would be identical to the first; "
                    "--seeds varies what a figure should not hang on");
    }
    arguments.insert(arguments.end(), {"--seeds", options.seeds.empty() ? kSeeds : options.seeds});
    // A contest is many runs over periods and phases already.
    if (options.seeds.empty()) arguments.insert(arguments.end(), {"--contest-seeds", "0..0"});
  } else {
    if (!options.seeds.empty()) {
      throw Failure(ExitCode::kUsage,
                    "--seeds: of virtual time only; in wall time --repetitions N measures N times");
    }
    arguments.insert(
        arguments.end(),
        {"--repetitions", std::to_string(std::max(1U, options.repetitions)), "--wall"});
  }
  for (const auto& [name, list] : options.lists) {
    if (!list.empty()) arguments.insert(arguments.end(), {"--" + name, list});
  }
  if (options.touches != 0) {
    arguments.insert(arguments.end(), {"--touches", std::to_string(options.touches)});
  }
  if (options.samples) arguments.emplace_back("--samples");
  return arguments;
}

void name_job(Job& job, const nlohmann::json& row) {
  job.name = row.at("name").get<std::string>();
  job.what = job.name;
  if (const auto seed = job.cell.at("seed").get<uint64_t>(); seed != 0) {
    job.what += fmt::format(" seed {}", seed);
  }
  if (const auto repetition = job.cell.at("repetition").get<unsigned>(); repetition != 0) {
    job.what += fmt::format(" repetition {}", repetition);
  }
}

// Under -icount, QEMU 7.2: 6.1 stops at "Booting SMP configuration". The second vCPU spins in
// cpu_init(), in wait_for_master_cpu(), and the first in do_boot_cpu()'s loop around schedule()
// while jiffies go on (arch/x86/kernel/smpboot.c, rewritten in v6.5). Without icount it boots.
bool boots_two_vcpus(const std::string& release) {
  int major = 0;
  int minor = 0;
  if (std::sscanf(release.c_str(), "%d.%d", &major, &minor) != 2) return false;
  return major > 6 || (major == 6 && minor >= 12);
}

void Run::plan_cells(const nlohmann::json& tables, const FetchedKernel& kernel,
                     const GuestImage& image) {
  std::vector<std::string> arguments = plan_arguments(options_, virtual_time());
  arguments.insert(arguments.end(), {"--kernel", kernel.id});
  const std::set<std::string> needs_module = module_strategies(tables);
  std::optional<ModuleImage> with_module;
  const Shard shard = shard_named(options_.shard);
  for (nlohmann::json& planned : ask_guest_binary(context_, arguments)) {
    nlohmann::json row = planned.at("row");
    // A cell stays with its twin and its other seeds.
    const auto name = row.at("name").get<std::string>();
    const size_t number =
        cells_.emplace(name.substr(0, name.rfind('/')), cells_.size()).first->second;
    if (number % shard.count != shard.index) continue;
    row["accel"] = accel_info(accel_).name;
    row["vcpus"] = 1;
    const bool wanted = planned.at("skip").get<std::string>().empty();
    const bool module =
        wanted && needs_module.count(planned.at("cell").at("strategy").get<std::string>()) != 0;
    if (module && !with_module) {
      with_module = make_module_image(context_, tables, kernel, cache_,
                                      [this](const std::string& line) { progress_.say(line); });
    }
    if (module && !with_module->reason.empty()) {
      row["status"] = "skipped";
      row["reason"] = with_module->reason;
    } else if (wanted && planned.at("cell").at("setting") == "deterministic2" &&
               !boots_two_vcpus(kernel.release)) {
      row["status"] = "skipped";
      row["reason"] = fmt::format(
          "{} does not start a second vCPU under -icount: the first waits in do_boot_cpu() "
          "for the second, which waits in wait_for_master_cpu(); 6.12 and later boot otherwise",
          kernel.release);
    } else if (wanted) {
      Job job;
      job.row = rows_.size();
      job.cell = planned.at("cell");
      job.cell["delay"] = kernel.delay;
      name_job(job, row);
      job.module = module;
      job.spec = guest_spec(kernel, module ? with_module->image.path : image.path,
                            job.cell.at("fs").get<std::string>(), accel_);
      // mkfs.ext4 makes an inode per 16 KiB.
      for (job.spec.pmem_mib = options_.pmem_mib;
           job.spec.pmem_mib * 64 < job.cell.at("dirty_inodes").get<uint64_t>() * 6 / 5;) {
        job.spec.pmem_mib *= 2;
      }
      if (accel_info(accel_).time_domain != "virtual") {
        // Threads really run side by side there, as far as the host has cores.
        const auto parties = job.cell.at("threads").get<unsigned>() +
                             (job.cell.at("attackers").get<unsigned>() > 0 ? 1 : 0);
        job.spec.vcpus = std::min(parties, std::max(1U, std::thread::hardware_concurrency()));
        row["vcpus"] = job.spec.vcpus;
      }
      if (job.cell.at("setting") == "deterministic2") {
        job.spec.vcpus = 2;
        // Else the kernel compares two vCPUs' counters and distrusts them.
        job.spec.kernel_parameters.emplace_back("tsc=reliable");
        row["vcpus"] = 2;
      }
      row["status"] = "incomplete";
      row["reason"] = "not run";
      jobs_.push_back(std::move(job));
    }
    rows_.push_back(std::move(row));
  }
  if (with_module && with_module->reason.empty()) {
    result_context_["kernels"][kernel.id]["module"] = with_module->context;
  }
}

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

// What the user should know before it starts: where it runs, and what it lacks.
void Run::tell_place(const std::string& ready) {
  const nlohmann::json place = nlohmann::json::parse(ready, nullptr, false);
  if (!place.is_object()) return;
  progress_.say(
      fmt::format("{}: {} ({})", options_.dir, place.value("fs", ""), place.value("mount", "")));
  if (const auto remark = place.value("remark", ""); !remark.empty()) progress_.say(remark);
  for (const nlohmann::json& point : place.at("probes")) {
    // The one that counts faults; `kernels.host.probes` has all.
    if (point.value("id", "") == "fault.end" && point.value("set", "") == "on" &&
        point.value("means", "").empty()) {
      progress_.say(
          fmt::format("no probe {}: {}", point.value("id", ""), point.value("error", "")));
    }
  }
}

void Run::prepare_host() {
  if (!options_.only_in_a_vm.empty()) {
    throw Failure(ExitCode::kUsage, fmt::format("{}: of a VM only; --dir says what is measured",
                                                fmt::join(options_.only_in_a_vm, ", ")));
  }
  if (options_.dir.empty()) {
    throw Failure(ExitCode::kUsage, "--on host needs --dir, a folder on the mount to measure");
  }
  // What a preset says of file systems is for the VM.
  options_.lists.erase("fs");
  options_.jobs = 1;
  host_ = std::make_unique<Host>(context_, options_.dir);
  std::vector<std::string> arguments = plan_arguments(options_, false);
  arguments.insert(arguments.end(), {"--kernel", kHostKernel});
  const nlohmann::json planned = host_->plan(arguments, options_.page_cache);
  result_context_ = host_context(context_.command_line, options_.on, kHostTime);
  result_context_["kernels"][kHostKernel] = host_kernel();
  Job look;
  look.cell = {{"kernel", kHostKernel}};
  const GuestOutcome looked = host_->run(
      "", options_.boot_s,
      [&](const wire::Frame& frame) {
        note_guest(look, frame);
        if (frame.type == wire::kReady) tell_place(frame.payload);
      },
      cancel_);
  if (!looked.ok()) {
    const bool cancelled = looked.verdict == Verdict::kCancelled;
    throw Failure(cancelled ? ExitCode::kUsage : looked.exit_code, looked.message);
  }
  for (const nlohmann::json& cell : planned) {
    nlohmann::json row = cell.at("row");
    row["accel"] = kHostTime.accel;
    row["vcpus"] = nullptr;
    if (cell.at("skip").get<std::string>().empty()) {
      Job job;
      job.row = rows_.size();
      job.cell = cell.at("cell");
      name_job(job, row);
      row["status"] = "incomplete";
      row["reason"] = "not run";
      jobs_.push_back(std::move(job));
    }
    rows_.push_back(std::move(row));
  }
}

void Run::prepare() {
  apply_preset(options_);
  check_lists(options_.lists);
  static_cast<void>(shard_named(options_.shard));
  const Say say = [this](const std::string& line) { progress_.say(line); };
  claim_output(options_.out, options_.force);
  if (on_host()) return prepare_host();
  if (!options_.dir.empty() || options_.page_cache) {
    throw Failure(ExitCode::kUsage, "--dir and --allow-page-cache go with --on host");
  }
  cache_ = cache_dir();
  make_dirs(cache_);
  // Names first: a typing error should not cost a download.
  const nlohmann::json tables = ask_guest_binary(context_, {"list"});
  accidents_ = tables.at("vary");
  ask_guest_binary(context_, plan_arguments(options_, options_.repetitions == 0));
  if (options_.accel != "auto") accel_named(options_.accel);
  if (find_program("qemu-system-x86_64").empty()) {
    throw Failure(ExitCode::kUsage,
                  "qemu-system-x86_64 is not installed; `make deps` installs what is missing");
  }
  const std::vector<FetchedKernel> kernels =
      obtain_kernels(options_.kernel, options_.modules, cache_, say, Planted::kTake);
  accel_ = settle_accel(options_.accel, kernels.front(), cache_, cancel_, say);
  result_context_ = host_context(context_.command_line, options_.on, time_base(accel_info(accel_)));
  result_context_["qemu"] = qemu_context();
  for (const FetchedKernel& kernel : kernels) {
    const GuestImage image = make_guest_image(context_, tables, kernel, cache_);
    result_context_["kernels"][kernel.id] = kernel_context(kernel, image);
    plan_cells(tables, kernel, image);
    for (const Job& job : jobs_) {
      if (job.cell.at("kernel") == kernel.id) {
        VmSpec spec = job.spec;
        spec.park = true;
        result_context_["qemu"]["arguments"][kernel.id] = portable_arguments(spec);
      }
    }
  }
  states_ = std::make_unique<StateCache>(cache_, say);
}

// So that a drift of the machine, or an end before the end, meets all cells alike.
void Run::interleave() {
  std::stable_sort(jobs_.begin(), jobs_.end(), [](const Job& a, const Job& b) {
    const auto sample = [](const Job& job) {
      return std::pair(job.cell.at("seed").get<uint64_t>(),
                       job.cell.at("repetition").get<unsigned>());
    };
    return sample(a) < sample(b);
  });
  if (options_.reverse) std::reverse(jobs_.begin(), jobs_.end());
}

void Run::note_guest(const Job& job, const wire::Frame& frame) {
  const nlohmann::json payload = nlohmann::json::parse(frame.payload, nullptr, false);
  if (!payload.is_object()) return;
  const auto kernel = job.cell.at("kernel").get<std::string>();
  // On the host the folder says which.
  const std::string fs_id = on_host() ? payload.value("fs", "") : job.spec.fs;
  const std::lock_guard lock(mutex_);
  if (frame.type == wire::kHello) {
    nlohmann::json& entry = result_context_["kernels"][kernel];
    for (const char* field : {"release", "version", "btf_crc32", "command_line", "cpu_model"}) {
      if (payload.contains(field)) entry[field] = payload[field];
    }
    if (on_host()) return;
    boot_of(job)["hello"] = payload.value("ticks", nlohmann::json());
    // The file system differs from guest to guest of one kernel.
    if (entry["command_line"].is_string()) {
      auto line = entry["command_line"].get<std::string>();
      if (const size_t at = line.find(std::string(" ") + wire::kParamFs); at != std::string::npos) {
        entry["command_line"] = line.substr(0, at);
      }
    }
  } else if (frame.type == wire::kReady) {
    result_context_["file_systems"][fs_id] = {{"mkfs", payload.value("mkfs", "")},
                                              {"mount", payload.value("mount", "")},
                                              {"tool_version", payload.value("tool_version", "")}};
    // On the host a cell loads what it needs: only the look before them tells of all.
    if (payload.contains("probes")) {
      result_context_["kernels"][kernel]["probes"][fs_id] = payload["probes"];
    }
    if (on_host()) return;
    boot_of(job)["ready"] = payload.value("ticks", nlohmann::json());
    boot_of(job)["steps"] = payload.value("steps", nlohmann::json());
  }
}

void Run::make_states() {
  // One guest per kernel and file system, before the cells: else the first cells of one file system
  // would all wait for the same boot.
  std::vector<const Job*> firsts;
  std::map<std::string, bool> seen;
  for (const Job& job : jobs_) {
    if (!seen.emplace(states_->key_of(job.spec), true).second) continue;
    firsts.push_back(&job);
  }
  if (!accel_info(accel_).saves_state) return;
  const Deadlines deadlines{.boot_s = options_.boot_s, .cell_s = options_.cell_s};
  progress_.start(firsts.size());
  run_many(
      firsts.size(), options_.jobs,
      [&](size_t i) { return states_->obtain(firsts[i]->spec, deadlines, cancel_).outcome; },
      [&](size_t i, const GuestOutcome& outcome) {
        if (outcome.boot_s > 0) {
          const std::lock_guard lock(mutex_);
          boot_of(*firsts[i])["boot_s"] = std::round(outcome.boot_s * 10) / 10;
        }
        progress_.step(
            fmt::format("guest ready: {} {}{}", firsts[i]->cell.at("kernel").get<std::string>(),
                        firsts[i]->spec.fs, firsts[i]->module ? " with the strategy module" : ""));
      },
      cancel_);
}

void Run::run_cells() {
  const Deadlines deadlines{.boot_s = options_.boot_s, .cell_s = options_.cell_s};
  progress_.start(jobs_.size());
  std::vector<std::string> payloads(jobs_.size());
  run_many(
      jobs_.size(), options_.jobs,
      [&](size_t i) {
        const Job& job = jobs_[i];
        const FrameCallback on_frame = [&](const wire::Frame& frame) {
          if (frame.type == wire::kResult) {
            payloads[i] = frame.payload;
          } else {
            note_guest(job, frame);
          }
        };
        if (host_) return host_->run(job.cell.dump(), options_.cell_s, on_frame, cancel_);
        return states_->run_cell(job.spec, job.cell.dump(), deadlines, on_frame, cancel_);
      },
      [&](size_t i, const GuestOutcome& outcome) {
        const Job& job = jobs_[i];
        const std::lock_guard lock(mutex_);
        nlohmann::json& row = rows_[job.row];
        const nlohmann::json sent = nlohmann::json::parse(payloads[i], nullptr, false);
        const bool came = sent.is_object() && sent.value("name", "") == job.name;
        if (came) {
          const auto repetitions = row.at("repetitions");
          row.update(sent);
          row["repetitions"] = repetitions;
        }
        judge_row(row, outcome, came);
        if (!host_) row["life"] = outcome.restored ? "restored" : "booted";
        if (!outcome.ok() && outcome.verdict != Verdict::kCancelled) {
          if (outcome.exit_code == ExitCode::kVmFailed) {
            vm_failures_.push_back(job.what);
          }
          progress_.say(fmt::format("{}: {}", job.what, row["reason"].get<std::string>()));
          // A guest that cannot be made ready fails every cell of its file system alike.
          if (last_tail_ != outcome.console_tail) {
            for (const std::string& line : outcome.console_tail) progress_.say("  | " + line);
          }
          last_tail_ = outcome.console_tail;
        } else if (row["status"] == "failed") {
          progress_.say(fmt::format("{}: {}", job.what, row["reason"].get<std::string>()));
        }
        progress_.step(job.what);
        if (const auto now = std::chrono::steady_clock::now(); now - saved_ >= kSaveInterval) {
          save();
          saved_ = now;
        }
      },
      cancel_);
}

// Samples of a cell, the middle one among them, and those that lie far off.
struct Outliers {
  size_t typical = 0;  // index of a job
  double median = 0;
  std::vector<size_t> jobs;
};

std::vector<Outliers> find_outliers(const std::vector<Job>& jobs,
                                    const std::vector<nlohmann::json>& rows, double percent) {
  std::map<std::string, std::vector<std::pair<double, size_t>>> samples;
  for (size_t i = 0; i < jobs.size(); ++i) {
    const nlohmann::json& row = rows.at(jobs[i].row);
    // The probed rows of a cell have its accidents too.
    if (row.at("status") != "ok" || !row.at("touch").is_null() || row.at("probes") != "off") {
      continue;
    }
    samples[jobs[i].name].emplace_back(row.at("per_page").get<double>(), i);
  }
  std::vector<Outliers> found;
  for (auto& [name, cell] : samples) {
    if (cell.size() < 3) continue;
    std::sort(cell.begin(), cell.end());
    Outliers outliers;
    std::tie(outliers.median, outliers.typical) = cell.at(cell.size() / 2);
    for (const auto& [figure, job] : cell) {
      if (std::abs(figure / outliers.median - 1) * 100 > percent) {
        outliers.jobs.push_back(job);
      }
    }
    if (!outliers.jobs.empty()) found.push_back(outliers);
  }
  return found;
}

// One more life of the guest for a sample that lies far off, or for its cell's middle one.
struct Again {
  size_t job = 0;
  std::string vary;  // one accident alone, without probes; empty: with probes on what interrupts
};

// Runs each outlier and its cell's middle sample again: with each accident alone, and with probes
// on all that may interrupt. These touch nothing of the fault: what fell into it does so again.
void Run::explain_outliers() {
  const std::vector<Outliers> found = find_outliers(jobs_, rows_, options_.outlier);
  if (found.empty() || cancel_) return;
  size_t count = 0;
  std::vector<Again> again;
  for (const Outliers& outliers : found) {
    count += outliers.jobs.size();
    // The rest are told without a reason.
    if (count > kMostExplained && !again.empty()) continue;
    std::vector<size_t> jobs = outliers.jobs;
    jobs.push_back(outliers.typical);
    for (const size_t job : jobs) {
      again.push_back({job, ""});
      if (options_.vary != "all") continue;
      for (const nlohmann::json& accident : accidents_) {
        again.push_back({job, accident.at("id").get<std::string>()});
      }
    }
  }
  progress_.say(
      fmt::format("{} samples lie over {} % off their cell's median; to learn why, {} "
                  "more lives with one accident each, and with probes on what interrupts",
                  count, options_.outlier, again.size()));
  const Deadlines deadlines{.boot_s = options_.boot_s, .cell_s = options_.cell_s};
  progress_.start(again.size());
  std::vector<std::string> payloads(again.size());
  std::map<size_t, nlohmann::json> seen;
  run_many(
      again.size(), options_.jobs,
      [&](size_t i) {
        nlohmann::json cell = jobs_[again[i].job].cell;
        cell["probes"] = again[i].vary.empty() ? "interruptions" : "off";
        cell["samples"] = false;
        if (!again[i].vary.empty()) cell["vary"] = again[i].vary;
        return states_->run_cell(
            jobs_[again[i].job].spec, cell.dump(), deadlines,
            [&](const wire::Frame& frame) {
              if (frame.type == wire::kResult) payloads[i] = frame.payload;
            },
            cancel_);
      },
      [&](size_t i, const GuestOutcome& outcome) {
        const nlohmann::json row = nlohmann::json::parse(payloads[i], nullptr, false);
        progress_.step(jobs_[again[i].job].what);
        if (!outcome.ok() || !row.is_object()) return;
        nlohmann::json& sample = seen[again[i].job];
        sample["seed"] = row.value("seed", nlohmann::json());
        if (again[i].vary.empty()) {
          sample["interruptions"] = row.value("interruptions", nlohmann::json());
        } else {
          sample["alone"][again[i].vary] = row.value("per_page", nlohmann::json());
        }
      },
      cancel_);
  const std::lock_guard lock(mutex_);
  for (const Outliers& outliers : found) {
    for (const size_t job : outliers.jobs) {
      nlohmann::json& row = rows_[jobs_[job].row];
      row["outlier"] = {
          {"median", outliers.median},
          {"percent", (row.at("per_page").get<double>() / outliers.median - 1) * 100},
          {"here", seen.contains(job) ? seen[job] : nlohmann::json()},
          {"typical", seen.contains(outliers.typical) ? seen[outliers.typical] : nlohmann::json()}};
    }
  }
}

void Run::save() {
  result_context_["elapsed_s"] =
      std::round(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count() *
                 10) /
      10;
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  result_context_["peak_rss_kib"] = usage.ru_maxrss;
  write_result(options_.out, result_context_, rows_);
}

void Run::finish() {
  const std::lock_guard lock(mutex_);
  add_tax(rows_);
  const Tally t = tally(rows_);
  const bool interrupted = *context_.interrupted;
  result_context_["complete"] = !interrupted && t.incomplete == 0;
  result_context_["reason"] = interrupted
                                  ? fmt::format("interrupted: {} cells not run", t.incomplete)
                              : t.incomplete != 0 ? fmt::format("{} cells incomplete", t.incomplete)
                                                  : "";
  save();
}

ExitCode Run::execute() {
  // Signals set a flag of the command's; what runs here listens to its own.
  const Watch watch([this] {
    if (*context_.interrupted) cancel_ = true;
    if (options_.total_s > 0 &&
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count() >
            options_.total_s) {
      cancel_ = true;
    }
  });
  prepare();
  interleave();
  if (options_.jobs == 0) options_.jobs = workers_for(accel_);
  if (!jobs_.empty()) {
    save();
    saved_ = std::chrono::steady_clock::now();
    if (!host_) make_states();
    run_cells();
    if (virtual_time()) explain_outliers();
  }
  // Nothing of ours is on the user's mount when the result says that the run is over.
  host_.reset();
  finish();

  const Tally t = tally(rows_);
  const double elapsed =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  progress_.say(fmt::format("{} cells: {} ok, {} skipped, {} failed, {} incomplete; {}; {}",
                            rows_.size(), t.ok, t.skipped, t.failed, t.incomplete,
                            clock_text(elapsed), (fs::path(options_.out) / kResultName).string()));
  if (options_.json) {
    fmt::print("{}\n", nlohmann::json({{"context", result_context_}, {"benchmarks", rows_}})
                           .dump(1, ' ', false, nlohmann::json::error_handler_t::replace));
  } else if (!options_.quiet && !options_.no_table) {
    print_table(context_, options_.out);
  }
  if (!vm_failures_.empty()) return ExitCode::kVmFailed;
  if (*context_.interrupted || t.incomplete != 0) return ExitCode::kUsage;
  if (t.failed != 0) return ExitCode::kRegression;
  return t.ok == 0 ? ExitCode::kSkipped : ExitCode::kPass;
}

}  // namespace

Measured read_measured(const std::string& out) {
  std::ifstream in(fs::path(out) / kResultName);
  const nlohmann::json result = nlohmann::json::parse(in, nullptr, false);
  if (!result.is_object() || !result.contains("context") || !result.contains("benchmarks")) {
    return {};
  }
  return {.context = result["context"],
          .rows = result["benchmarks"].get<std::vector<nlohmann::json>>()};
}

Measured measure(const MeasureWish& wish, const CommandContext& context) {
  RunOptions options;
  options.kernel = wish.kernel;
  options.modules = wish.modules;
  options.lists = wish.lists;
  options.probes = wish.probes;
  options.accel = wish.accel;
  options.touches = wish.touches;
  options.seeds = wish.seeds;
  options.repetitions = wish.repetitions;
  options.boot_s = wish.boot_s;
  options.out = wish.out;
  options.force = true;
  options.quiet = true;
  const ExitCode code = Run(options, context).execute();
  Measured measured = read_measured(wish.out);
  measured.code = code;
  return measured;
}

Verb add_run(CLI::App& app) {
  auto options = std::make_shared<RunOptions>();
  CLI::App* run = app.add_subcommand("run", "Measure cells and write DIR/result.json");
  run->footer(
      "Names and globs, separated by commas; `faultline list` prints what there is.\n\n"
      "Examples:\n"
      "  faultline run --out out\n"
      "      the default matrix on the default kernel\n"
      "  faultline run --fs ext4,xfs --strategy 'map_*' --state hole --out holes\n"
      "  faultline run --kernel all --strategy fsync:8,map_sync --out kernels\n"
      "  faultline run --preset kara2017 --out kara\n"
      "  faultline run --workload dos --touch utimens,truncate --state written\n"
      "  faultline run --on host --dir /mnt/pmem --strategy map_sync,fsync\n"
      "  faultline run --kernel ./bzImage --modules ./mods/lib/modules/6.9.0\n\n"
      "Exit: 0 all ok; 1 a cell failed; 2 usage, interrupted or incomplete;\n"
      "69 a VM failed; 77 every cell was skipped.");
  std::vector<CLI::Option*> of_a_vm = {
      run->add_option(
             "--kernel", options->kernel,
             "kernels, point releases, `all`, `releases`, or the PATH of a bzImage; NAME+N: with "
             "N instructions planted in each fault")
          ->capture_default_str(),
      run->add_option("--modules", options->modules,
                      "modules folder that belongs to --kernel PATH")};
  const std::map<std::string, std::string> help = {
      {"fs", "file systems"},
      {"strategy", "strategies, NAME or NAME:K (fsync:8)"},
      {"workload", "workloads (default: first_touch)"},
      {"state", "what the touched block is beforehand: hole, unwritten, written"},
      {"order", "entry size: pte (default), pmd"},
      {"threads", "1 (default), 2, 4"},
      {"touch", "what attackers or the bystander do (workloads dos, bystander)"},
      {"attackers", "0, 1 (default), 2, 4 (workload dos)"},
      {"setting", "deterministic, deterministic2 (two vCPUs), concurrent (--accel tcg, kvm)"},
      {"dirty-inodes",
       "of other files, before each touch: 0, 100, 1000, 10000, 50000 (workload "
       "unrelated)"}};
  for (const char* name : {"fs", "strategy", "workload", "state", "order", "threads", "touch",
                           "attackers", "setting", "dirty-inodes"}) {
    CLI::Option* list =
        run->add_option(std::string("--") + name, options->lists[name], help.at(name));
    if (std::string(name) == "fs") of_a_vm.push_back(list);
  }
  run->add_option("--on", options->on, "vm; host: the running kernel, in --dir")
      ->check(CLI::IsMember({"vm", kHostKernel}))
      ->capture_default_str();
  run->add_option("--dir", options->dir, "a folder on the DAX mount to measure (--on host)");
  run->add_flag("--allow-page-cache", options->page_cache, "--dir need not be on DAX");
  std::string known;
  for (const Preset& preset : presets()) known += fmt::format("{}: {}", preset.id, preset.summary);
  run->add_option("--preset", options->preset, "a selection by name; " + known);
  run->add_option("--probes", options->probes,
                  "off, on, phases, locks, interruptions; a probed cell always has its twin")
      ->capture_default_str();
  of_a_vm.push_back(run->add_option("--accel", options->accel, "tcg-icount, tcg, kvm, or auto")
                        ->capture_default_str());
  run->add_option("--out", options->out, "folder of the result")->capture_default_str();
  run->add_flag("--force", options->force, "replace a result that is there");
  run->add_option("--touches", options->touches,
                  "measured stores per cell (default: the workload's)");
  of_a_vm.push_back(run->add_option("--seeds", options->seeds,
                                    "N, or FIRST..LAST; each varies tick phase, page frames and "
                                    "blocks, and is identical for ever (default: 5; contests: 1)"));
  of_a_vm.push_back(
      run->add_option("--vary", options->vary, "what seeds vary: all, or tick, pages, blocks alone")
          ->capture_default_str());
  of_a_vm.push_back(run->add_option("--outlier", options->outlier,
                                    "percent: a sample that lies further off its cell's median is "
                                    "measured again, to learn why")
                        ->capture_default_str());
  of_a_vm.push_back(
      run->add_option("--shard", options->shard, "I/N: every Nth cell from the Ith on"));
  run->add_flag("--reverse", options->reverse,
                "the last cell first; no figure of virtual time changes");
  run->add_option("--repetitions", options->repetitions,
                  "wall time: measures every cell N times, interleaved (default: 1)");
  run->add_flag("--samples", options->samples, "keep a record of every fault, sync and commit");
  of_a_vm.push_back(
      run->add_option("--jobs", options->jobs, "guests side by side (default: cores; wall: 1)"));
  of_a_vm.push_back(
      run->add_option("--pmem", options->pmem_mib, "MiB of emulated pmem")->capture_default_str());
  run->add_option("--boot-deadline", options->boot_s, "seconds for a boot")->capture_default_str();
  run->add_option("--cell-deadline", options->cell_s, "seconds for a cell")->capture_default_str();
  run->add_option("--deadline", options->total_s, "seconds for everything; 0: none")
      ->capture_default_str();
  run->add_flag("--json", options->json, "print the result as JSON instead of a table");
  run->add_flag("--no-table", options->no_table, "progress, but no table");
  run->add_flag("--quiet", options->quiet, "no progress and no table");
  return {run, [options, of_a_vm](const CommandContext& context) {
            for (const CLI::Option* option : of_a_vm) {
              if (option->count() > 0) options->only_in_a_vm.push_back(option->get_name());
            }
            return Run(*options, context).execute();
          }};
}

}  // namespace faultline
