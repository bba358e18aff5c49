// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/result.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iterator>
#include <map>
#include <thread>
#include <tuple>

#include "campaign/context.h"
#include "cell/failure.h"
#include "cell/json_text.h"
#include "cell/schema.h"
#include "cell/words.h"
#include "vm/files.h"

namespace faultline {

namespace fs = std::filesystem;

namespace {

// Tells whether the CPU's clock is scaled, as Google Benchmark does: by a governor that is not
// `performance`.
bool cpu_scaling() {
  std::ifstream in("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
  std::string governor;
  return in >> governor && governor != "performance";
}

// What a row and its twin share: the cell, and which sample it is.
std::tuple<std::string, Count, Count> sample_of(const Row& row) {
  return {*row.cell, row.seed, row.repetition_index};
}

// Tells whether a row has the figures for a tax: a file may hold rows that say they are ok and have
// none.
bool has_figures(const Row& row) { return is_ok(row) && row.cell && row.per_fault && row.per_page; }

}  // namespace

nlohmann::json result_context(const std::vector<std::string>& command_line, bool on_host,
                              const TimeBase& time) {
  utsname name{};
  uname(&name);
  std::ifstream info("/proc/cpuinfo");
  const std::string cpus(std::istreambuf_iterator<char>(info), {});
  const std::time_t now = std::time(nullptr);
  const long pages = sysconf(_SC_PHYS_PAGES);
  double load[3] = {};
  const int loads = getloadavg(load, 3);
  nlohmann::json context = {
      {"schema_version", kSchemaVersion},
      {"date", fmt::format("{:%Y-%m-%dT%H:%M:%S+00:00}", fmt::gmtime(now))},
      {"executable", "faultline"},
      {"num_cpus", std::thread::hardware_concurrency()},
      {"mhz_per_cpu", static_cast<long>(std::strtod(cpu_info(cpus, "cpu MHz").c_str(), nullptr))},
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
       {{"cpu_model", cpu_info(cpus, "model name")},
        {"kernel", name.release},
        {"memory_bytes", pages * sysconf(_SC_PAGE_SIZE)}}},
      {"on", on_host ? "host" : "vm"},
      {"accel", time.accel},
      {"time_domain", time.time_domain},
      {"unit", time.unit},
      {"qemu", nullptr},
      {"kernels", nlohmann::json::object()},
      {"file_systems", nlohmann::json::object()},
      {"tables", tables_json()},
      {"elapsed_s", 0.0}};
  return context;
}

namespace {

// What of the tax falls on each phase, so that they add up to it. The marks' share is known by
// their number. A fault that waits meets other programs too, most of them in those that it waits
// for: what the marks do not account for is the waiting's, if that is where most of the time goes.
void share_tax(std::vector<PhaseFigures>& phases, double tax) {
  PhaseFigures* waiting = nullptr;
  double marks = 0;
  double whole = 0;
  for (PhaseFigures& phase : phases) {
    marks += phase.marks_cost;
    whole += phase.mean.value;
    if (phase.id == "commit_wait" || (phase.id == "log_wait" && waiting == nullptr)) {
      waiting = &phase;
    }
  }
  if (marks <= 0) return;
  if (waiting != nullptr && (tax < marks || waiting->mean.value < whole / 10)) waiting = nullptr;
  const double scale = waiting == nullptr ? tax / marks : 1;
  for (PhaseFigures& phase : phases) {
    const double share = scale * phase.marks_cost + (&phase == waiting ? tax - marks : 0);
    phase.tax = share;
    phase.net = phase.mean.value - share;
  }
}

}  // namespace

void Tally::count(std::string_view status) {
  (status == kStatusOk        ? ok
   : status == kStatusSkipped ? skipped
   : status == kStatusFailed  ? failed
                              : incomplete)++;
}

Tally tally(const std::vector<Row>& rows) {
  Tally t;
  for (const Row& row : rows) t.count(static_cast<const std::string&>(row.status));
  return t;
}

std::string tally_text(const Tally& tally, const std::string& what) {
  return fmt::format("{} {}{}: {} ok, {} skipped, {} failed, {} incomplete", tally.total(), what,
                     tally.total() == 1 ? "" : "s", tally.ok, tally.skipped, tally.failed,
                     tally.incomplete);
}

ExitCode end_code(const Tally& tally, bool interrupted, bool vm_failed) {
  if (vm_failed) return ExitCode::kVmFailed;
  if (interrupted || tally.incomplete != 0) return ExitCode::kUsage;
  if (tally.failed != 0) return ExitCode::kRegression;
  return tally.ok == 0 ? ExitCode::kSkipped : ExitCode::kPass;
}

void note_complete(nlohmann::json& context, const Tally& tally, const std::string& what,
                   bool interrupted) {
  context["complete"] = !interrupted && tally.incomplete == 0;
  context["reason"] =
      interrupted             ? fmt::format("interrupted: {} {} not run", tally.incomplete, what)
      : tally.incomplete != 0 ? fmt::format("{} {} incomplete", tally.incomplete, what)
                              : "";
}

void note_elapsed(nlohmann::json& context, double seconds) {
  context["elapsed_s"] = std::round(seconds * 10) / 10;
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  context["peak_rss_kib"] = usage.ru_maxrss;
}

void add_tax(std::vector<Row>& rows) {
  std::map<std::tuple<std::string, Count, Count>, const Row*> twins;
  for (const Row& row : rows) {
    if (row.probes == Probes::k_off && has_figures(row)) twins[sample_of(row)] = &row;
  }
  for (Row& row : rows) {
    // Another set costs a fault nothing that would be worth a figure.
    const bool in_faults = sees(row.probes, kSeesFaults) || sees(row.probes, kRunsAProgram);
    if (!in_faults || !has_figures(row)) continue;
    const auto twin = twins.find(sample_of(row));
    if (twin == twins.end()) continue;
    const double tax = *row.per_fault - *twin->second->per_fault;
    row.tax = tax;
    row.tax_page = *row.per_page - *twin->second->per_page;
    if (row.phases) share_tax(*row.phases, tax);
  }
}

void write_document(const fs::path& file, const nlohmann::json& document) {
  // A console line may hold any byte.
  write_file(file, document.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

void write_result(const fs::path& dir, const nlohmann::json& context,
                  const std::vector<Row>& rows) {
  nlohmann::json written = nlohmann::json::array();
  for (const Row& row : rows) written.push_back(json_of(row));
  write_document(dir / kResultName, {{"context", context}, {"benchmarks", std::move(written)}});
}

ReadResult read_result(const fs::path& place) {
  std::error_code error;
  std::ifstream in(fs::is_directory(place, error) ? place / kResultName : place);
  return result_of({std::istreambuf_iterator<char>(in), {}});
}

ReadResult result_of(const std::string& text) {
  const nlohmann::json result = parse_json(text);
  if (!result.is_object() || !result.contains("context") || !result.contains("benchmarks") ||
      !result["context"].is_object() || !result["benchmarks"].is_array()) {
    return {};
  }
  ReadResult read{.context = result["context"]};
  try {
    for (const nlohmann::json& row : result["benchmarks"]) {
      read.rows.push_back(earlier_row_from_json(row));
    }
  } catch (const Failure&) {
    return {};
  }
  return read;
}

std::vector<ContextDifference> what_differs(const nlohmann::json& one,
                                            const nlohmann::json& other) {
  using Pointer = nlohmann::json::json_pointer;
  const auto differ = [](const nlohmann::json& a, const nlohmann::json& b, const char* at) {
    const Pointer pointer(at);
    return (a.contains(pointer) ? a[pointer] : nlohmann::json()) !=
           (b.contains(pointer) ? b[pointer] : nlohmann::json());
  };
  std::vector<ContextDifference> found;
  const Pointer kernels("/kernels");
  const bool both = one.contains(kernels) && other.contains(kernels);
  for (const auto& [at, name] :
       {std::pair("/vmlinuz_sha256", "kernel"), std::pair("/image_sha256", "image of kernel")}) {
    if (!both) break;
    for (const auto& [id, kernel] : one[kernels].items()) {
      if (!other[kernels].contains(id) || !differ(kernel, other[kernels][id], at)) continue;
      found.push_back({.what = fmt::format("{} {}", name, id), .kernel = *(at + 1) == 'v'});
    }
  }
  constexpr std::array<std::pair<const char*, const char*>, 5> kParts = {
      {{"/on", "machine (--on)"},
       {"/accel", "--accel"},
       {"/time_domain", "time domain"},
       {"/qemu/binary_sha256", "QEMU"},
       {"/faultline/git_revision", "faultline"}}};
  for (const auto& [at, name] : kParts) {
    if (differ(one, other, at)) found.push_back({.what = name});
  }
  return found;
}

void refuse_other_context(const nlohmann::json& before, const nlohmann::json& now,
                          const std::string& place) {
  if (const auto others = what_differs(before, now); !others.empty()) {
    throw Failure(ExitCode::kUsage,
                  fmt::format("{} was measured with another {}; what is left cannot be measured "
                              "beside it: run it anew, with another --out",
                              place, others.front().what));
  }
}

void take_earlier_context(const nlohmann::json& before, nlohmann::json& now) {
  for (const char* table : {"kernels", "file_systems"}) {
    if (before.contains(table)) now[table].update(before[table]);
  }
  for (const char* known : {"date", "command_line"}) {
    if (before.contains(known)) now[known] = before[known];
  }
}

void claim_output(const fs::path& dir, const char* name, bool replace) {
  std::error_code error;
  if (fs::exists(dir / name, error) && !replace) {
    throw Failure(ExitCode::kUsage,
                  fmt::format("{} holds another {}; give another --out, or --force to replace it; "
                              "--resume {} goes on with what was interrupted",
                              dir.string(), name, dir.string()));
  }
  make_dirs(dir);
  if (access(dir.c_str(), W_OK) != 0) {
    throw Failure(ExitCode::kUsage,
                  fmt::format("{}: cannot be written; give another --out", dir.string()));
  }
}

}  // namespace faultline
