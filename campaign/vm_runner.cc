// SPDX-License-Identifier: GPL-2.0-only
// Cells in guests of QEMU's.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <thread>

#include "campaign/runner.h"
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
  return {{"mkfs", payload.value("mkfs", "")},
          {"mount", payload.value("mount", "")},
          {"tool_version", payload.value("tool_version", "")},
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
      : context_(context), wish_(std::move(wish)), say_(std::move(say)), cancel_(cancel) {}

  [[nodiscard]] TimeBase time() const override { return time_base(accel_info(accel_)); }
  [[nodiscard]] unsigned workers() const override { return workers_for(accel_); }
  std::vector<RunnerKernel> prepare(SharedContext& context) override;
  std::string assign(std::size_t kernel, CellJob& job, Row& row) override;
  void warm_up(const std::vector<CellJob>& jobs, unsigned workers, SharedContext& context,
               ProgressLine& progress, std::atomic<bool>& cancel) override;
  GuestOutcome run(const CellJob& job, const FrameCallback& on_frame, SharedContext& context,
                   const std::atomic<bool>& cancel) override;
  [[nodiscard]] std::optional<Count> vcpus() const override { return 1; }
  void note_life(const GuestOutcome& outcome, Row& row) const override {
    row.life = Choice<kLives>(kLives[outcome.restored ? 0 : 1]);
  }
  void close() override {}

 private:
  struct Prepared {
    FetchedKernel kernel;
    GuestImage image;
    std::optional<ModuleImage> with_module;  // made when a cell needs it
  };
  void note(const CellJob& job, const wire::Frame& frame, SharedContext& context);
  // Ticks and seconds of a boot, in the context: the two images of a kernel boot differently.
  static nlohmann::json& boot_of(const CellJob& job, nlohmann::json& context) {
    nlohmann::json& kernel = context["kernels"][job.cell.kernel];
    return (job.module ? kernel["module"] : kernel)["boot"][job.spec.fs];
  }

  const CommandContext& context_;
  VmWish wish_;
  Say say_;
  std::atomic<bool>& cancel_;
  std::filesystem::path cache_;
  Accel accel_ = Accel::kTcgIcount;
  std::vector<Prepared> kernels_;
  std::unique_ptr<StateCache> states_;
  SharedContext* shared_ = nullptr;
};

std::vector<RunnerKernel> VmRunner::prepare(SharedContext& context) {
  shared_ = &context;
  cache_ = cache_dir();
  make_dirs(cache_);
  if (wish_.accel != "auto") accel_named(wish_.accel);
  the_qemu(say_);
  const std::vector<FetchedKernel> fetched =
      obtain_kernels(wish_.kernel, wish_.modules, cache_, say_, Planted::kTake);
  accel_ = settle_accel(wish_.accel, fetched.front(), cache_, cancel_, say_);
  context.json["qemu"] = qemu_context();
  std::vector<RunnerKernel> kernels;
  for (const FetchedKernel& kernel : fetched) {
    kernels_.push_back({.kernel = kernel,
                        .image = make_guest_image(context_, kernel, cache_, say_),
                        .with_module = std::nullopt});
    context.json["kernels"][kernel.id] = kernel_context(kernel, kernels_.back().image);
    kernels.push_back(
        {.id = kernel.id,
         .around = {.release = kernel.release, .lacks = kernels_.back().image.lacks}});
  }
  states_ = std::make_unique<StateCache>(cache_, say_);
  return kernels;
}

std::string VmRunner::assign(std::size_t kernel, CellJob& job, Row& row) {
  Prepared& on = kernels_.at(kernel);
  const Cell& cell = job.cell;
  job.module = find_strategy(cell.strategy)->needs_module();
  if (job.module && !on.with_module) {
    on.with_module = make_module_image(context_, on.kernel, cache_, say_);
    if (on.with_module->reason.empty()) {
      shared_->json["kernels"][on.kernel.id]["module"] = on.with_module->context;
    }
  }
  if (job.module && !on.with_module->reason.empty()) return on.with_module->reason;
  job.cell.delay = on.kernel.delay;
  job.spec = guest_spec(on.kernel, job.module ? on.with_module->image.path : on.image.path, cell.fs,
                        accel_);
  size_guest(job.spec, cell, wish_.pmem_mib);
  row.vcpus = job.spec.vcpus;
  VmSpec parked = job.spec;
  parked.park = true;
  shared_->json["qemu"]["arguments"][on.kernel.id] = portable_arguments(parked);
  return "";
}

void VmRunner::note(const CellJob& job, const wire::Frame& frame, SharedContext& context) {
  const nlohmann::json payload = nlohmann::json::parse(frame.payload, nullptr, false);
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
  if (!accel_info(accel_).saves_state) return;
  // One guest per kernel and file system, before the cells: else the first cells of one file system
  // would all wait for the same boot.
  std::vector<const CellJob*> firsts;
  std::set<std::string> seen;
  for (const CellJob& job : jobs) {
    if (seen.insert(states_->key_of(job.spec)).second) firsts.push_back(&job);
  }
  progress.start(firsts.size());
  run_many(
      firsts.size(), workers,
      [&](std::size_t i) {
        return states_->obtain(firsts[i]->spec, wish_.deadlines, cancel).outcome;
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

GuestOutcome VmRunner::run(const CellJob& job, const FrameCallback& on_frame,
                           SharedContext& context, const std::atomic<bool>& cancel) {
  return states_->run_cell(
      job.spec, cell_to_json(job.cell).dump(), wish_.deadlines,
      [&](const wire::Frame& frame) {
        if (frame.type == wire::kResult || frame.type == wire::kSamples) {
          on_frame(frame);
        } else {
          note(job, frame, context);
        }
      },
      cancel);
}

}  // namespace

std::unique_ptr<Runner> make_vm_runner(const CommandContext& context, const VmWish& wish, Say say,
                                       std::atomic<bool>& cancel) {
  return std::make_unique<VmRunner>(context, wish, std::move(say), cancel);
}

}  // namespace faultline
