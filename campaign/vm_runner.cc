// SPDX-License-Identifier: GPL-2.0-only
// Cells in guests of QEMU's.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <thread>

#include "campaign/machines.h"
#include "campaign/observation.h"
#include "campaign/plugin_file.h"
#include "campaign/runner.h"
#include "cell/json_text.h"
#include "cell/strategy.h"
#include "harness/wire.h"
#include "vm/files.h"
#include "vm/saved_state.h"

namespace faultline {

void note_hello(const nlohmann::json& payload, nlohmann::json& kernel) {
  for (const char* field : {"release", "version", "btf_crc32", "command_line", "cpu_model"}) {
    if (payload.contains(field)) kernel[field] = payload[field];
  }
}

nlohmann::json made_file_system(const nlohmann::json& payload) {
  return {{"mkfs", text_in(payload, "mkfs")},
          {"mount", text_in(payload, "mount")},
          {"tool_version", text_in(payload, "tool_version")},
          {"features", payload.value("features", nlohmann::json::array())}};
}

void size_guest(VmSpec& spec, const Cell& cell, unsigned pmem_mib) {
  // mkfs.ext4 makes an inode per 16 KiB.
  for (spec.pmem_mib = pmem_mib; std::uint64_t{spec.pmem_mib} * 64 < cell.dirty_inodes * 6 / 5;) {
    spec.pmem_mib *= 2;
  }
  check_fits(cell, spec.pmem_mib);
  if (accel_info(spec.accel).time_domain != "virtual") {
    // Threads really run side by side there, as far as the host has cores.
    spec.vcpus = std::min(cell.threads + (cell.attackers > 0 ? 1 : 0),
                          std::max(1U, std::thread::hardware_concurrency()));
  }
  if (cell.is_contest() && cell.setting == Setting::kDeterministic2) spec.vcpus = 2;
}

namespace {

class VmRunner : public Runner {
 public:
  VmRunner(const CommandContext& context, VmWish wish, Say say, std::atomic<bool>& cancel)
      : context_(context),
        wish_(std::move(wish)),
        say_(say),
        cancel_(cancel),
        machines_(context, std::move(say)),
        symbols_(machines_.cache() / "symbols") {}

  [[nodiscard]] TimeBase time() const override { return time_base(accel_info(machines_.accel())); }
  [[nodiscard]] unsigned workers() const override { return workers_for(machines_.accel()); }
  std::vector<RunnerKernel> prepare(SharedContext& context) override;
  std::string assign(std::size_t kernel, CellJob& job, Row& row) override;
  void warm_up(const std::vector<CellJob>& jobs, unsigned workers, SharedContext& context,
               ProgressLine& progress, std::atomic<bool>& cancel) override;
  GuestOutcome run(const CellJob& job, const FrameCallback& on_frame, SharedContext& context,
                   const std::atomic<bool>& cancel) override;
  [[nodiscard]] bool is_observed(const CellJob& job) const override;
  void put_observed(const CellJob& job, Row& row) override;
  [[nodiscard]] std::optional<Count> vcpus() const override { return 1; }
  void note_life(const GuestOutcome& outcome, Row& row) const override {
    row.life = Choice<kLives>(kLives[outcome.restored ? 0 : 1]);
  }
  void close() override {}

 private:
  void note(const CellJob& job, const wire::Frame& frame, SharedContext& context);
  // Ticks and seconds of a boot, in the context: the two images of a kernel boot differently.
  static nlohmann::json& boot_of(const CellJob& job, nlohmann::json& context) {
    nlohmann::json& kernel = context["kernels"][job.cell.kernel];
    return (job.module ? kernel["module"] : kernel)["boot"][job.spec.fs];
  }

  std::unique_ptr<Observation> observe(const CellJob& job, const std::atomic<bool>& cancel);
  // Says it of the first cell that has this reason.
  void say_not_observed(const CellJob& job, const std::string& why);

