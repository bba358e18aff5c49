// SPDX-License-Identifier: GPL-2.0-only
#include "harness/run.h"

#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <memory>
#include <vector>

#include "harness/clock.h"
#include "harness/contest.h"
#include "harness/failure.h"
#include "harness/histogram.h"
#include "harness/mapping.h"
#include "harness/module.h"

namespace faultline {
namespace {

// Touches before the measured ones, on pages of their own, so that first-call costs are paid.
constexpr uint64_t kWarmupPte = 16;
constexpr uint64_t kWarmupPmd = 1;
// Long enough for the kernel's deferred work after the preparation; idle time costs nothing real
// under `sleep=off`.
constexpr long kSettleNs = 50'000'000;

uint64_t MonotonicNs() {
  timespec ts{};
  clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
  return static_cast<uint64_t>(ts.tv_sec) * 1'000'000'000U + static_cast<uint64_t>(ts.tv_nsec);
}

// Keeps what Google Benchmark says of the run, prints nothing.
class Collector : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context& /*context*/) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      iterations += run.iterations;
      if (run.error_occurred) error = run.error_message;
    }
  }
  int64_t iterations = 0;
  std::string error;
};

// What the lanes of a cell add up to.
struct Totals {
  Lane::Counts sum;
  uint64_t busy = 0;  // over all lanes, less the waiting for the clock
  uint64_t begin = UINT64_MAX;
  uint64_t end = 0;

  void Add(const Lane::Counts& lane) {
    busy += lane.end - lane.begin - lane.pause_ticks;
    sum.sync_ticks += lane.sync_ticks;
    sum.faults += lane.faults;
    sum.app_syncs += lane.app_syncs;
    sum.mtime_changes += lane.mtime_changes;
    if (sum.error == 0) sum.error = lane.error;
    begin = std::min(begin, lane.begin);
    end = std::max(end, lane.end);
  }
};

// Runs one loop under Google Benchmark with fixed iterations, one lane per thread.
Totals Measure(const Cell& cell, const Workload& workload, const std::vector<LaneSpec>& lanes) {
  std::vector<Lane::Counts> counts(lanes.size());
  const uint64_t per_lane = lanes.front().touches;
  benchmark::ClearRegisteredBenchmarks();
  benchmark::RegisterBenchmark(cell.Name().c_str(),
                               [&](benchmark::State& state) {
                                 const auto index = static_cast<size_t>(state.thread_index());
                                 Lane lane(lanes[index], &state);
                                 workload.run(lane);
                                 counts[index] = lane.counts();
                               })
      ->Iterations(static_cast<int64_t>(per_lane))
      ->Threads(static_cast<int>(lanes.size()))
      ->UseRealTime();
  Collector collector;
  benchmark::RunSpecifiedBenchmarks(&collector);
  if (!collector.error.empty()) throw Failure(ExitCode::kRegression, collector.error);
  if (collector.iterations != static_cast<int64_t>(cell.touches)) {
    throw Failure(ExitCode::kRegression, fmt::format("Google Benchmark ran {} iterations, not {}",
                                                     collector.iterations, cell.touches));
  }
  Totals totals;
  for (const Lane::Counts& lane : counts) totals.Add(lane);
  return totals;
}

// What of the loop is counted with the touches, over memory that takes no fault and with no call to
// sync: ticks per touch.
double LoopCost(const Workload& workload, LaneSpec spec) {
  const uint64_t span = spec.touches * kPageSize;
  const std::unique_ptr<char[]> memory(new char[span + kPageSize]);
  std::memset(memory.get(), 1, span + kPageSize);
  spec.base = memory.get();
  spec.stride = kPageSize;
  if (spec.paced) spec.every = 1;  // a stretch stays one touch
  spec.paced = false;
  if (spec.persist != Persist::kFlushLines) spec.persist = Persist::kNothing;
  // The least of three: a clock tick may fall into one.
  uint64_t least = UINT64_MAX;
  for (int i = 0; i < 3; ++i) {
    Lane lane(spec, nullptr);
    workload.run(lane);
    const Lane::Counts& counts = lane.counts();
    least = std::min(least, counts.end - counts.begin - counts.sync_ticks);
  }
  return static_cast<double>(least) / static_cast<double>(spec.touches);
}

