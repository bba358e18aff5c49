// SPDX-License-Identifier: GPL-2.0-only
#include "harness/measure.h"

#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <memory>
#include <utility>

#include "cell/failure.h"
#include "harness/clock.h"
#include "harness/extents.h"
#include "harness/files.h"
#include "harness/prepare.h"
#include "harness/wait.h"
#include "harness/wire.h"

namespace faultline {
namespace {

// The task of a process that has ended is freed some clock ticks later, by RCU (kernel/exit.c,
// put_task_struct_rcu_user()): no softirq of that falls into the measurement.
constexpr uint64_t kTicksAfterExit = 8;

uint64_t monotonic_ns() {
  timespec ts{};
  clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
  return static_cast<uint64_t>(ts.tv_sec) * 1'000'000'000U + static_cast<uint64_t>(ts.tv_nsec);
}

// Why a run was ended; Google Benchmark has other words for it since 1.8.
template <typename Run>
std::string error_of(const Run& run) {
  if constexpr (requires { run.error_occurred; }) {
    return run.error_occurred ? run.error_message : "";
  } else {
    return run.skipped != 0 ? run.skip_message : "";
  }
}

// Keeps what Google Benchmark says of the run, prints nothing.
class Collector : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context& /*context*/) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      iterations += run.iterations;
      if (const std::string why = error_of(run); !why.empty()) error = why;
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
    sum.longest = std::max(sum.longest, lane.longest);
    sum.durable.insert(sum.durable.end(), lane.durable.begin(), lane.durable.end());
    if (sum.error == 0) sum.error = lane.error;
    begin = std::min(begin, lane.begin);
    end = std::max(end, lane.end);
  }
};

// Runs one loop under Google Benchmark with fixed iterations, one lane per thread.
Totals run_lanes(const Cell& cell, const WorkloadCode& workload,
                 const std::vector<LaneSpec>& lanes) {
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
  const uint64_t touches = cell.touches * cell.stores();
  if (collector.iterations != static_cast<int64_t>(touches)) {
    throw Failure(ExitCode::kRegression, fmt::format("Google Benchmark ran {} iterations, not {}",
                                                     collector.iterations, touches));
  }
  Totals totals;
  for (const Lane::Counts& lane : counts) totals.add(lane);
  return totals;
}

// 256 MiB of ordinary memory, half of what a guest has.
constexpr uint64_t kMostLoopPages = 1 << 16;

// What of the loop is counted with the touches, over memory that takes no fault and with no call to
// sync: ticks per page. Of a longer loop a part is run, since a page more costs what a page costs.
double loop_cost(const WorkloadCode& workload, LaneSpec spec) {
  if (spec.pages > kMostLoopPages) {
    spec.touches = spec.touches / spec.pages * kMostLoopPages;
    spec.pages = kMostLoopPages;
  }
  const uint64_t span = spec.pages * kPageSize;
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
  return static_cast<double>(least) / static_cast<double>(spec.pages);
}

// The program whose cost the cell asks for, attached for as long as this lives.
class AttachedProgram {
 public:
  AttachedProgram(ProbeSets& sets, Probes probes) : sets_(sets) { sets_.attach_program(probes); }
  ~AttachedProgram() { sets_.detach_program(); }
  AttachedProgram(const AttachedProgram&) = delete;
  AttachedProgram& operator=(const AttachedProgram&) = delete;

 private:
  ProbeSets& sets_;
};

// The cell's set of probes, attached for as long as this lives. nullptr for a cell without.
class AttachedProbes {
 public:
  // Throws Failure(kSkipped) when the set cannot count faults here.
  AttachedProbes(ProbeSet* probes, dev_t device) : probes_(probes), device_(device) {
    if (probes_ == nullptr) return;
    if (const std::string why = probes_->why_not(); !why.empty()) {
      throw Failure(ExitCode::kSkipped, why);
    }
    probes_->attach();
    probes_->reset(getpid(), device_);
  }
  ~AttachedProbes() {
    if (probes_ != nullptr) probes_->detach();
  }
  AttachedProbes(const AttachedProbes&) = delete;
  AttachedProbes& operator=(const AttachedProbes&) = delete;

