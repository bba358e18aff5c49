// SPDX-License-Identifier: GPL-2.0-only
#include "harness/contest_scan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "cell/failure.h"
#include "cell/words.h"
#include "harness/complaints.h"
#include "harness/histogram.h"
#include "harness/module.h"

namespace faultline {
namespace {

constexpr uint64_t kUs = 1000;
constexpr uint64_t kMs = 1'000'000;
// The attackers' periods: from below the shortest sync to above the longest.
constexpr uint64_t kPeriodsUs[] = {5, 10, 20, 50, 100, 200};
constexpr uint64_t kBystanderPeriodsUs[] = {20, 50, 100};
constexpr uint64_t kPhases = 3;  // of each period, as parts of it
// Runs of a cell in wall time.
constexpr uint64_t kRepeats = 3;
// In the wall domain a run must outlast the host's own pauses, and time is noisy.
constexpr uint64_t kConcurrentDeadlineMs = 640;
constexpr uint64_t kConcurrentStores = 8;
// A fault that syncs nothing is over sooner: as long a time takes more of them.
constexpr uint64_t kVolatileFactor = 4;

double ratio(double a, double b) { return b == 0 ? 0 : a / b; }

ContestMeasurement::Run run_of(const ContestAsked& asked, const ScannedRun& scanned) {
  const ContestFigures& f = scanned.figures;
  return {.at = scanned.at,
          .stores = f.faults.size(),
          .kernel_faults = f.kernel_faults,
          .starved = made_no_progress(asked.contest, f),
          .each = asked.unit_per_tick * mean_time(asked.contest, f),
          .longest = asked.unit_per_tick * static_cast<double>(longest_time(asked.contest, f)),
          .slowdown = ratio(mean_time(asked.contest, f), scanned.reference.each),
          .retries = f.module.retries,
          .retries_max = std::max(f.module.max_retries, f.module.open_retries),
          .touches = f.touches,
          .refused = f.refused};
}

std::string unproved(const ContestAsked& asked, bool dax, bool map_sync) {
  return complaint_of(Proof{.fs = asked.fs,
                            .dax_asked = asked.dax,
                            .dax = dax,
                            .map_sync_asked = asked.map_sync,
                            .map_sync = map_sync});
}

// Each slowdown is over the victim alone, which is held to the same.
std::string complaint_about(const ContestAsked& asked, const ContestReference& alone) {
  std::string complaint = unproved(asked, alone.dax, alone.map_sync);
  if (!complaint.empty()) return complaint;
  return complaint_of(
      ContestCounts{.stores = alone.stores, .kernel_faults = alone.kernel_faults, .alone = true});
}

std::string complaint_about(const ContestAsked& asked, std::span<const ScannedRun> scan,
                            const ContestMeasurement& m) {
  if (asked.contest == Contest::kVictim) {
    std::string complaint = complaint_about(asked, scan.front().reference);
    if (!complaint.empty()) return complaint;
  }
  for (const ScannedRun& run : scan) {
    std::string complaint = unproved(asked, run.figures.dax, run.figures.map_sync);
    if (!complaint.empty()) return complaint;
  }
  ContestCounts counts{.stores = m.stores,
                       .starved = m.starved,
                       .kernel_faults = m.kernel_faults,
                       .attacked = asked.touchers != 0 && asked.contest == Contest::kVictim,
                       .attempts_to_touch = m.touches + m.refused};
  if (m.module) counts.module_faults = m.module->faults;
  return complaint_of(counts);
}

}  // namespace

std::vector<ScanPoint> scan_points(Contest contest, unsigned touchers, Setting setting) {
  if (touchers == 0) return std::vector<ScanPoint>(1);
  if (setting == Setting::kConcurrent) return std::vector<ScanPoint>(kRepeats);
  const std::span<const uint64_t> periods =
      contest == Contest::kVictim ? std::span<const uint64_t>(kPeriodsUs) : kBystanderPeriodsUs;
  std::vector<ScanPoint> points;
  for (const uint64_t period : periods) {
    for (uint64_t phase = 0; phase < kPhases; ++phase) {
      points.push_back({.period_us = period, .phase_us = period * phase / kPhases});
    }
  }
  return points;
}

double mean_time(Contest contest, const ContestFigures& run) {
  if (contest == Contest::kVictim) return run.per_store();
  // A toucher that never came through has waited so long.
  if (run.touches == 0) return static_cast<double>(run.touch_longest);
  return static_cast<double>(run.touch_sum) / static_cast<double>(run.touches);
}

uint64_t longest_time(Contest contest, const ContestFigures& run) {
  return contest == Contest::kVictim ? run.longest() : run.touch_longest;
}

bool made_no_progress(Contest contest, const ContestFigures& run) {
  return contest == Contest::kVictim ? run.starved : run.touches == 0 && run.refused == 0;
}

ContestReference reference_of(Contest contest, const ContestFigures& run) {
  return {.each = mean_time(contest, run),
          .longest = static_cast<double>(longest_time(contest, run)),
          .stores = run.faults.size(),
          .kernel_faults = run.kernel_faults,
          .dax = run.dax,
          .map_sync = run.map_sync};
}

ContestMeasurement summarise(const ContestAsked& asked, std::span<const ScannedRun> scan) {
  const double scale = asked.unit_per_tick;
  const bool victim = asked.contest == Contest::kVictim;
  ContestMeasurement m;
  m.dax = true;
  m.map_sync = true;
  m.kernel_faults = 0;
  std::vector<double> slowdowns;
  // The times of all stores or touches that ended, and of a victim's store that was open at the
  // end.
  std::vector<uint64_t> times;
  Distribution times_beyond;
  fl_kmod_stats module{};
  double in_stores = 0;
  uint64_t elapsed = 0;
  uint64_t longest = 0;
  for (const ScannedRun& scanned : scan) {
    const ContestFigures& f = scanned.figures;
    const ContestMeasurement::Run run = run_of(asked, scanned);
    slowdowns.push_back(run.slowdown);
    if (run.starved) ++m.starved;
    const bool worse = m.runs.empty() || (run.starved != m.runs.at(m.worst).starved
                                              ? run.starved
                                              : run.slowdown > m.runs.at(m.worst).slowdown);
    if (worse) {
      m.worst = m.runs.size();
      m.reference = {.each = scale * scanned.reference.each,
                     .longest = scale * scanned.reference.longest,
                     .stores = scanned.reference.stores};
    }
    m.runs.push_back(run);

    const std::vector<uint64_t>& measured = victim ? f.faults : f.touch_ticks;
    times.insert(times.end(), measured.begin(), measured.end());
    if (victim && f.open != 0) times.push_back(f.open);
    if (!victim) times_beyond.add(f.touches_beyond);
    longest = std::max(longest, longest_time(asked.contest, f));
    m.stores += f.faults.size();
    for (const uint64_t fault : f.faults) in_stores += static_cast<double>(fault);
    elapsed += f.elapsed;
    if (!f.kernel_faults) {
      m.kernel_faults.reset();
    } else if (m.kernel_faults) {
      *m.kernel_faults += *f.kernel_faults;
    }
    m.app_syncs += f.app_syncs;
    m.touches += f.touches;
    m.refused += f.refused;
    if (m.refusal == 0) m.refusal = f.refusal;
    m.dax = m.dax && f.dax;
    m.map_sync = m.map_sync && f.map_sync;
    add_stats(f.module, module);
  }
  std::sort(times.begin(), times.end());
  const auto time_at = [&](double q) {
    return scale * static_cast<double>(quantile_of(times, times_beyond, q));
  };
  m.p50 = time_at(0.5);
  m.p90 = time_at(0.9);
  m.p99 = time_at(0.99);
  m.p99_9 = time_at(0.999);
  m.max = time_at(1.0);
  m.progress_max = scale * static_cast<double>(longest);
  m.per_fault = scale * ratio(in_stores, static_cast<double>(m.stores));
  m.per_page = scale * ratio(static_cast<double>(elapsed), static_cast<double>(m.stores));
  m.slowdown_p50 = median(slowdowns);
  m.attack_rate = 1e9 * ratio(static_cast<double>(m.touches), scale * static_cast<double>(elapsed));
  if (asked.module) m.module = module;
  m.complaint = complaint_about(asked, scan, m);
  return m;
}

namespace {

const TouchKind* find_kind(const RunContext& context, const std::string& id) {
  for (const TouchKind& kind : context.code.kinds) {
    if (id == kind.id) return &kind;
  }
  if (id == kNoTouch) return nullptr;
  throw Failure(ExitCode::kUsage, fmt::format("{} has no touch '{}'", context.workload.id, id));
}

// What all runs of a cell share.
ContestSpec spec_of(const Cell& cell, const RunContext& context, const StrategyModule* module,
                    const TouchKind* kind, double unit_per_tick) {
  const bool concurrent = cell.setting == Setting::kConcurrent;
  ContestSpec spec;
  spec.directory = context.directory;
  spec.state = cell.state;
  spec.strategy = &context.strategy;
  spec.module = module;
  spec.every = cell.writes_per_sync == kNoK ? kEveryAll : cell.writes_per_sync.k;
  spec.stores = cell.touches * (concurrent ? kConcurrentStores : 1);
  const uint64_t deadline_ms =
      concurrent ? std::max(cell.fault_deadline_ms, kConcurrentDeadlineMs) : cell.fault_deadline_ms;
  spec.fault_deadline_ns = deadline_ms * kMs;
  spec.run_deadline_ns = spec.fault_deadline_ns * 3 / 2;
  spec.ns_per_tick = unit_per_tick;
  spec.kind = kind;
  spec.touchers = cell.attackers;
  return spec;
}

// The runs that those of `spec` are compared with.
ContestSpec reference_spec(Contest contest, ContestSpec spec) {
  if (contest == Contest::kVictim) {
    spec.kind = nullptr;
    spec.touchers = 0;
  } else {
    spec.strategy = find_strategy("volatile");
    spec.module = nullptr;
    spec.every = kEveryAll;
    spec.stores *= kVolatileFactor;
  }
  return spec;
}

ContestFigures run_at(ContestSpec spec, const ScanPoint& at) {
  spec.period_ns = at.period_us * kUs;
  spec.phase_ns = at.phase_us * kUs;
  return run_contest(spec);
}

}  // namespace

ContestMeasurement measure_contest(const Cell& cell, const RunContext& context) {
  const Contest contest = context.workload.contest;
  const TouchKind* kind = find_kind(context, cell.touch);
  if ((kind == nullptr) != (cell.attackers == 0) || cell.attackers > kMaxTouchers) {
    throw Failure(ExitCode::kUsage,
                  fmt::format("{} attackers cannot touch by '{}'", cell.attackers, cell.touch));
  }
  std::unique_ptr<StrategyModule> module;
  if (context.strategy.needs_module()) module = std::make_unique<StrategyModule>();
  const double unit_per_tick = ns_per_tick(cell.virtual_time);
  const ContestSpec spec = spec_of(cell, context, module.get(), kind, unit_per_tick);
  if (kind != nullptr && kind->code.setup != nullptr && !kind->code.setup(context.directory)) {
    throw Failure(ExitCode::kRegression,
                  fmt::format("touch {}: {}", kind->id, std::strerror(errno)));
  }
  const ContestSpec without = reference_spec(contest, spec);
  std::vector<ScannedRun> scan;
  // A victim alone has no timer beside it: one run of it serves all. A bystander's timer is that of
  // the run that is compared.
  ContestReference reference;
  if (contest == Contest::kVictim) reference = reference_of(contest, run_contest(without));
  for (const ScanPoint& at : scan_points(contest, cell.attackers, cell.setting)) {
    if (contest == Contest::kBystander) reference = reference_of(contest, run_at(without, at));
    scan.push_back({.at = at, .figures = run_at(spec, at), .reference = reference});
  }
  return summarise({.contest = contest,
                    .touchers = cell.attackers,
                    .unit_per_tick = unit_per_tick,
                    .module = module != nullptr,
                    .fs = cell.fs,
                    .dax = context.fs.dax,
                    .map_sync = context.strategy.map_sync},
                   scan);
}

}  // namespace faultline