nlohmann::json ProbeJson(const ProbeSet& probes, ProbeId id, const fl_state& state) {
  const ProbeStatus& status = probes.status(id);
  if (status.target.empty()) return nullptr;
  const std::span<const uint64_t> buckets(state.buckets);
  nlohmann::json histogram = nlohmann::json::array();
  for (size_t i = 0; i < buckets.size(); ++i) {
    if (buckets[i] != 0) histogram.push_back({BucketLow(i), BucketLow(i + 1), buckets[i]});
  }
  nlohmann::json json = {{"count", state.count},  {"sum", state.sum},
                         {"max", state.max},      {"target", status.target},
                         {"means", status.means}, {"histogram", histogram}};
  json["mean"] =
      state.count == 0
          ? nlohmann::json(nullptr)
          : nlohmann::json(static_cast<double>(state.sum) / static_cast<double>(state.count));
  for (const auto& [name, q] : {std::pair{"p50", 0.5}, std::pair{"p90", 0.9},
                                std::pair{"p99", 0.99}, std::pair{"p99_9", 0.999}}) {
    json[name] = Quantile(buckets, q, state.max);
  }
  return json;
}

}  // namespace

nlohmann::json ModuleJson(const fl_kmod_stats& stats) {
  nlohmann::json retries = nlohmann::json::array();
  for (size_t i = 0; i < FL_KMOD_RETRIES; ++i) {
    if (stats.retries_per_fault[i] != 0) retries.push_back({i, stats.retries_per_fault[i]});
  }
  return {{"attempts", stats.attempts},
          {"faults", stats.faults},
          {"syncs", stats.syncs},
          {"syncs_dropped", stats.syncs_dropped},
          {"retries", stats.retries},
          {"passed_over", stats.passed_over},
          {"not_droppable", stats.not_droppable},
          {"mmap_locks", stats.mmap_locks},
          {"vma_locks", stats.vma_locks},
          {"errors", stats.errors},
          {"retries_per_fault", retries}};
}

uint64_t RetriesP50(const fl_kmod_stats& stats) {
  uint64_t seen = 0;
  for (size_t i = 0; i < FL_KMOD_RETRIES; ++i) {
    seen += stats.retries_per_fault[i];
    if (2 * seen >= stats.faults) return i;
  }
  return 0;
}

namespace {

// A process that does something else on the file system for as long as this lives.
class Beside {
 public:
  explicit Beside(const RunContext& context) {
    if (context.workload.beside == nullptr) return;
    child_ = fork();
    if (child_ < 0) {
      throw Failure(ExitCode::kVmFailed, fmt::format("fork: {}", std::strerror(errno)));
    }
    if (child_ == 0) {
      context.workload.beside(context.directory);
      _exit(0);
    }
    // Under way, and out of its first steps.
    const timespec settle{0, kSettleNs};
    clock_nanosleep(CLOCK_MONOTONIC, 0, &settle, nullptr);
  }
  ~Beside() { Stop(); }
  Beside(const Beside&) = delete;
  Beside& operator=(const Beside&) = delete;

  // Whether it was still at work.
  bool Stop() {
    if (child_ <= 0) return true;
    kill(child_, SIGKILL);
    int status = 0;
    while (waitpid(child_, &status, 0) < 0 && errno == EINTR) {
    }
    child_ = -1;
    return WIFSIGNALED(status);
  }