  // Forgets what the warm-up left.
  void begin(bool samples) {
    if (probes_ == nullptr) return;
    recursion_before_ = probes_->read().recursion;
    if (samples) static_cast<void>(probes_->drain_samples());
    probes_->reset(getpid(), device_);
  }
  // What came since begin(); nothing for a cell without probes.
  void read(std::optional<ProbesSeen>& into) const {
    if (probes_ == nullptr) return;
    ProbesSeen& figures = into.emplace();
    figures.reading = probes_->read();
    figures.reading.recursion -= recursion_before_;
    figures.points.assign(probes_->points().begin(), probes_->points().end());
  }
  [[nodiscard]] std::vector<fl_sample> drain_samples() const { return probes_->drain_samples(); }

 private:
  ProbeSet* probes_;
  dev_t device_;
  uint64_t recursion_before_ = 0;
};

dev_t device_of(const TestFile& file) {
  struct stat inode {};
  if (fstat(file.fd(), &inode) != 0) {
    throw Failure(ExitCode::kRegression, fmt::format("fstat: {}", std::strerror(errno)));
  }
  return inode.st_dev;
}

// The counts that must agree.
CellCounts counts_of(const Cell& cell, const RunContext& context, const LoopFigures& loop) {
  // Once around the pages, all but the last K stores are synced, and their pages write-protected.
  const bool again = loop.app_syncs > 0 && cell.writes_per_sync.k <= cell.touches / cell.threads;
  CellCounts counts{.touches = cell.touches * (again ? cell.stores() : 1),
                    .mapped = context.strategy.mapped,
                    .protects = cell.threads > 1 && loop.app_syncs > 0,
                    .faults = loop.faults,
                    .order_asked = cell.order,
                    .order_mapped = loop.mapped_order,
                    .journal_commits = loop.journal.commits};
  if (loop.module) counts.module_faults = loop.module->faults;
  // A set that sees no faults counts none.
  if (!loop.probes || !sees(cell.probes, kSeesFaults)) return counts;
  const ProbeReading& reading = loop.probes->reading;
  const PointStatus* end = find_point(loop.probes->points, "fault.end");
  counts.probed = CellCounts::Probed{.faults = reading.of(ProbeId::k_fault).count,
                                     .by = end != nullptr ? end->target : "",
                                     .huge = reading.huge,
                                     .errors = reading.state.errors,
                                     .error_bits = reading.state.error_bits};
  if (find_point(loop.probes->points, "commit.end") != nullptr) {
    counts.probed->commits = reading.of(ProbeId::k_commit).count;
  }
  return counts;
}

Losses losses_of(const CellCounts& counts, const LoopFigures& loop) {
  if (!loop.probes) return {};
  const ProbeReading& reading = loop.probes->reading;
  if (!counts.probed) return {.slots = reading.state.lost};
  const uint64_t expected = counts.expected_faults();
  return {.dropped = reading.state.dropped,
          .missed = expected > counts.probed->faults ? expected - counts.probed->faults : 0,
          .recursion = reading.recursion,
          .slots = reading.state.lost};
}

}  // namespace

