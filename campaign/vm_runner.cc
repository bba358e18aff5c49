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
      : wish_(std::move(wish)), cancel_(cancel), machines_(context, std::move(say)) {}

  [[nodiscard]] TimeBase time() const override { return time_base(accel_info(machines_.accel())); }
  [[nodiscard]] unsigned workers() const override { return workers_for(machines_.accel()); }
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
  void note(const CellJob& job, const wire::Frame& frame, SharedContext& context);
  // Ticks and seconds of a boot, in the context: the two images of a kernel boot differently.
  static nlohmann::json& boot_of(const CellJob& job, nlohmann::json& context) {
    nlohmann::json& kernel = context["kernels"][job.cell.kernel];
    return (job.module ? kernel["module"] : kernel)["boot"][job.spec.fs];
  }

  VmWish wish_;
  std::atomic<bool>& cancel_;
  Machines machines_;
  SharedContext* shared_ = nullptr;
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
  VmSpec parked = job.spec;
  parked.park = true;
  shared_->json["qemu"]["arguments"][on.id] = portable_arguments(parked);
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

GuestOutcome VmRunner::run(const CellJob& job, const FrameCallback& on_frame,
                           SharedContext& context, const std::atomic<bool>& cancel) {
  return machines_.states().run_cell(
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