  const CommandContext& context_;
  VmWish wish_;
  Say say_;
  std::atomic<bool>& cancel_;
  Machines machines_;
  KernelSymbols symbols_;
  SharedContext* shared_ = nullptr;
  std::mutex observed_mutex_;                                     // of what is below
  std::map<std::size_t, std::unique_ptr<Observation>> observed_;  // by row
  std::set<std::string> said_;
};

std::vector<RunnerKernel> VmRunner::prepare(SharedContext& context) {
  shared_ = &context;
  machines_.prepare({.kernel = wish_.kernel,
                     .modules = wish_.modules,
                     .accel = wish_.accel,
                     .planted = Planted::kTake},
                    context.json, cancel_);
  std::vector<RunnerKernel> kernels;
  for (std::size_t i = 0; i < machines_.count(); ++i) {
    kernels.push_back({.id = machines_.kernel(i).id, .around = machines_.around(i)});
  }
  return kernels;
}

std::string VmRunner::assign(std::size_t kernel, CellJob& job, Row& row) {
  std::string reason = machines_.equip(kernel, job.cell, job.spec, shared_->json);
  if (!reason.empty()) return reason;
  const FetchedKernel& on = machines_.kernel(kernel);
  job.module = find_strategy(job.cell.strategy)->needs_module();
  job.cell.delay = on.delay;
  size_guest(job.spec, job.cell, wish_.pmem_mib);
  row.vcpus = job.spec.vcpus;
  shared_->json["qemu"]["arguments"][on.id] = common_arguments(job.spec);
  return "";
}

void VmRunner::note(const CellJob& job, const wire::Frame& frame, SharedContext& context) {
  const nlohmann::json payload = parse_json(frame.payload);
  if (!payload.is_object()) return;
  const std::lock_guard lock(context.mutex);
  nlohmann::json& kernel = context.json["kernels"][job.cell.kernel];
  if (frame.type == wire::kHello) {
    note_hello(payload, kernel);
    boot_of(job, context.json)["hello"] = payload.value("ticks", nlohmann::json());
    // The file system differs from guest to guest of one kernel.
    if (kernel["command_line"].is_string()) {
      auto line = kernel["command_line"].get<std::string>();
      if (const std::size_t at = line.find(std::string(" ") + wire::kParamFs);
          at != std::string::npos) {
        kernel["command_line"] = line.substr(0, at);
      }
    }
  } else if (frame.type == wire::kReady) {
    context.json["file_systems"][job.spec.fs] = made_file_system(payload);
    if (payload.contains("probes")) kernel["probes"][job.spec.fs] = payload["probes"];
    boot_of(job, context.json)["ready"] = payload.value("ticks", nlohmann::json());
    boot_of(job, context.json)["steps"] = payload.value("steps", nlohmann::json());
  }
}

void VmRunner::warm_up(const std::vector<CellJob>& jobs, unsigned workers, SharedContext& context,
                       ProgressLine& progress, std::atomic<bool>& cancel) {
  if (!accel_info(machines_.accel()).saves_state) return;
  // One guest per kernel and file system, before the cells: else the first cells of one file system
  // would all wait for the same boot.
  std::vector<const CellJob*> firsts;
  std::set<std::string> seen;
  for (const CellJob& job : jobs) {
    if (seen.insert(machines_.states().key_of(job.spec)).second) firsts.push_back(&job);
  }
  progress.start(firsts.size());
  run_many(
      firsts.size(), workers,
      [&](std::size_t i) {
        return machines_.states().obtain(firsts[i]->spec, wish_.deadlines, cancel).outcome;
      },
      [&](std::size_t i, const GuestOutcome& outcome) {
        if (outcome.boot_s > 0) {
          const std::lock_guard lock(context.mutex);
          boot_of(*firsts[i], context.json)["boot_s"] = std::round(outcome.boot_s * 10) / 10;
        }
        progress.step(fmt::format("guest ready: {} {}{}", firsts[i]->cell.kernel,
                                  firsts[i]->spec.fs,
                                  firsts[i]->module ? " with the strategy module" : ""));
      },
      cancel);
}

// QEMU refused the observer, or went away with it: what the guest itself did is said otherwise.
bool may_be_the_observers(Verdict verdict) {
  return verdict == Verdict::kQemuFailed || verdict == Verdict::kQemuKilled ||
         verdict == Verdict::kNoDone || verdict == Verdict::kHalfFrame;
}

GuestOutcome VmRunner::run(const CellJob& job, const FrameCallback& on_frame,
                           SharedContext& context, const std::atomic<bool>& cancel) {
  const auto life = [&](const LifeExtras& extras, const FrameCallback& on_words) {
    return machines_.states().run_cell(
        job.spec, cell_to_json(job.cell).dump(), wish_.deadlines,
        [&](const wire::Frame& frame) {
          if (frame.type == wire::kResult || frame.type == wire::kSamples) {
            on_words(frame);
          } else {
            note(job, frame, context);
          }
        },
        cancel, extras);
  };
  std::unique_ptr<Observation> observation = observe(job, cancel);
  if (!observation) return life({}, on_frame);
  std::vector<wire::Frame> words;
  GuestOutcome outcome = life({.qemu_parameters = observation->qemu_parameters()},
                              [&](const wire::Frame& frame) { words.push_back(frame); });
  if (may_be_the_observers(outcome.verdict)) {
    say_not_observed(job, outcome.message);
    return life({}, on_frame);
  }
  for (const wire::Frame& frame : words) on_frame(frame);
  const std::lock_guard lock(observed_mutex_);
  observed_[job.row] = std::move(observation);
  return outcome;
}

void VmRunner::say_not_observed(const CellJob& job, const std::string& why) {
  if (wish_.on_unobserved) wish_.on_unobserved(why);
  const std::lock_guard lock(observed_mutex_);
  if (!said_.insert(why).second) return;
  say_(fmt::format("{} is not observed: {}", *empty_row(job.cell, "", "").cell, why));
}

bool VmRunner::is_observed(const CellJob& job) const {
  // A cell with probes has a twin, whose figures are shown.
  return wish_.observe && !job.again && !watches(job.cell.probes) &&
         job.cell.seed <= wish_.observe.last_seed;
}

// nullptr: it is measured all the same.
std::unique_ptr<Observation> VmRunner::observe(const CellJob& job,
                                               const std::atomic<bool>& cancel) {
  if (!is_observed(job)) return nullptr;
  std::string why = why_not_observed(job.cell, job.spec);
  const std::string& version = the_qemu().version;
  const std::string name = plugin_file(kObserverPlugin, version);
  const std::filesystem::path plugin = context_.parts.guest_binary.parent_path() / name;
  std::error_code error;
  if (why.empty() && name.empty()) why = fmt::format("{} has no plugin interface for it", version);
  if (why.empty() && !std::filesystem::exists(plugin, error)) {
    why = fmt::format("{} is missing; install package faultline again", plugin.string());
  }
  std::shared_ptr<const observe::Symbols> symbols;
  if (why.empty()) {
    symbols = symbols_.obtain(machines_.states(), job.spec, job.cell, wish_.deadlines, cancel, why);
  }
  if (!symbols) {
    say_not_observed(job, why);
    return nullptr;
  }
  return std::make_unique<Observation>(job.spec, job.cell, wish_.observe, plugin,
                                       std::move(symbols));
}

void VmRunner::put_observed(const CellJob& job, Row& row) {
  std::unique_ptr<Observation> observation;
  {
    const std::lock_guard lock(observed_mutex_);
    const auto found = observed_.find(job.row);
    if (found == observed_.end()) return;
    observation = std::move(found->second);
    observed_.erase(found);
  }
  try {
    const observe::Profile profile = observation->profile(row);
    row.path.emplace(static_cast<double>(profile.path()) / static_cast<double>(*row.pages));
    if (wish_.observe.profile) row.profile.emplace(profile_figures(profile, *row.pages));
    if (wish_.observe.vector)
      row.vector.emplace(vector_figures(profile, row, wish_.observe.geometry));
    if (wish_.observe.caches)
      row.caches.emplace(cache_figures(profile, *row.pages, wish_.observe.geometry));
    if (profile.unattributed != 0) {
      throw Failure(ExitCode::kRegression,
                    fmt::format("the observer: {} instructions are of no known function",
                                profile.unattributed));
    }
    if (wish_.on_profile) wish_.on_profile(row, profile);
  } catch (const Failure& failure) {
    row.status = kStatusFailed;
    row.reason = failure.what();
  }
}

}  // namespace

std::unique_ptr<Runner> make_vm_runner(const CommandContext& context, const VmWish& wish, Say say,
                                       std::atomic<bool>& cancel) {
  return std::make_unique<VmRunner>(context, wish, std::move(say), cancel);
}

}  // namespace faultline