 private:
  pid_t child_ = -1;
};

// Throws Failure when the kernel does not do what the strategy needs; the row then says so.
void Fill(const Cell& cell, const RunContext& context, nlohmann::json& row) {
  const Strategy& strategy = context.strategy;
  const uint64_t stride = cell.Stride();
  const uint64_t warmup =
      context.warmup.value_or(cell.order == Order::kPmd ? kWarmupPmd : kWarmupPte);
  const uint64_t bytes = (warmup + cell.touches) * stride;
  const bool huge = cell.order == Order::kPmd;

  const TestFile file(context.directory + "/cell", bytes, cell.state, huge);
  std::unique_ptr<Mapping> mapping;
  if (strategy.mapped) {
    mapping = std::make_unique<Mapping>(file, bytes, strategy.map_sync, cell.order);
  }
  row["dax"] = file.IsDax();
  row["map_sync"] = mapping && mapping->IsMapSync();
  if (row["dax"] != context.fs.dax) {
    throw Failure(ExitCode::kRegression, fmt::format("statx says DAX is {} on {}",
                                                     context.fs.dax ? "off" : "on", cell.fs));
  }
  if (row["map_sync"] != strategy.map_sync) {
    throw Failure(ExitCode::kRegression, "VmFlags in smaps do not show MAP_SYNC (sf) as asked");
  }

  // Loaded by the cell that needs it; the file keeps the strategy till it is closed.
  std::unique_ptr<StrategyModule> module;
  if (strategy.NeedsModule()) {
    module = std::make_unique<StrategyModule>();
    module->Set(file.fd(), strategy);
  }

  LaneSpec whole;
  whole.base = mapping ? mapping->base() : nullptr;
  whole.fd = file.fd();
  whole.stride = stride;
  whole.every = cell.writes_per_sync == kNoK ? kEveryAll : cell.writes_per_sync;
  whole.persist = strategy.persist;
  whole.flush = BestLineFlush();
  whole.paced = context.workload.paced;
  whole.scattered = context.workload.scattered;
  // `count` touches from touch `first` of the file on.
  const auto part = [&](uint64_t first, uint64_t count) {
    LaneSpec lane = whole;
    if (lane.base != nullptr) lane.base += first * stride;
    lane.offset = static_cast<off_t>(first * stride);
    lane.touches = count;
    return lane;
  };
  std::vector<LaneSpec> lanes;
  const uint64_t per_thread = cell.touches / cell.threads;
  for (unsigned i = 0; i < cell.threads; ++i)
    lanes.push_back(part(warmup + i * per_thread, per_thread));

  if (context.workload.rewrite && mapping) {
    for (uint64_t at = 0; at < bytes; at += stride) {
      *reinterpret_cast<volatile uint64_t*>(mapping->base() + at) = at;
    }
    if (fsync(file.fd()) != 0) {
      throw Failure(ExitCode::kRegression, fmt::format("fsync: {}", std::strerror(errno)));
    }
  }
  // No sync() here: the file is fsynced, as an application would do it. On ext4 with fast_commit a
  // full commit would hide that mtime alone makes its faults sync (i_datasync_tid counts as
  // committed only then: fs/ext4/inode.c, ext4_inode_datasync_dirty).
  const timespec settle{0, kSettleNs};
  clock_nanosleep(CLOCK_MONOTONIC, 0, &settle, nullptr);
  Beside beside(context);

  struct Attached {
    ProbeSet* probes;
    ~Attached() {
      if (probes != nullptr) probes->Detach();
    }
  } attached{nullptr};
  if (cell.probes) {
    if (module) context.probes.Retarget(ProbeId::k_fault, kModuleFaultHooks);
    context.probes.Attach();
    attached.probes = &context.probes;
    context.probes.Reset(getpid(), false);
  }
  if (warmup > 0) {
    Lane lane(part(0, warmup), nullptr);
    context.workload.run(lane);
  }
  std::array<uint64_t, kProbes> recursion_before{};
  if (cell.probes) {
    for (size_t i = 0; i < kProbes; ++i) {
      recursion_before.at(i) = context.probes.Read(static_cast<ProbeId>(i)).recursion;
    }
    context.probes.Reset(getpid(), cell.samples);
  }
  if (module) module->Reset(file.fd());

  const uint64_t ns_before = MonotonicNs();
  const uint64_t ticks_before = Ticks();
  const Totals totals = Measure(cell, context.workload, lanes);
  const uint64_t ns = MonotonicNs() - ns_before;
  const uint64_t ticks = Ticks() - ticks_before;
  const fl_kmod_stats stats = module ? module->Stats(file.fd()) : fl_kmod_stats{};
  if (!beside.Stop()) {
    throw Failure(ExitCode::kRegression,
                  fmt::format("the process beside {} ended by itself", cell.workload));
  }
  std::array<ProbeReading, kProbes> readings{};
  if (cell.probes) {
    for (size_t i = 0; i < kProbes; ++i)
      readings.at(i) = context.probes.Read(static_cast<ProbeId>(i));
  }
  if (totals.sum.error != 0) {
    throw Failure(ExitCode::kRegression,
                  fmt::format("a sync or write failed: {}", std::strerror(totals.sum.error)));
  }

  // Virtual time: a tick is an instruction. Wall time: ticks are as long as the clock says.
  const double scale =
      cell.virtual_time ? 1.0 : static_cast<double>(ns) / static_cast<double>(ticks);
  const auto touches = static_cast<double>(cell.touches);
  const uint64_t pages = cell.touches * (stride / kPageSize);
  const auto busy = static_cast<double>(
      cell.threads == 1 || whole.paced ? totals.busy : totals.end - totals.begin);
  row["per_fault"] = scale * static_cast<double>(totals.busy - totals.sum.sync_ticks) / touches;
  row["per_page"] = scale * busy / static_cast<double>(pages);
  row["real_time"] = row["per_page"];
  row["cpu_time"] = row["per_fault"];
  row["loop_cost"] = strategy.mapped
                         ? nlohmann::json(scale * LoopCost(context.workload, lanes.front()))
                         : nlohmann::json(nullptr);
  row["iterations"] = cell.touches;
  row["touches"] = cell.touches;
  row["pages"] = pages;
  row["faults"] = totals.sum.faults;
  row["app_syncs"] = totals.sum.app_syncs;
  row["mtime_changes"] =
      whole.paced ? nlohmann::json(totals.sum.mtime_changes) : nlohmann::json(nullptr);
  row["line_flush"] = strategy.persist == Persist::kFlushLines
                          ? nlohmann::json(LineFlushName(whole.flush))
                          : nlohmann::json(nullptr);
  row["mapped_order"] = mapping ? mapping->MappedOrder(warmup * stride, bytes, stride) : "none";

  std::string complaint;
  const uint64_t expected = mapping ? cell.touches : 0;
  if (totals.sum.faults != expected) {
    complaint =
        fmt::format("{} touches took {} faults, not {}", cell.touches, totals.sum.faults, expected);
  } else if (mapping && row["mapped_order"] != OrderName(cell.order)) {
    complaint = fmt::format("asked for {} entries, the kernel mapped {}", OrderName(cell.order),
                            row["mapped_order"].get<std::string>());
  }

  if (module) {
    row["module"] = ModuleJson(stats);
    row["retries_p50"] = RetriesP50(stats);
    row["retries_max"] = stats.max_retries;
    if (complaint.empty() && stats.faults != expected) {
      complaint =
          fmt::format("{} touches, but the module saw {} faults", cell.touches, stats.faults);
    }
  }

  uint64_t lost = 0;
  row["losses"] = {{"dropped", 0}, {"missed", 0}, {"recursion", 0}, {"slots", 0}};
  if (cell.probes) {
    const fl_state& fault = readings[static_cast<size_t>(ProbeId::k_fault)].state;
    const fl_state& commit = readings[static_cast<size_t>(ProbeId::k_commit)].state;
    const fl_state& fast = readings[static_cast<size_t>(ProbeId::k_fast_commit)].state;
    const fl_state& sync = readings[static_cast<size_t>(ProbeId::k_sync)].state;
    row["probe"] = {{"fault", ProbeJson(context.probes, ProbeId::k_fault, fault)},
                    {"sync", ProbeJson(context.probes, ProbeId::k_sync, sync)},
                    {"commit", ProbeJson(context.probes, ProbeId::k_commit, commit)}};
    for (const char* name : {"p50", "p90", "p99", "p99_9", "max"}) {
      if (!row["probe"]["fault"].is_null() && fault.count != 0)
        row[name] = row["probe"]["fault"][name];
    }
    // The module syncs on either side of dax_finish_sync_fault(), and counts it itself.
    row["syncs"] = module ? stats.syncs + stats.syncs_dropped : sync.count;
    row["fast_commits"] = fast.count;
    row["commits"] = commit.count + fast.count;
    row["fallbacks"] = fault.fallbacks;
    uint64_t dropped = 0;
    uint64_t slots = 0;
    uint64_t recursion = 0;
    for (size_t i = 0; i < kProbes; ++i) {
      dropped += readings.at(i).state.dropped;
      slots += readings.at(i).state.slots;
      recursion += readings.at(i).recursion - recursion_before.at(i);
    }
    const uint64_t missed = expected > fault.count ? expected - fault.count : 0;
    row["losses"] = {
        {"dropped", dropped}, {"missed", missed}, {"recursion", recursion}, {"slots", slots}};
    lost = dropped + slots + recursion;
    if (context.probes.status(ProbeId::k_fault).target.empty()) {
      complaint = fmt::format("the fault probe did not load: {}",
                              context.probes.status(ProbeId::k_fault).error);
    } else if (complaint.empty() && fault.count != expected) {
      complaint = fmt::format("{} touches, {} faults, but {} samples by {}", cell.touches,
                              totals.sum.faults, fault.count,
                              context.probes.status(ProbeId::k_fault).target);
    } else if (complaint.empty() && mapping && (fault.huge == fault.count) != huge) {
      complaint = fmt::format("{} of {} faults came in with a huge order", fault.huge, fault.count);
    }
    if (cell.samples) {
      nlohmann::json samples = nlohmann::json::array();
      for (const fl_sample& s : context.probes.DrainSamples()) {
        samples.push_back({s.type, s.tid, s.start, s.duration, s.address, s.result, s.order});
      }
      row["samples"] = std::move(samples);
    }
  }
  if (!complaint.empty()) {
    row["status"] = "failed";
    row["reason"] = complaint;
  } else if (lost != 0) {
    row["status"] = "incomplete";
    row["reason"] = fmt::format("lost {} events: {}", lost, row["losses"].dump());
  } else {
    row["status"] = "ok";
    row["reason"] = "";
  }
}

}  // namespace

