// SPDX-License-Identifier: GPL-2.0-only
#include "harness/by_hand.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "harness/failure.h"
#include "harness/filesystem.h"
#include "harness/probe.h"
#include "harness/run.h"
#include "harness/strategy.h"

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

std::string figure(const nlohmann::json& value) {
  if (!value.is_number()) return "-";
  return value.is_number_integer() ? fmt::format("{}", value.get<int64_t>())
                                   : fmt::format("{:.1f}", value.get<double>());
}

}  // namespace

nlohmann::json run_by_hand(const Cell& cell, const Workload& workload, const std::string& mounted,
                           std::optional<uint64_t> warmup) {
  const FileSystem* fs = find_file_system(cell.fs);
  const Strategy* strategy = find_strategy(cell.strategy);
  if (fs == nullptr || strategy == nullptr) {
    throw Failure(ExitCode::kUsage, fmt::format("no file system or strategy of this name: {}, {}",
                                                cell.fs, cell.strategy));
  }
  const Folder folder(fmt::format("{}/cell-{}", mounted, getpid()));
  ProbeSets probes(*fs, false, ProbeSets::Loading::kWhenAsked);
  return run_cell(cell, {.fs = *fs,
                         .strategy = *strategy,
                         .workload = workload,
                         .directory = folder.path(),
                         .probes = probes,
                         .warmup = warmup});
}

std::string tell_row(const nlohmann::json& row) {
  const auto text = [&](const char* field) { return row.value(field, ""); };
  std::string told = fmt::format("{}\n", text("name"));
  if (text("status") != "ok") told += fmt::format("{}: {}\n", text("status"), text("reason"));
  if (!row.contains("touches") || !row["faults"].is_number()) return told;
  told += fmt::format("touches {}   faults {}   order {}   application's syncs {}\n",
                      figure(row["touches"]), figure(row["faults"]), text("mapped_order"),
                      figure(row["app_syncs"]));
  told += fmt::format("per_fault {} {}   per_page {} {}\n", figure(row["per_fault"]), text("unit"),
                      figure(row["per_page"]), text("unit"));
  if (!row.contains("probe") || !row["probe"].is_object()) return told;
  for (const auto& [id, probe] : row["probe"].items()) {
    if (!probe.is_object()) continue;
    told += fmt::format("probe {:<12} count {:>8}   mean {:>10}   max {:>10}\n", id,
                        figure(probe["count"]), figure(probe["mean"]), figure(probe["max"]));
  }
  return told;
}

}  // namespace faultline
