// SPDX-License-Identifier: GPL-2.0-only
#include "harness/by_hand.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "cell/failure.h"
#include "cell/strategy.h"
#include "harness/filesystem.h"
#include "harness/probe.h"
#include "harness/run.h"

namespace faultline {
namespace {

// A folder that goes with its owner.
class Folder {
 public:
  explicit Folder(std::string path) : path_(std::move(path)) {
    if (mkdir(path_.c_str(), 0755) != 0) {
      throw Failure(ExitCode::kUsage, fmt::format("mkdir {}: {}; `ls /mnt` shows what is mounted",
                                                  path_, std::strerror(errno)));
    }
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

template <typename T>
std::string figure(const std::optional<T>& value) {
  if (!value) return "-";
  if constexpr (std::is_same_v<T, double>) return fmt::format("{:.1f}", *value);
  if constexpr (!std::is_same_v<T, double>) return fmt::format("{}", *value);
}

}  // namespace

Row run_by_hand(const Cell& cell, const std::string& mounted, std::optional<uint64_t> warmup) {
  const FileSystem* fs = find_file_system(cell.fs);
  const Strategy* strategy = find_strategy(cell.strategy);
  const Workload* workload = find_workload(cell.workload);
  if (fs == nullptr || strategy == nullptr || workload == nullptr) {
    throw Failure(ExitCode::kUsage, fmt::format("{} is not of the tables", cell.name()));
  }
  const Folder folder(fmt::format("{}/cell-{}", mounted, getpid()));
  ProbeSets probes(*fs, false, ProbeSets::Loading::kWhenAsked);
  return run_cell(cell, {.fs = *fs,
                         .strategy = *strategy,
                         .workload = *workload,
                         .code = code_of(*workload),
                         .directory = folder.path(),
                         .probes = probes,
                         .warmup = warmup});
}

std::string tell_row(const Row& row) {
  std::string told = row.name + "\n";
  if (!is_ok(row))
    told += fmt::format("{}: {}\n", static_cast<const std::string&>(row.status), row.reason);
  if (!row.touches || !row.faults) return told;
  const std::string& unit = row.unit;
  told += fmt::format("touches {}   faults {}   order {}   application's syncs {}\n",
                      figure(row.touches), figure(row.faults),
                      static_cast<const std::string&>(row.mapped_order.value_or("none")),
                      figure(row.app_syncs));
  told += fmt::format("per_fault {} {}   per_page {} {}\n", figure(row.per_fault), unit,
                      figure(row.per_page), unit);
  if (!row.probe) return told;
  ProbeFigures::fields([&](const auto& field) {
    const std::optional<ProbePart>& part = (*row.probe).*field.member;
    if (!part) return;
    told += fmt::format("probe {:<12} count {:>8}   mean {:>10}   max {:>10}\n", field.name,
                        part->count, figure(part->mean), part->max);
  });
  return told;
}

}  // namespace faultline