nlohmann::json EmptyRow(const Cell& cell, const std::string& status, const std::string& reason) {
  const std::string name = cell.Name();
  nlohmann::json row = CellToJson(cell);
  row.erase("virtual_time");
  row.erase("samples");
  if (cell.touch.empty()) {
    for (const char* field : {"touch", "attackers", "setting"}) row[field] = nullptr;
  }
  row.update({{"name", name},
              {"run_name", name},
              {"run_type", "iteration"},
              {"repetitions", 1},
              {"repetition_index", 0},
              {"family_index", 0},
              {"per_family_instance_index", 0},
              {"iterations", 0},
              {"time_domain", cell.virtual_time ? "virtual" : "wall"},
              {"unit", cell.virtual_time ? "instr" : "ns"},
              {"time_unit", cell.virtual_time ? "instr" : "ns"},
              {"status", status},
              {"reason", reason},
              {"life", nullptr}});
  for (const char* field :
       {"real_time",     "cpu_time",     "per_fault", "per_page",     "loop_cost",    "pages",
        "faults",        "syncs",        "app_syncs", "commits",      "fast_commits", "fallbacks",
        "mtime_changes", "mapped_order", "dax",       "map_sync",     "line_flush",   "samples",
        "tax",           "tax_page",     "p50",       "p90",          "p99",          "p99_9",
        "max",           "probe",        "losses",    "module",       "retries_p50",  "retries_max",
        "period_us",     "starved",      "slowdown",  "slowdown_p50", "progress_max", "attack_rate",
        "refused",       "reference",    "scan"}) {
    row[field] = nullptr;
  }
  return row;
}

nlohmann::json RunCell(const Cell& cell, const RunContext& context) {
  nlohmann::json row = EmptyRow(cell, "failed", "");
  try {
    if (context.workload.contest == Contest::kNone) {
      Fill(cell, context, row);
    } else {
      FillContest(cell, context, row);
    }
  } catch (const Failure& failure) {
    row["status"] = failure.code() == ExitCode::kSkipped ? "skipped" : "failed";
    row["reason"] = failure.what();
  }
  return row;
}

}  // namespace faultline
