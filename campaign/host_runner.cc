// SPDX-License-Identifier: GPL-2.0-only
// Cells on the machine itself, in a folder of the user's mount.
#include <fmt/format.h>

#include "campaign/host_process.h"
#include "campaign/runner.h"
#include "cell/file_system.h"
#include "cell/json_text.h"
#include "harness/wire.h"

namespace faultline {
namespace {

class HostRunner : public Runner {
 public:
  HostRunner(const CommandContext& context, HostWish wish, Say say, std::atomic<bool>& cancel)
      : wish_(std::move(wish)),
        say_(std::move(say)),
        cancel_(cancel),
        process_(std::make_unique<HostProcess>(context, wish_.dir)) {}

  [[nodiscard]] TimeBase time() const override { return kHostTime; }
  [[nodiscard]] unsigned workers() const override { return 1; }
  std::vector<RunnerKernel> prepare(SharedContext& context) override;
  std::string assign(std::size_t /*kernel*/, CellJob& /*job*/, Row& /*row*/) override { return ""; }
  void warm_up(const std::vector<CellJob>& /*jobs*/, unsigned /*workers*/,
               SharedContext& /*context*/, ProgressLine& /*progress*/,
               std::atomic<bool>& /*cancel*/) override {}
  GuestOutcome run(const CellJob& job, const FrameCallback& on_frame, SharedContext& context,
                   const std::atomic<bool>& cancel) override;
  [[nodiscard]] std::optional<Count> vcpus() const override { return std::nullopt; }
  void note_life(const GuestOutcome& /*outcome*/, Row& /*row*/) const override {}
  void close() override { process_.reset(); }

 private:
  static void note(const wire::Frame& frame, nlohmann::json& context);
  void tell(const nlohmann::json& place) const;

  HostWish wish_;
  Say say_;
  std::atomic<bool>& cancel_;
  std::unique_ptr<HostProcess> process_;
  std::vector<FileSystem> file_systems_;  // the one of the folder
};

void HostRunner::note(const wire::Frame& frame, nlohmann::json& context) {
  const nlohmann::json payload = parse_json(frame.payload);
  if (!payload.is_object()) return;
  nlohmann::json& kernel = context["kernels"][kHostKernel];
  if (frame.type == wire::kHello) note_hello(payload, kernel);
  if (frame.type != wire::kReady) return;
  const std::string fs = text_in(payload, "fs");
  context["file_systems"][fs] = made_file_system(payload);
  // A cell loads what it needs: only the look before them tells of all.
  if (payload.contains("probes")) kernel["probes"][fs] = payload["probes"];
}

// What the user should know before it starts: where it runs, and what it lacks.
void HostRunner::tell(const nlohmann::json& place) const {
  say_(fmt::format("{}: {} ({})", wish_.dir, place.value("fs", ""), place.value("mount", "")));
  if (const auto remark = place.value("remark", ""); !remark.empty()) say_(remark);
  for (const nlohmann::json& point : place.value("probes", nlohmann::json::array())) {
    // The one that counts faults; `kernels.host.probes` has all.
    if (point.value("id", "") == "fault.end" && point.value("set", "") == id_of(Probes::k_on) &&
        point.value("means", "").empty()) {
      say_(fmt::format("no probe {}: {}", point.value("id", ""), point.value("error", "")));
    }
  }
}

std::vector<RunnerKernel> HostRunner::prepare(SharedContext& context) {
  context.json["kernels"][kHostKernel] = host_kernel();
  nlohmann::json ready;
  const GuestOutcome looked = process_->run(
      "", wish_.boot_s,
      [&](const wire::Frame& frame) {
        note(frame, context.json);
        if (frame.type == wire::kReady) {
          ready = parse_json(frame.payload);
        }
      },
      cancel_);
  if (!looked.ok()) {
    const bool cancelled = looked.verdict == Verdict::kCancelled;
    throw Failure(cancelled ? ExitCode::kUsage : looked.exit_code,
                  cancelled ? looked.message : fmt::format("{}: {}", wish_.dir, looked.message));
  }
  if (!ready.is_object()) throw Failure(ExitCode::kRegression, "the cell's process told nothing");
  if (!ready.value("dax", false) && !wish_.page_cache) {
    throw Failure(ExitCode::kUsage, fmt::format("{}: {}", wish_.dir, ready.value("refusal", "")));
  }
  tell(ready);
  file_systems_.push_back(host_file_system(ready.value("type", ""), ready.value("dax", false),
                                           ready.value("fast_commit", false)));
  file_systems_.back().by_default = true;
  return {{.id = kHostKernel,
           .sources = {.file_systems = file_systems_},
           .around = {.place = HostPlace{.where = ready.value("where", ""),
                                         .map_sync = ready.value("map_sync", ""),
                                         .module_loaded = ready.value("module_loaded", false)}}}};
}

GuestOutcome HostRunner::run(const CellJob& job, const FrameCallback& on_frame,
                             SharedContext& context, const std::atomic<bool>& cancel) {
  return process_->run(
      cell_to_json(job.cell).dump(), wish_.cell_s,
      [&](const wire::Frame& frame) {
        if (frame.type == wire::kResult || frame.type == wire::kSamples) {
          on_frame(frame);
        } else {
          const std::lock_guard lock(context.mutex);
          note(frame, context.json);
        }
      },
      cancel);
}

}  // namespace

std::unique_ptr<Runner> make_host_runner(const CommandContext& context, const HostWish& wish,
                                         Say say, std::atomic<bool>& cancel) {
  return std::make_unique<HostRunner>(context, wish, std::move(say), cancel);
}

}  // namespace faultline
