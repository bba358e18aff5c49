// SPDX-License-Identifier: GPL-2.0-only
// What a run would come to, without a guest.
#include <fmt/format.h>

#include <cctype>
#include <optional>

#include "campaign/runner.h"
#include "cell/file_system.h"
#include "cell/strategy.h"
#include "vm/files.h"
#include "vm/guest_pool.h"

namespace faultline {
namespace fs = std::filesystem;
namespace {

// Which point releases there are only the mirrors know; one that is named in full is taken.
std::vector<KernelRow> rows_of(const std::string& name) {
  if (name == "all") return kernel_table();
  std::vector<KernelRow> rows = rows_matching(name, kernel_table());
  if (!rows.empty()) return rows;
  if (name == "releases" || name.find_first_of("*?[") != std::string::npos) {
    throw Failure(ExitCode::kUsage,
                  fmt::format("--dry-run fetches nothing, and which kernels {} stands for the "
                              "mirrors know; name them (`faultline kernels list --releases`)",
                              name));
  }
  if (name.empty() || std::isdigit(static_cast<unsigned char>(name.front())) == 0) {
    return find_kernels(name);
  }
  return {{.id = name, .aliases = {name}, .version = name}};
}

// What is known of a kernel: if it is not in the cache, its name, and its release where an alias is
// one.
FetchedKernel known_of(const KernelRow& row, const fs::path& cache) {
  if (kernels_json(cache, {row}).front().at("fetched").get<bool>()) return fetch_kernel(row, cache);
  FetchedKernel kernel{.id = row.id};
  for (const std::string& alias : row.aliases) {
    if (std::isdigit(static_cast<unsigned char>(alias.front())) != 0) kernel.release = alias;
  }
  return kernel;
}

class DryRunner : public Runner {
 public:
  DryRunner(VmWish wish, Say say) : wish_(std::move(wish)), say_(std::move(say)) {
    if (wish_.accel != kAccelAuto) accel_ = accel_named(wish_.accel).accel;
  }

  [[nodiscard]] TimeBase time() const override { return time_base(accel_info(accel_)); }
  [[nodiscard]] unsigned workers() const override { return workers_for(accel_); }
  std::vector<RunnerKernel> prepare(SharedContext& /*context*/) override {
    const KernelSource source = {
        .rows = rows_of, .fetch = [](const KernelRow& row) { return known_of(row, cache_dir()); }};
    for (const FetchedKernel& kernel :
         obtain_kernels(wish_.kernel, wish_.modules, source, say_, Planted::kTake)) {
      kernels_.push_back(
          {.id = kernel.id,
           .around = {.release = kernel.release, .lacks = lacking_file_systems(kernel)}});
    }
    return kernels_;
  }
  std::string assign(std::size_t kernel, CellJob& job, Row& /*row*/) override {
    job.module = find_strategy(job.cell.strategy)->needs_module();
    job.spec.kernel = kernels_.at(kernel).id;
    job.spec.fs = job.cell.fs;
    job.spec.accel = accel_;
    size_guest(job.spec, job.cell, wish_.pmem_mib);
    return "";
  }
  void warm_up(const std::vector<CellJob>& /*jobs*/, unsigned /*workers*/,
               SharedContext& /*context*/, ProgressLine& /*progress*/,
               std::atomic<bool>& /*cancel*/) override {}
  GuestOutcome run(const CellJob& /*job*/, const FrameCallback& /*on_frame*/,
                   SharedContext& /*context*/, const std::atomic<bool>& /*cancel*/) override {
    return {};
  }
  [[nodiscard]] std::optional<Count> vcpus() const override { return 1; }
  void note_life(const GuestOutcome& /*outcome*/, Row& /*row*/) const override {}
  void close() override {}

 private:
  VmWish wish_;
  Say say_;
  Accel accel_ = Accel::kTcgIcount;
  std::vector<RunnerKernel> kernels_;
};

}  // namespace

std::unique_ptr<Runner> make_dry_runner(const VmWish& wish, Say say) {
  return std::make_unique<DryRunner>(wish, std::move(say));
}

}  // namespace faultline
