// SPDX-License-Identifier: GPL-2.0-only
#include "harness/row.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "harness/histogram.h"
#include "harness/interruptions.h"

namespace faultline {
namespace {

std::optional<ProbePart> probe_part(const PointStatus* point, const Distribution& events) {
  if (point == nullptr) return std::nullopt;
  const std::span<const uint64_t> buckets(events.buckets);
  ProbePart part{.count = events.count,
                 .sum = events.sum,
                 .p50 = quantile(buckets, 0.5, events.max),
                 .p90 = quantile(buckets, 0.9, events.max),
                 .p99 = quantile(buckets, 0.99, events.max),
                 .p99_9 = quantile(buckets, 0.999, events.max),
                 .max = events.max,
                 .target = point->target,
                 .means = point->means};
  if (events.count != 0) {
    part.mean = static_cast<double>(events.sum) / static_cast<double>(events.count);
  }
  for (size_t i = 0; i < buckets.size(); ++i) {
    if (buckets[i] != 0) part.histogram.push_back({bucket_low(i), bucket_low(i + 1), buckets[i]});
  }
  return part;
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
  // kprobe and kretprobe, by ftrace with a whole pt_regs: not measured here. The pair costs so much
  // if it is to a pair of fentry and fexit as the one that bpftrace attaches is.
  return 530;
}

// What is left of `per_fault`, which the threads' own clock measured, is `other`: from the store
// to the first probe, from the last one back to the loop, and the loop. `marks_cost` is what the
// marks should cost that fall on the phase, per fault, by relative_cost().
std::vector<PhaseFigures> phases_of(const ProbesSeen& probes, uint64_t touches,
                                    double unit_per_tick, double per_fault) {
  const ProbeReading& reading = probes.reading;
  struct MarkRow {
    fl_mark mark;
    size_t ends;
    size_t begins;
  };
  constexpr MarkRow kMarks[] = {
#define MARK(id, ends_, begins_, point) \
  {.mark = FL_MARK_##id, .ends = FL_PHASE_##ends_, .begins = FL_PHASE_##begins_},
#include "bpf/marks.def"
#undef MARK
  };
  std::array<double, FL_PHASES + 1> weights{};
  for (const MarkRow& row : kMarks) {
    const PointStatus* point = find_point(probes.points, point_of_mark(row.mark));
    if (point == nullptr) continue;
    const double cost =
        static_cast<double>(reading.marks.at(row.mark)) * relative_cost(point->means);
    weights.at(row.ends) += cost / 2;
    weights.at(row.begins) += cost / 2;
  }
  std::vector<PhaseFigures> phases;
  const auto add = [&](const char* id, double mean, size_t index) {
    phases.push_back(
        {.id = id, .mean = mean, .marks_cost = weights.at(index) / static_cast<double>(touches)});
  };
  double left = per_fault;
  for (size_t i = 0; i < FL_PHASES; ++i) {
    if (reading.phases.at(i) == 0) continue;
    const double mean =
        unit_per_tick * static_cast<double>(reading.phases.at(i)) / static_cast<double>(touches);
    left -= mean;
    add(kPhaseNames[i], mean, i);
  }
  add("other", left, FL_PHASE_other);
  return phases;
}

// What the kinds of samples stand for, in the order of enum fl_kind.
std::vector<std::string> sample_kinds() {
  std::vector<std::string> kinds = {
#define PROBE(id, what) #id,
#include "bpf/probes.def"
#undef PROBE
      "lock_wait", "lock_hold"};
  for (const char* phase : kPhaseNames) kinds.push_back(std::string("phase.") + phase);
  return kinds;
}

// Why attempts to map a huge entry fell back (enum fl_fallback's order).
FallbackReasons fallback_reasons(const fl_state& state) {
  static_assert(FL_FALLBACKS == 5);
  return {.alignment = state.fallbacks[0],
          .flag = state.fallbacks[1],
          .mapping = state.fallbacks[2],
          .size = state.fallbacks[3],
          .extent = state.fallbacks[4]};
}

// Who asked for the journal's commits, whom they served, what they wrote.
void put_journal(const ProbeReading& reading, const JournalCounters& counters, uint64_t touches,
                 JournalFigures& journal) {
  const fl_state& state = reading.state;
  const auto asked = [](const auto& by) {
    return Asked{
        .fault = by[FL_ASKER_fault], .fsync = by[FL_ASKER_fsync], .kernel = by[FL_ASKER_kernel]};
  };
  const uint64_t bytes = counters.log_bytes ? *counters.log_bytes
                                            : (state.blocks_logged + state.fast_blocks) * kPageSize;
  const uint64_t commits =
      reading.of(ProbeId::k_commit).count + reading.of(ProbeId::k_fast_commit).count;
  const uint64_t sync = reading.of(ProbeId::k_sync).sum;
  const auto each = static_cast<double>(touches);
  journal.asked = asked(state.asked);
  journal.log_forces = asked(state.forces);
  journal.served = Served{.faults = state.served_faults, .fsyncs = state.served_fsyncs};
  journal.log_bytes = bytes;
  journal.commits_per_fault = static_cast<double>(commits) / each;
  journal.log_bytes_per_fault = static_cast<double>(bytes) / each;
  journal.sync_waiting.emplace();
  if (sync != 0) {
    *journal.sync_waiting = static_cast<double>(reading.waited) / static_cast<double>(sync);
  }
}

std::vector<LockFigures> locks_of(const ProbeReading& reading) {
  static_assert(FL_LOCKS == std::size(kLockIds));
  std::vector<LockFigures> locks;
  for (const fl_thread& thread : reading.threads) {
    for (size_t kind = 0; kind < FL_LOCKS; ++kind) {
      const fl_lock& lock = thread.locks[kind];
      if (lock.count == 0) continue;
      // Threads are numbered from the process on: the same in every run.
      locks.push_back(
          {.thread = static_cast<int64_t>(thread.tid) - static_cast<int64_t>(reading.state.tgid),
           .lock = kLockIds[kind],
           .faults = thread.faults,
           .count = lock.count,
           .wait = lock.wait,
           .wait_max = lock.wait_max,
           .hold = lock.hold,
           .hold_max = lock.hold_max});
    }
  }
  return locks;
}

ModuleFigures module_figures(const fl_kmod_stats& stats) {
  ModuleFigures figures{.attempts = stats.attempts,
                        .faults = stats.faults,
                        .syncs = stats.syncs,
                        .syncs_dropped = stats.syncs_dropped,
                        .retries = stats.retries,
                        .passed_over = stats.passed_over,
                        .not_droppable = stats.not_droppable,
                        .mmap_locks = stats.mmap_locks,
                        .vma_locks = stats.vma_locks,
                        .errors = stats.errors};
  for (Count i = 0; i < FL_KMOD_RETRIES; ++i) {
    if (stats.retries_per_fault[i] != 0) {
      figures.retries_per_fault.push_back({i, stats.retries_per_fault[i]});
    }
  }
  return figures;
}

// The median number of retries over the faults that ended. More than the table counts is its last.
uint64_t retries_p50(const fl_kmod_stats& stats) {
  uint64_t seen = 0;
  for (size_t i = 0; i < FL_KMOD_RETRIES; ++i) {
    seen += stats.retries_per_fault[i];
    if (2 * seen >= stats.faults) return i;
  }
  return 0;
}

ScanRun scan_run(const ContestMeasurement::Run& run) {
  return {.period_us = run.at.period_us,
          .phase_us = run.at.phase_us,
          .stores = run.stores,
          .kernel_faults = run.kernel_faults,
          .starved = run.starved,
          .each = run.each,
          .longest = run.longest,
          .slowdown = run.slowdown,
          .retries = run.retries,
          .retries_max = run.retries_max,
          .touches = run.touches,
          .refused = run.refused};
}

void put_module(const fl_kmod_stats& stats, Row& row) {
  row.module = module_figures(stats);
  row.retries_p50 = retries_p50(stats);
  row.retries_max = stats.max_retries;
  // The module's clock is the guest's: in virtual time a ns is an instruction.
  row.retry_time.emplace();
  if (stats.retries_timed != 0) {
    *row.retry_time =
        static_cast<double>(stats.retry_ns) / static_cast<double>(stats.retries_timed);
  }
}

// What a set of probes that sees faults saw.
void put_probes(const Cell& cell, const LoopFigures& loop, Row& row) {
  const ProbesSeen& probes = *loop.probes;
  const ProbeReading& reading = probes.reading;
  const Distribution& fault = reading.of(ProbeId::k_fault);
  const Distribution& commit = reading.of(ProbeId::k_commit);
  const Distribution& fast_commit = reading.of(ProbeId::k_fast_commit);
  const auto seen = [&](const char* point, ProbeId id) {
    return probe_part(find_point(probes.points, point), reading.of(id));
  };
  row.probe = ProbeFigures{.fault = seen("fault.end", ProbeId::k_fault),
                           .sync = seen("sync.end", ProbeId::k_sync),
                           .commit = seen("commit.end", ProbeId::k_commit),
                           .fast_commit = seen("fast_commit.end", ProbeId::k_fast_commit)};
  if (row.probe->fault && fault.count != 0) {
    row.p50 = row.probe->fault->p50;
    row.p90 = row.probe->fault->p90;
    row.p99 = row.probe->fault->p99;
    row.p99_9 = row.probe->fault->p99_9;
    row.max = row.probe->fault->max;
  }
  // The module syncs on either side of dax_finish_sync_fault(), and counts it itself.
  row.syncs = loop.module ? loop.module->syncs + loop.module->syncs_dropped
                          : reading.of(ProbeId::k_sync).count;
  row.fast_commits = fast_commit.count;
  row.commits = commit.count + fast_commit.count;
  row.fallback_reasons = fallback_reasons(reading.state);
  row.fallbacks = std::accumulate(std::begin(reading.state.fallbacks),
                                  std::end(reading.state.fallbacks), reading.state.retries);
  put_journal(reading, loop.journal, cell.touches, *row.journal);
  if (sees(cell.probes, kSeesLocks)) row.locks = locks_of(reading);
  if (sees(cell.probes, kSeesPhases)) {
    row.phases = phases_of(probes, cell.touches, loop.unit_per_tick, loop.per_fault);
  }
  if (cell.samples) row.sample_kinds = sample_kinds();
}

DurableFigures durable_of(const LoopFigures& loop) {
  const auto at = [&](double share) {
    return loop.unit_per_tick * static_cast<double>(quantile_of(loop.durable, {}, share));
  };
  return {.p50 = at(0.5), .p90 = at(0.9), .p99 = at(0.99), .p99_9 = at(0.999), .max = at(1)};
}

void put_loop(const Cell& cell, const LoopFigures& loop, Row& row) {
  row.per_fault = loop.per_fault;
  row.per_page = loop.per_page;
  row.real_time = loop.per_page;
  row.cpu_time = loop.per_fault;
  row.loop_cost = loop.loop_cost;
  if (loop.extents) row.extents = *loop.extents;
  if (loop.longest) row.longest_touch = *loop.longest;
  if (!loop.durable.empty()) row.durable = durable_of(loop);
  row.iterations = cell.touches;
  row.touches = cell.touches;
  row.pages = loop.pages;
  row.faults = loop.faults;
  row.app_syncs = loop.app_syncs;
  row.mtime_changes = loop.mtime_changes;
  if (loop.line_flush) row.line_flush = Choice<kLineFlushes>(line_flush_name(*loop.line_flush));
  row.mapped_order = Choice<kMappedOrders>(loop.mapped_order);
  if (loop.module) put_module(*loop.module, row);
  row.losses = loop.losses;
  row.journal = JournalFigures{.kernel = loop.journal.figures()};
  if (loop.interrupts) row.interrupts = loop.interrupts->figures();
  if (!loop.probes) return;
  if (sees(cell.probes, kSeesFaults)) {
    put_probes(cell, loop, row);
  } else {
    row.interruptions = loop.probes->interruptions;
  }
}

}  // namespace

void put_measurement(const Cell& cell, const Measurement& measurement, Row& row) {
  row.dax = measurement.dax;
  row.map_sync = measurement.map_sync;
  if (measurement.counters) {
    row.counters = CounterFigures{.reason = measurement.counters->reason};
    CounterFigures::fields([&](const auto& field) {
      if constexpr (std::is_same_v<std::remove_cvref_t<decltype((*row.counters).*field.member)>,
                                   std::optional<Count>>) {
        const auto found = measurement.counters->counts.find(field.name);
        if (found != measurement.counters->counts.end()) {
          (*row.counters).*field.member = found->second;
        }
      }
    });
  }
  if (measurement.loop) put_loop(cell, *measurement.loop, row);
}

void put_contest(const ContestMeasurement& contest, Row& row) {
  const ContestMeasurement::Run& worst = contest.runs.at(contest.worst);
  row.p50 = contest.p50;
  row.p90 = contest.p90;
  row.p99 = contest.p99;
  row.p99_9 = contest.p99_9;
  row.max = contest.max;
  row.per_fault = contest.per_fault;
  row.per_page = contest.per_page;
  row.real_time = contest.per_page;
  row.cpu_time = contest.per_fault;
  row.iterations = contest.stores;
  row.touches = contest.stores;
  row.pages = contest.stores;
  row.faults = contest.kernel_faults.value_or(contest.stores);
  row.app_syncs = contest.app_syncs;
  row.mapped_order = Choice<kMappedOrders>(id_of(Order::kPte));
  row.dax = contest.dax;
  row.map_sync = contest.map_sync;
  row.losses = Losses{};
  if (worst.at.period_us != 0) row.period_us = worst.at.period_us;
  row.slowdown = worst.slowdown;
  row.slowdown_p50 = contest.slowdown_p50;
  row.starved = Starved{.n = contest.starved, .of = contest.runs.size()};
  row.progress_max = contest.progress_max;
  row.attack_rate = contest.attack_rate;
  row.refused = Refused{.n = contest.refused};
  if (contest.refusal != 0) row.refused->error = strerrorname_np(contest.refusal);
  row.reference = ReferenceFigures{.each = contest.reference.each,
                                   .longest = contest.reference.longest,
                                   .stores = contest.reference.stores};
  row.scan.emplace();
  for (const ContestMeasurement::Run& run : contest.runs) row.scan->push_back(scan_run(run));
  if (contest.module) {
    put_module(*contest.module, row);
    row.syncs = contest.module->syncs + contest.module->syncs_dropped;
  }
  put_standing(standing_of(contest.complaint, {}), row);
}

void put_standing(const Standing& standing, Row& row) {
  row.status = standing.status;
  row.reason = standing.reason;
}

}  // namespace faultline