void measure_cell(const Cell& cell, const RunContext& context, Measurement& measurement) {
  std::optional<KeptAwake> awake(std::in_place);
  PreparedCell prepared(cell, context);
  measurement.dax = prepared.file().is_dax();
  measurement.map_sync = prepared.is_map_sync();
  const std::string unproved = complaint_of(Proof{.fs = cell.fs,
                                                  .dax_asked = context.fs.dax,
                                                  .dax = *measurement.dax,
                                                  .map_sync_asked = context.strategy.map_sync,
                                                  .map_sync = *measurement.map_sync});
  if (!unproved.empty()) throw Failure(ExitCode::kRegression, unproved);
  prepared.get_ready();

  ProbeSet* const set = context.probes.set_for(
      {.probes = cell.probes, .module = prepared.has_module(), .sampling = cell.samples});
  const dev_t device = device_of(prepared.file());
  AttachedProbes probes(set, device);
  const AttachedProgram program(context.probes, cell.probes);
  // The kernel sleeps in the midst of writing thousands of inodes, with nobody else to run.
  if (cell.dirty_inodes == 0) awake.reset();
  if (has_exact_waits()) wait_for_tick(read_ticks() + kTicksAfterExit * clock_tick_ns());
  ProcessBeside beside(context.code.beside, context.directory);
  if (prepared.warmup() > 0) {
    Lane lane(prepared.warmup_lane(), nullptr);
    context.code.run(lane);
  }
  // Else it may get its turn between the two, and commit there.
  beside.pause();
  probes.begin(cell.samples);
  const JournalCounters journal_before = read_journal_counters(context.fs, device);
  beside.go_on();
  prepared.reset_module();
  std::vector<int64_t> mtimes;
  if (prepared.many() != nullptr) mtimes = prepared.many()->mtimes();

  std::optional<InterruptionCounts> interrupts;
  // Elsewhere the machine's counters are of others too.
  if (cell.virtual_time) interrupts = read_interruption_counts();
  if (context.counters != nullptr) context.counters->start();
  const uint64_t ns_before = monotonic_ns();
  const uint64_t ticks_before = read_ticks_marked<wire::kMarkArm>();
  const Totals totals = run_lanes(cell, context.code, prepared.lanes());
  const uint64_t ns = monotonic_ns() - ns_before;
  const uint64_t ticks = read_ticks() - ticks_before;
  if (context.counters != nullptr) measurement.counters = context.counters->stop();
  if (interrupts) interrupts = read_interruption_counts().since(*interrupts);
  LoopFigures& loop = measurement.loop.emplace();
  loop.interrupts = interrupts;
  loop.module = prepared.module_stats();
  if (prepared.many() != nullptr) {
    const std::vector<int64_t> now = prepared.many()->mtimes();
    loop.mtime_changes = 0;
    for (size_t i = 0; i < now.size(); ++i) *loop.mtime_changes += now[i] != mtimes[i] ? 1 : 0;
  }
  if (prepared.many() == nullptr) {
    const auto extents = extents_of(prepared.file().fd());
    if (extents) loop.extents = extents->size();
  }
  if (!beside.stop()) {
    throw Failure(ExitCode::kRegression,
                  fmt::format("the process beside {} ended by itself", cell.workload));
  }
  probes.read(loop.probes);
  // jbd2 wakes those it served before it counts the commit (fs/jbd2/commit.c, j_stats.ts_tid, 5.10
  // to 7.3), and a preemptible kernel lets them run first.
  if (context.fs.journal == Journal::kJbd2) wait_past_tick();
  loop.journal = read_journal_counters(context.fs, device).since(journal_before);
  if (totals.sum.error != 0) {
    throw Failure(ExitCode::kRegression,
                  fmt::format("a sync or write failed: {}", std::strerror(totals.sum.error)));
  }

  // Virtual time: a tick is an instruction. Wall time: ticks are as long as the clock says.
  loop.unit_per_tick =
      cell.virtual_time ? 1.0 : static_cast<double>(ns) / static_cast<double>(ticks);
  const bool paced = context.workload.paced;
  const LaneSpec& lane = prepared.lanes().front();
  loop.pages = cell.touches * (cell.stride() / kPageSize);
  // Several threads were busy from the first's begin to the last's end; pauses lie in no one's
  // time.
  const auto busy =
      static_cast<double>(cell.threads == 1 || paced ? totals.busy : totals.end - totals.begin);
  loop.per_fault = loop.unit_per_tick * static_cast<double>(totals.busy - totals.sum.sync_ticks) /
                   static_cast<double>(cell.touches);
  loop.per_page = loop.unit_per_tick * busy / static_cast<double>(loop.pages);
  if (context.strategy.mapped) {
    loop.loop_cost = loop.unit_per_tick * loop_cost(context.code, lane);
  }
  loop.faults = totals.sum.faults;
  loop.app_syncs = totals.sum.app_syncs;
  if (context.workload.timed) {
    loop.longest = loop.unit_per_tick * static_cast<double>(totals.sum.longest);
    loop.durable = std::move(totals.sum.durable);
    std::sort(loop.durable.begin(), loop.durable.end());
  }
  if (paced) loop.mtime_changes = totals.sum.mtime_changes;
  if (lane.persist == Persist::kFlushLines) loop.line_flush = lane.flush;
  loop.mapped_order = prepared.mapped_order();
  if (context.strategy.mapped && cell.order == Order::kPmd) {
    const std::string why = why_no_pmd(cell.order, loop.mapped_order, kernel_has_huge_pages());
    if (!why.empty()) throw Failure(ExitCode::kSkipped, why);
  }
  if (loop.probes && sees(cell.probes, kSeesInterruptions)) {
    loop.probes->interruptions =
        interruption_figures(loop.probes->reading.interruptions, read_file("/proc/kallsyms"));
  }
  if (loop.probes && cell.samples && sees(cell.probes, kSeesFaults)) {
    loop.probes->samples = probes.drain_samples();
  }
  const CellCounts counts = counts_of(cell, context, loop);
  loop.losses = losses_of(counts, loop);
  loop.complaint = complaint_of(counts);
}

}  // namespace faultline
