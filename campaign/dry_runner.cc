// SPDX-License-Identifier: GPL-2.0-only
// What a run would come to, without a guest.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <optional>

#include "campaign/runner.h"
#include "cell/file_system.h"
#include "cell/strategy.h"
#include "cell/words.h"
#include "vm/files.h"
#include "vm/guest_pool.h"

namespace faultline {
namespace fs = std::filesystem;
namespace {

std::set<std::string> lacking_file_systems(const FetchedKernel& kernel) {
  std::vector<WantedModule> wanted;
  for (const FileSystem& row : file_systems()) {
    wanted.push_back({.name = row.module, .lacking = true});
  }
  std::set<std::string> lacks;
  load_order(kernel.modules_dir, wanted, &lacks);
  return lacks;
}

RunnerKernel of_kernel(const FetchedKernel& kernel) {
  return {.id = kernel.id,
          .around = {.release = kernel.release, .lacks = lacking_file_systems(kernel)}};
}

RunnerKernel of_row(const KernelRow& row, const fs::path& cache) {
  if (kernels_json(cache, {row}).front().at("fetched").get<bool>()) {
    return of_kernel(fetch_kernel(row, cache));
  }
  RunnerKernel kernel{.id = row.id};
  for (const std::string& alias : row.aliases) {
    if (std::isdigit(static_cast<unsigned char>(alias.front())) != 0) kernel.around.release = alias;
  }
  return kernel;
}

class DryRunner : public Runner {
 public:
  DryRunner(VmWish wish, Say say) : wish_(std::move(wish)), say_(std::move(say)) {
    if (wish_.accel != "auto") accel_ = accel_named(wish_.accel).accel;
  }

  [[nodiscard]] TimeBase time() const override { return time_base(accel_info(accel_)); }
  [[nodiscard]] unsigned workers() const override { return workers_for(accel_); }
  std::vector<RunnerKernel> prepare(SharedContext& /*context*/) override {
    const fs::path cache = cache_dir();
    std::error_code error;
    const std::vector<std::string> texts = fs::exists(wish_.kernel, error)
                                               ? std::vector<std::string>{wish_.kernel}
                                               : split_list(wish_.kernel);
    const auto add = [&](RunnerKernel kernel, std::uint64_t delay) {
      if (delay != 0) kernel.id += fmt::format("+{}", delay);
      const bool have = std::any_of(kernels_.begin(), kernels_.end(),
                                    [&](const RunnerKernel& k) { return k.id == kernel.id; });
      if (!have) kernels_.push_back(std::move(kernel));
    };
    for (const std::string& text : texts) {
      const std::optional<OwnKernel> own = own_kernel(text);
      const std::string& name = own ? own->path : text;
      const PlantedName wanted =
          own && fs::exists(name, error) ? PlantedName{.name = name} : planted_name(name);
      if (own) {
        FetchedKernel kernel = kernel_of_path(wanted.name, wish_.modules, own->name);
        check_own_config(kernel, say_);
        add(of_kernel(kernel), wanted.delay);
        continue;
      }
      for (const KernelRow& row : rows_of(wanted.name)) add(of_row(row, cache), wanted.delay);
    }
    if (kernels_.empty()) throw Failure(ExitCode::kUsage, "--kernel: names no kernel");
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
  // Which point releases there are only the mirrors know; one that is named in full is taken.
  static std::vector<KernelRow> rows_of(const std::string& name) {
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
