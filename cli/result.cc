// SPDX-License-Identifier: GPL-2.0-only
#include "cli/result.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <fstream>
#include <map>
#include <thread>
#include <tuple>

#include "cli/context.h"
#include "harness/failure.h"
#include "vm/files.h"

namespace faultline {

namespace fs = std::filesystem;

namespace {

// The value of the first line of /proc/cpuinfo that starts with `key`.
std::string cpu_info(const std::string& key) {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(key)) return line.substr(line.find(':') + 2);
  }
  return "";
}

// As Google Benchmark has it: a governor that is not `performance`.
bool cpu_scaling() {
  std::ifstream in("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
  std::string governor;
  return in >> governor && governor != "performance";
}

// What a row and its twin share: the name without the last part, and which sample it is.
std::tuple<std::string, uint64_t, uint64_t> sample_of(const nlohmann::json& row) {
  const auto name = row.at("name").get<std::string>();
  return {name.substr(0, name.rfind('/')), row.at("seed").get<uint64_t>(),
          row.at("repetition_index").get<uint64_t>()};
}

}  // namespace

nlohmann::json host_context(const std::vector<std::string>& command_line, const std::string& on,
                            const TimeBase& time) {
  utsname name{};
  uname(&name);
  const std::time_t now = std::time(nullptr);
  const long pages = sysconf(_SC_PHYS_PAGES);
  double load[3] = {};
  const int loads = getloadavg(load, 3);
  nlohmann::json context = {
      {"schema_version", kSchemaVersion},
      {"date", fmt::format("{:%Y-%m-%dT%H:%M:%S+00:00}", fmt::gmtime(now))},
      {"executable", "faultline"},
      {"num_cpus", std::thread::hardware_concurrency()},
      {"mhz_per_cpu", static_cast<long>(std::strtod(cpu_info("cpu MHz").c_str(), nullptr))},
      {"cpu_scaling_enabled", cpu_scaling()},
      {"caches", nlohmann::json::array()},
      {"load_avg", std::vector<double>(load, load + (loads > 0 ? loads : 0))},
#ifdef NDEBUG
      {"library_build_type", "release"},
#else
      {"library_build_type", "debug"},
#endif
      {"faultline", {{"version", build_version()}, {"git_revision", build_revision()}}},
      {"command_line", command_line},
      {"complete", false},
      {"reason", "not finished"},
      {"host",
       {{"cpu_model", cpu_info("model name")},
        {"kernel", name.release},
        {"memory_bytes", pages * sysconf(_SC_PAGE_SIZE)}}},
      {"on", on},
      {"accel", time.accel},
      {"time_domain", time.time_domain},
      {"unit", time.unit},
      {"qemu", nullptr},
      {"kernels", nlohmann::json::object()},
      {"file_systems", nlohmann::json::object()},
      {"elapsed_s", 0.0}};
  return context;
}

// What of the tax falls on each phase, so that they add up to it. The marks' share is known by
// their number. A fault that waits meets other programs too, most of them in those that it waits
// for: what the marks do not account for is the waiting's, if that is where most of the time goes.
void share_tax(nlohmann::json& phases, double tax) {
  nlohmann::json* waiting = nullptr;
  double marks = 0;
  double whole = 0;
  for (nlohmann::json& phase : phases) {
    marks += phase.at("marks_cost").get<double>();
    whole += phase.at("mean").get<double>();
    const auto id = phase.at("id").get<std::string>();
    if (id == "commit_wait" || (id == "log_wait" && waiting == nullptr)) waiting = &phase;
  }
  if (marks <= 0) return;
  if (waiting != nullptr && (tax < marks || waiting->at("mean").get<double>() < whole / 10)) {
    waiting = nullptr;
  }
  const double scale = waiting == nullptr ? tax / marks : 1;
  for (nlohmann::json& phase : phases) {
    const double share =
        scale * phase.at("marks_cost").get<double>() + (&phase == waiting ? tax - marks : 0);
    phase["tax"] = share;
    phase["net"] = phase.at("mean").get<double>() - share;
  }
}

void add_tax(std::vector<nlohmann::json>& rows) {
  std::map<decltype(sample_of({})), const nlohmann::json*> twins;
  for (const nlohmann::json& row : rows) {
    if (row.at("probes") == "off" && row.at("status") == "ok") twins[sample_of(row)] = &row;
  }
  for (nlohmann::json& row : rows) {
    if (row.at("probes") == "off" || row.at("status") != "ok") continue;
    const auto twin = twins.find(sample_of(row));
    if (twin == twins.end() || row.at("probes") == "interruptions") continue;
    const double tax =
        row.at("per_fault").get<double>() - twin->second->at("per_fault").get<double>();
    row["tax"] = tax;
    row["tax_page"] = row.at("per_page").get<double>() - twin->second->at("per_page").get<double>();
    if (!row.contains("phases") || !row["phases"].is_array()) continue;
    share_tax(row["phases"], tax);
  }
}

void write_result(const fs::path& dir, const nlohmann::json& context,
                  const std::vector<nlohmann::json>& rows) {
  nlohmann::json result = {{"context", context}, {"benchmarks", rows}};
  // A console line may hold any byte.
  write_file(dir / kResultName,
             result.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

void claim_output(const fs::path& dir, bool replace) {
  std::error_code error;
  if (fs::exists(dir / kResultName, error) && !replace) {
    throw Failure(ExitCode::kUsage,
                  fmt::format("{} holds another run's result; give another --out, or --force to "
                              "replace it",
                              dir.string()));
  }
  make_dirs(dir);
  if (access(dir.c_str(), W_OK) != 0) {
    throw Failure(ExitCode::kUsage,
                  fmt::format("{}: cannot be written; give another --out", dir.string()));
  }
}

}  // namespace faultline
