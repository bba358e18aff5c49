// SPDX-License-Identifier: GPL-2.0-only
#include "harness/run.h"

#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <memory>
#include <numeric>
#include <vector>

#include "harness/clock.h"
#include "harness/complaints.h"
#include "harness/contest_scan.h"
#include "harness/failure.h"
#include "harness/files.h"
#include "harness/histogram.h"
#include "harness/interruptions.h"
#include "harness/journal.h"
#include "harness/mapping.h"
#include "harness/module.h"
#include "harness/row.h"
#include "harness/seed.h"

namespace faultline {
namespace {

// Touches before the measured ones, on pages of their own, so that first-call costs are paid.
constexpr uint64_t kWarmupPte = 16;
constexpr uint64_t kWarmupPmd = 1;
// Long enough for the kernel's deferred work after the preparation; idle time costs nothing real
// under `sleep=off`.
constexpr long kSettleNs = 50'000'000;

uint64_t monotonic_ns() {
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

  void add(const Lane::Counts& lane) {
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
Totals measure(const Cell& cell, const Workload& workload, const std::vector<LaneSpec>& lanes) {
  std::vector<Lane::Counts> counts(lanes.size());
  const uint64_t per_lane = lanes.front().touches;
  benchmark::ClearRegisteredBenchmarks();
  benchmark::RegisterBenchmark(cell.name().c_str(),
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
  for (const Lane::Counts& lane : counts) totals.add(lane);
  return totals;
}

// What of the loop is counted with the touches, over memory that takes no fault and with no call to
// sync: ticks per touch.
double loop_cost(const Workload& workload, LaneSpec spec) {
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

nlohmann::json probe_json(const PointStatus* point, const Distribution& events) {
  if (point == nullptr) return nullptr;
  const std::span<const uint64_t> buckets(events.buckets);
  nlohmann::json histogram = nlohmann::json::array();
  for (size_t i = 0; i < buckets.size(); ++i) {
    if (buckets[i] != 0) histogram.push_back({bucket_low(i), bucket_low(i + 1), buckets[i]});
  }
  nlohmann::json json = {{"count", events.count}, {"sum", events.sum},
                         {"max", events.max},     {"target", point->target},
                         {"means", point->means}, {"histogram", histogram}};
  json["mean"] =
      events.count == 0
          ? nlohmann::json(nullptr)
          : nlohmann::json(static_cast<double>(events.sum) / static_cast<double>(events.count));
  for (const auto& [name, q] : {std::pair{"p50", 0.5}, std::pair{"p90", 0.9},
                                std::pair{"p99", 0.99}, std::pair{"p99_9", 0.999}}) {
    json[name] = quantile(buckets, q, events.max);
  }
  return json;
}

constexpr const char* kPhaseNames[] = {
#define PHASE(id, what) #id,
#include "bpf/phases.def"
#undef PHASE
};

// What a program that marks costs by its means, relative to the others: measured on 6.1 (a clock
// read is 52 of each; docs/probes.md).
double relative_cost(const std::string& means) {
  if (means == means_name(Means::kFentry)) return 181;
  if (means == means_name(Means::kFexit)) return 239;
  if (means == means_name(Means::kRawTracepoint)) return 140;
  // ftrace-based, with a whole pt_regs; no figure of ours: as bpftrace's pair (FACTS) is to a pair
  // of fentry and fexit.
  return 530;
}

// What is left of `per_fault`, which the threads' own clock measured, is `other`: from the store
// to the first probe, from the last one back to the loop, and the loop. `marks_cost` is what the
// marks should cost that fall on the phase, per fault, by relative_cost().
nlohmann::json phases_json(const ProbeSet& probes, const ProbeReading& reading, uint64_t touches,
                           double scale, double per_fault) {
  struct MarkRow {
    fl_mark mark;
    size_t ends;
    size_t begins;
  };
  constexpr MarkRow kMarks[] = {
#define MARK(id, ends, begins, point) {FL_MARK_##id, FL_PHASE_##ends, FL_PHASE_##begins},
#include "bpf/marks.def"
#undef MARK
  };
  std::array<double, FL_PHASES + 1> weights{};
  for (const MarkRow& row : kMarks) {
    const PointStatus* point = probes.find(point_of_mark(row.mark));
    if (point == nullptr) continue;
    const double cost =
        static_cast<double>(reading.marks.at(row.mark)) * relative_cost(point->means);
    weights.at(row.ends) += cost / 2;
    weights.at(row.begins) += cost / 2;
  }
  nlohmann::json phases = nlohmann::json::array();
  const auto add = [&](const char* id, double mean, size_t index) {
    phases.push_back({{"id", id},
                      {"mean", mean},
                      {"marks_cost", weights.at(index) / static_cast<double>(touches)},
                      {"tax", nullptr},
                      {"net", nullptr}});
  };
  double left = per_fault;
  for (size_t i = 0; i < FL_PHASES; ++i) {
    if (reading.phases.at(i) == 0) continue;
    const double mean =
        scale * static_cast<double>(reading.phases.at(i)) / static_cast<double>(touches);
    left -= mean;
    add(kPhaseNames[i], mean, i);
  }
  add("other", left, FL_PHASE_other);
  return phases;
}

// In the order of enum fl_kind.
nlohmann::json sample_kinds() {
  nlohmann::json kinds = {
#define PROBE(id, what) #id,
#include "bpf/probes.def"
#undef PROBE
      "lock_wait", "lock_hold"};
  for (const char* phase : kPhaseNames) kinds.push_back(std::string("phase.") + phase);
  return kinds;
}

// Why attempts to map a huge entry fell back.
nlohmann::json fallbacks_json(const fl_state& state) {
  nlohmann::json json;
  constexpr const char* kReasons[] = {"alignment", "flag", "mapping", "size", "extent"};
  for (size_t i = 0; i < FL_FALLBACKS; ++i) json[kReasons[i]] = state.fallbacks[i];
  return json;
}

// Who asked for the journal's commits, whom they served, what they wrote.
nlohmann::json journal_json(const ProbeReading& reading, const JournalCounters& counters,
                            uint64_t touches) {
  const fl_state& state = reading.state;
  const auto asked = [](const auto& by) {
    return nlohmann::json{{"fault", by[FL_ASKER_fault]},
                          {"fsync", by[FL_ASKER_fsync]},
                          {"kernel", by[FL_ASKER_kernel]}};
  };
  const uint64_t bytes = counters.log_bytes ? *counters.log_bytes
                                            : (state.blocks_logged + state.fast_blocks) * kPageSize;
  const uint64_t commits =
      reading.of(ProbeId::k_commit).count + reading.of(ProbeId::k_fast_commit).count;
  const uint64_t sync = reading.of(ProbeId::k_sync).sum;
  const auto each = static_cast<double>(touches);
  return {{"asked", asked(state.asked)},
          {"log_forces", asked(state.forces)},
          {"served", {{"faults", state.served_faults}, {"fsyncs", state.served_fsyncs}}},
          {"log_bytes", bytes},
          {"commits_per_fault", static_cast<double>(commits) / each},
          {"log_bytes_per_fault", static_cast<double>(bytes) / each},
          {"sync_waiting", sync == 0 ? nlohmann::json(nullptr)
                                     : nlohmann::json(static_cast<double>(reading.waited) /
                                                      static_cast<double>(sync))}};
}

nlohmann::json locks_json(const ProbeReading& reading, pid_t leader) {
  constexpr const char* kNames[] = {"mmap_read", "mmap_write", "vma"};
  nlohmann::json locks = nlohmann::json::array();
  for (const fl_thread& thread : reading.threads) {
    for (size_t kind = 0; kind < FL_LOCKS; ++kind) {
      const fl_lock& lock = thread.locks[kind];
      if (lock.count == 0) continue;
      // Threads are numbered from the process on: the same in every run.
      locks.push_back({{"thread", static_cast<int64_t>(thread.tid) - leader},
                       {"lock", kNames[kind]},
                       {"faults", thread.faults},
                       {"count", lock.count},
                       {"wait", lock.wait},
                       {"wait_max", lock.wait_max},
                       {"hold", lock.hold},
                       {"hold_max", lock.hold_max}});
    }
  }
  return locks;
}

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
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      context.workload.beside(context.directory);
      _exit(0);
    }
    // Under way, and out of its first steps.
    const timespec settle{0, kSettleNs};
    clock_nanosleep(CLOCK_MONOTONIC, 0, &settle, nullptr);
  }
  ~Beside() { stop(); }
  Beside(const Beside&) = delete;
  Beside& operator=(const Beside&) = delete;

  // Whether it was still at work.
  bool stop() {
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
void fill(const Cell& cell, const RunContext& context, nlohmann::json& row) {
  const Strategy& strategy = context.strategy;
  const uint64_t stride = cell.stride();
  const uint64_t warmup =
      context.warmup.value_or(cell.order == Order::kPmd ? kWarmupPmd : kWarmupPte) +
      more_warmup(cell);
  const uint64_t bytes = (warmup + cell.touches) * stride;
  const bool huge = cell.order == Order::kPmd;

  const TestFile file(context.directory + "/cell", bytes, cell.state, huge);
  std::unique_ptr<Mapping> mapping;
  if (strategy.mapped) {
    mapping = std::make_unique<Mapping>(file, bytes, strategy.map_sync, cell.order);
  }
  row["dax"] = file.is_dax();
  row["map_sync"] = mapping && mapping->is_map_sync();
  if (row["dax"] != context.fs.dax) {
    throw Failure(ExitCode::kRegression, fmt::format("statx says DAX is {} on {}",
                                                     context.fs.dax ? "off" : "on", cell.fs));
  }
  if (row["map_sync"] != strategy.map_sync) {
    throw Failure(ExitCode::kRegression, "VmFlags in smaps do not show MAP_SYNC (sf) as asked");
  }

  // Loaded by the cell that needs it; the file keeps the strategy till it is closed.
  std::unique_ptr<StrategyModule> module;
  if (strategy.needs_module()) {
    module = std::make_unique<StrategyModule>();
    module->set(file.fd(), strategy);
  }

  LaneSpec whole;
  whole.base = mapping ? mapping->base() : nullptr;
  whole.fd = file.fd();
  whole.stride = stride;
  whole.every = cell.writes_per_sync == kNoK ? kEveryAll : cell.writes_per_sync;
  whole.persist = strategy.persist;
  whole.flush = best_line_flush();
  whole.paced = context.workload.paced;
  whole.scattered = context.workload.scattered;
  std::unique_ptr<Unrelated> unrelated;
  if (cell.dirty_inodes > 0) {
    unrelated = std::make_unique<Unrelated>(context.directory, cell.dirty_inodes);
  }
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

  for (LaneSpec& lane : lanes) lane.unrelated = unrelated.get();

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
  const timespec settle{0, kSettleNs + static_cast<long>(tick_phase_ns(cell))};
  clock_nanosleep(CLOCK_MONOTONIC, 0, &settle, nullptr);
  Beside beside(context);

  struct Attached {
    ProbeSet* probes;
    ~Attached() {
      if (probes != nullptr) probes->detach();
    }
  } attached{nullptr};
  ProbeSet* const probes = context.probes.set_for(
      {.probes = cell.probes, .module = module != nullptr, .sampling = cell.samples});
  struct stat inode {};
  if (fstat(file.fd(), &inode) != 0) {
    throw Failure(ExitCode::kRegression, fmt::format("fstat: {}", std::strerror(errno)));
  }
  if (probes != nullptr) {
    if (const std::string why = probes->why_not(); !why.empty()) {
      throw Failure(ExitCode::kSkipped, why);
    }
    probes->attach();
    attached.probes = probes;
    probes->reset(getpid(), inode.st_dev);
  }
  if (warmup > 0) {
    Lane lane(part(0, warmup), nullptr);
    context.workload.run(lane);
  }
  uint64_t recursion_before = 0;
  if (probes != nullptr) {
    recursion_before = probes->read().recursion;
    if (cell.samples) static_cast<void>(probes->drain_samples());  // the warm-up's
    probes->reset(getpid(), inode.st_dev);
  }
  const JournalCounters journal_before = read_journal_counters(context.fs, inode.st_dev);
  if (module) module->reset(file.fd());

  std::optional<InterruptionCounts> interruptions;
  // Elsewhere the machine's counters are of others too.
  if (cell.virtual_time) interruptions = read_interruption_counts();
  if (context.counters != nullptr) context.counters->start();
  const uint64_t ns_before = monotonic_ns();
  const uint64_t ticks_before = read_ticks();
  const Totals totals = measure(cell, context.workload, lanes);
  const uint64_t ns = monotonic_ns() - ns_before;
  const uint64_t ticks = read_ticks() - ticks_before;
  if (context.counters != nullptr) row["counters"] = context.counters->stop();
  if (interruptions) interruptions = read_interruption_counts().since(*interruptions);
  const fl_kmod_stats stats = module ? module->stats(file.fd()) : fl_kmod_stats{};
  if (!beside.stop()) {
    throw Failure(ExitCode::kRegression,
                  fmt::format("the process beside {} ended by itself", cell.workload));
  }
  const JournalCounters journal =
      read_journal_counters(context.fs, inode.st_dev).since(journal_before);
  const ProbeReading reading = probes != nullptr ? probes->read() : ProbeReading{};
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
                         ? nlohmann::json(scale * loop_cost(context.workload, lanes.front()))
                         : nlohmann::json(nullptr);
  row["iterations"] = cell.touches;
  row["touches"] = cell.touches;
  row["pages"] = pages;
  row["faults"] = totals.sum.faults;
  row["app_syncs"] = totals.sum.app_syncs;
  row["mtime_changes"] =
      whole.paced ? nlohmann::json(totals.sum.mtime_changes) : nlohmann::json(nullptr);
  row["line_flush"] = strategy.persist == Persist::kFlushLines
                          ? nlohmann::json(line_flush_name(whole.flush))
                          : nlohmann::json(nullptr);
  row["mapped_order"] = mapping ? mapping->mapped_order(warmup * stride, bytes, stride) : "none";

  std::string complaint;
  // Another thread's fsync may write-protect a page between the fault and the store that is run
  // again: that touch takes two faults.
  const bool protects = cell.threads > 1 && totals.sum.app_syncs > 0;
  uint64_t expected = mapping ? cell.touches : 0;
  if (mapping && protects) expected = std::max(expected, totals.sum.faults);
  if (totals.sum.faults != expected) {
    complaint =
        fmt::format("{} touches took {} faults, not {}", cell.touches, totals.sum.faults, expected);
  } else if (mapping && row["mapped_order"] != order_name(cell.order)) {
    complaint = fmt::format("asked for {} entries, the kernel mapped {}", order_name(cell.order),
                            row["mapped_order"].get<std::string>());
  }

  if (module) {
    put_module(stats, row);
    if (complaint.empty() && stats.faults != expected) {
      complaint =
          fmt::format("{} touches, but the module saw {} faults", cell.touches, stats.faults);
    }
  }

  uint64_t lost = 0;
  row["losses"] = {{"dropped", 0}, {"missed", 0}, {"recursion", 0}, {"slots", 0}};
  row["journal"] = {{"kernel", journal.json()}};
  if (interruptions) row["interrupts"] = interruptions->json();
  if (cell.probes == Probes::kInterruptions) {
    row["interruptions"] = interruptions_json(reading.interruptions, read_file("/proc/kallsyms"));
    lost = reading.state.lost;
    row["losses"]["slots"] = lost;
  } else if (probes != nullptr) {
    const Distribution& fault = reading.of(ProbeId::k_fault);
    const Distribution& sync = reading.of(ProbeId::k_sync);
    const Distribution& commit = reading.of(ProbeId::k_commit);
    const Distribution& fast = reading.of(ProbeId::k_fast_commit);
    row["probe"] = {{"fault", probe_json(probes->find("fault.end"), fault)},
                    {"sync", probe_json(probes->find("sync.end"), sync)},
                    {"commit", probe_json(probes->find("commit.end"), commit)},
                    {"fast_commit", probe_json(probes->find("fast_commit.end"), fast)}};
    for (const char* name : {"p50", "p90", "p99", "p99_9", "max"}) {
      if (!row["probe"]["fault"].is_null() && fault.count != 0)
        row[name] = row["probe"]["fault"][name];
    }
    // The module syncs on either side of dax_finish_sync_fault(), and counts it itself.
    row["syncs"] = module ? stats.syncs + stats.syncs_dropped : sync.count;
    row["fast_commits"] = fast.count;
    row["commits"] = commit.count + fast.count;
    row["fallback_reasons"] = fallbacks_json(reading.state);
    row["fallbacks"] = std::accumulate(std::begin(reading.state.fallbacks),
                                       std::end(reading.state.fallbacks), reading.state.retries);
    row["journal"].update(journal_json(reading, journal, cell.touches));
    if (cell.probes == Probes::kLocks) row["locks"] = locks_json(reading, getpid());
    if (cell.probes == Probes::kPhases || cell.probes == Probes::kBallast) {
      row["phases"] = phases_json(*probes, reading, cell.touches, scale, row["per_fault"]);
    }
    const uint64_t recursion = reading.recursion - recursion_before;
    const uint64_t missed = expected > fault.count ? expected - fault.count : 0;
    row["losses"] = {{"dropped", reading.state.dropped},
                     {"missed", missed},
                     {"recursion", recursion},
                     {"slots", reading.state.lost}};
    lost = reading.state.dropped + reading.state.lost + recursion;
    // It comes first: a fault that failed is why other counts do not agree.
    if (reading.state.errors != 0) {
      CellCounts counts;
      counts.probed = CellCounts::Probed{.errors = reading.state.errors,
                                         .error_bits = reading.state.error_bits};
      complaint = complaint_of(counts);
    }
    if (complaint.empty() && fault.count != expected) {
      complaint = fmt::format("{} touches, {} faults, but {} samples by {}", cell.touches,
                              totals.sum.faults, fault.count, probes->find("fault.end")->target);
    } else if (complaint.empty() && mapping && (reading.huge == fault.count) != huge) {
      complaint =
          fmt::format("{} of {} faults came in with a huge order", reading.huge, fault.count);
    } else if (complaint.empty() && journal.commits && probes->find("commit.end") != nullptr &&
               *journal.commits != commit.count) {
      complaint = fmt::format("{} commits by the probe, {} by the file system's own counter",
                              commit.count, *journal.commits);
    }
    if (cell.samples) {
      nlohmann::json samples = nlohmann::json::array();
      for (const fl_sample& s : probes->drain_samples()) {
        samples.push_back(
            {s.kind, s.tid, s.start, s.duration, s.address, s.result, s.order, s.link});
      }
      row["samples"] = std::move(samples);
      row["sample_kinds"] = sample_kinds();
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

nlohmann::json run_cell(const Cell& cell, const RunContext& context) {
  nlohmann::json row = empty_row(cell, "failed", "");
  try {
    const SeededPlace place(cell, context.directory);
    if (context.workload.contest == Contest::kNone) {
      fill(cell, context, row);
    } else {
      put_contest(measure_contest(cell, context), row);
    }
  } catch (const Failure& failure) {
    row["status"] = failure.code() == ExitCode::kSkipped ? "skipped" : "failed";
    row["reason"] = failure.what();
  }
  return row;
}

}  // namespace faultline
