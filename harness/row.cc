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
#include <utility>

#include "harness/histogram.h"
#include "harness/interruptions.h"

namespace faultline {
namespace {

// The value, or null where there is none.
template <typename T>
nlohmann::json or_null(const std::optional<T>& value) {
  return value ? nlohmann::json(*value) : nlohmann::json(nullptr);
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
  // kprobe and kretprobe, by ftrace with a whole pt_regs: not measured here. The pair costs so much
  // if it is to a pair of fentry and fexit as the one that bpftrace attaches is.
  return 530;
}

// What is left of `per_fault`, which the threads' own clock measured, is `other`: from the store
// to the first probe, from the last one back to the loop, and the loop. `marks_cost` is what the
// marks should cost that fall on the phase, per fault, by relative_cost().
nlohmann::json phases_json(const ProbesSeen& probes, uint64_t touches, double unit_per_tick,
                           double per_fault) {
  const ProbeReading& reading = probes.reading;
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
    const PointStatus* point = find_point(probes.points, point_of_mark(row.mark));
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
        unit_per_tick * static_cast<double>(reading.phases.at(i)) / static_cast<double>(touches);
    left -= mean;
    add(kPhaseNames[i], mean, i);
  }
  add("other", left, FL_PHASE_other);
  return phases;
}

// What the numbers of samples mean, in the order of enum fl_kind.
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

nlohmann::json locks_json(const ProbeReading& reading) {
  constexpr const char* kNames[] = {"mmap_read", "mmap_write", "vma"};
  nlohmann::json locks = nlohmann::json::array();
  for (const fl_thread& thread : reading.threads) {
    for (size_t kind = 0; kind < FL_LOCKS; ++kind) {
      const fl_lock& lock = thread.locks[kind];
      if (lock.count == 0) continue;
      // Threads are numbered from the process on: the same in every run.
      locks.push_back(
          {{"thread", static_cast<int64_t>(thread.tid) - static_cast<int64_t>(reading.state.tgid)},
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

nlohmann::json module_json(const fl_kmod_stats& stats) {
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

// Of the faults that ended; a retry count above the table's is the table's last.
uint64_t retries_p50(const fl_kmod_stats& stats) {
  uint64_t seen = 0;
  for (size_t i = 0; i < FL_KMOD_RETRIES; ++i) {
    seen += stats.retries_per_fault[i];
    if (2 * seen >= stats.faults) return i;
  }
  return 0;
}

nlohmann::json scan_json(const ContestMeasurement::Run& run) {
  return {{"period_us", run.at.period_us}, {"phase_us", run.at.phase_us},
          {"stores", run.stores},          {"kernel_faults", or_null(run.kernel_faults)},
          {"starved", run.starved},        {"each", run.each},
          {"longest", run.longest},        {"slowdown", run.slowdown},
          {"retries", run.retries},        {"retries_max", run.retries_max},
          {"touches", run.touches},        {"refused", run.refused}};
}

nlohmann::json losses_json(const Losses& losses) {
  return {{"dropped", losses.dropped},
          {"missed", losses.missed},
          {"recursion", losses.recursion},
          {"slots", losses.slots}};
}

void put_module(const fl_kmod_stats& stats, nlohmann::json& row) {
  row["module"] = module_json(stats);
  row["retries_p50"] = retries_p50(stats);
  row["retries_max"] = stats.max_retries;
}

// What a set of probes that sees faults saw.
void put_probes(const Cell& cell, const LoopFigures& loop, nlohmann::json& row) {
  const ProbesSeen& probes = *loop.probes;
  const ProbeReading& reading = probes.reading;
  const Distribution& fault = reading.of(ProbeId::k_fault);
  const Distribution& commit = reading.of(ProbeId::k_commit);
  const Distribution& fast_commit = reading.of(ProbeId::k_fast_commit);
  const auto seen = [&](const char* point, ProbeId id) {
    return probe_json(find_point(probes.points, point), reading.of(id));
  };
  row["probe"] = {{"fault", seen("fault.end", ProbeId::k_fault)},
                  {"sync", seen("sync.end", ProbeId::k_sync)},
                  {"commit", seen("commit.end", ProbeId::k_commit)},
                  {"fast_commit", seen("fast_commit.end", ProbeId::k_fast_commit)}};
  if (!row["probe"]["fault"].is_null() && fault.count != 0) {
    for (const char* name : {"p50", "p90", "p99", "p99_9", "max"}) {
      row[name] = row["probe"]["fault"][name];
    }
  }
  // The module syncs on either side of dax_finish_sync_fault(), and counts it itself.
  row["syncs"] = loop.module ? loop.module->syncs + loop.module->syncs_dropped
                             : reading.of(ProbeId::k_sync).count;
  row["fast_commits"] = fast_commit.count;
  row["commits"] = commit.count + fast_commit.count;
  row["fallback_reasons"] = fallbacks_json(reading.state);
  row["fallbacks"] = std::accumulate(std::begin(reading.state.fallbacks),
                                     std::end(reading.state.fallbacks), reading.state.retries);
  row["journal"].update(journal_json(reading, loop.journal, cell.touches));
  if (cell.probes == Probes::kLocks) row["locks"] = locks_json(reading);
  if (cell.probes == Probes::kPhases || cell.probes == Probes::kBallast) {
    row["phases"] = phases_json(probes, cell.touches, loop.unit_per_tick, loop.per_fault);
  }
  if (cell.samples) {
    row["samples"] = nlohmann::json::array();
    for (const fl_sample& s : probes.samples) {
      row["samples"].push_back(
          {s.kind, s.tid, s.start, s.duration, s.address, s.result, s.order, s.link});
    }
    row["sample_kinds"] = sample_kinds();
  }
}

void put_loop(const Cell& cell, const LoopFigures& loop, nlohmann::json& row) {
  row["per_fault"] = loop.per_fault;
  row["per_page"] = loop.per_page;
  row["real_time"] = loop.per_page;
  row["cpu_time"] = loop.per_fault;
  row["loop_cost"] = or_null(loop.loop_cost);
  row["iterations"] = cell.touches;
  row["touches"] = cell.touches;
  row["pages"] = loop.pages;
  row["faults"] = loop.faults;
  row["app_syncs"] = loop.app_syncs;
  row["mtime_changes"] = or_null(loop.mtime_changes);
  row["line_flush"] =
      loop.line_flush ? nlohmann::json(line_flush_name(*loop.line_flush)) : nlohmann::json(nullptr);
  row["mapped_order"] = loop.mapped_order;
  if (loop.module) put_module(*loop.module, row);
  row["losses"] = losses_json(loop.losses);
  row["journal"] = {{"kernel", loop.journal.json()}};
  if (loop.interrupts) row["interrupts"] = loop.interrupts->json();
  if (!loop.probes) return;
  if (cell.probes == Probes::kInterruptions) {
    row["interruptions"] = loop.probes->interruptions;
  } else {
    put_probes(cell, loop, row);
  }
}

}  // namespace

nlohmann::json empty_row(const Cell& cell, const std::string& status, const std::string& reason) {
  const std::string name = cell.name();
  nlohmann::json row = cell_to_json(cell);
  row.erase("virtual_time");
  row.erase("samples");
  row.erase("delay");  // the kernel's name says it
  row.erase("repetition");
  if (cell.dirty_inodes == 0) row["dirty_inodes"] = nullptr;
  if (cell.touch.empty()) {
    for (const char* field : {"touch", "attackers", "setting"}) row[field] = nullptr;
  }
  row.update({{"name", name},
              {"run_name", name},
              {"run_type", "iteration"},
              {"repetitions", 1},
              {"repetition_index", cell.repetition},
              {"family_index", 0},
              {"per_family_instance_index", 0},
              {"iterations", 0},
              {"time_domain", cell.virtual_time ? "virtual" : "wall"},
              {"unit", cell.virtual_time ? "instr" : "ns"},
              {"time_unit", cell.virtual_time ? "instr" : "ns"},
              {"status", status},
              {"reason", reason},
              {"life", nullptr}});
  for (const char* field : {"real_time",     "cpu_time",     "per_fault",     "per_page",
                            "loop_cost",     "pages",        "faults",        "syncs",
                            "app_syncs",     "commits",      "fast_commits",  "fallbacks",
                            "mtime_changes", "mapped_order", "dax",           "map_sync",
                            "line_flush",    "samples",      "tax",           "tax_page",
                            "p50",           "p90",          "p99",           "p99_9",
                            "max",           "probe",        "losses",        "module",
                            "retries_p50",   "retries_max",  "period_us",     "starved",
                            "slowdown",      "slowdown_p50", "progress_max",  "attack_rate",
                            "refused",       "reference",    "scan",          "journal",
                            "phases",        "locks",        "sample_kinds",  "fallback_reasons",
                            "counters",      "interrupts",   "interruptions", "outlier"}) {
    row[field] = nullptr;
  }
  return row;
}

void put_measurement(const Cell& cell, const Measurement& measurement, nlohmann::json& row) {
  row["dax"] = or_null(measurement.dax);
  row["map_sync"] = or_null(measurement.map_sync);
  row["counters"] = measurement.counters;
  if (measurement.loop) put_loop(cell, *measurement.loop, row);
}

void put_contest(const ContestMeasurement& contest, nlohmann::json& row) {
  const ContestMeasurement::Run& worst = contest.runs.at(contest.worst);
  row["p50"] = contest.p50;
  row["p90"] = contest.p90;
  row["p99"] = contest.p99;
  row["p99_9"] = contest.p99_9;
  row["max"] = contest.max;
  row["per_fault"] = contest.per_fault;
  row["per_page"] = contest.per_page;
  row["real_time"] = contest.per_page;
  row["cpu_time"] = contest.per_fault;
  row["iterations"] = contest.stores;
  row["touches"] = contest.stores;
  row["pages"] = contest.stores;
  row["faults"] = contest.kernel_faults.value_or(contest.stores);
  row["app_syncs"] = contest.app_syncs;
  row["mapped_order"] = order_name(Order::kPte);
  row["dax"] = contest.dax;
  row["map_sync"] = contest.map_sync;
  row["losses"] = losses_json({});
  row["period_us"] =
      worst.at.period_us == 0 ? nlohmann::json(nullptr) : nlohmann::json(worst.at.period_us);
  row["slowdown"] = worst.slowdown;
  row["slowdown_p50"] = contest.slowdown_p50;
  row["starved"] = {{"n", contest.starved}, {"of", contest.runs.size()}};
  row["progress_max"] = contest.progress_max;
  row["attack_rate"] = contest.attack_rate;
  row["refused"] = {
      {"n", contest.refused},
      {"error", contest.refusal == 0 ? nlohmann::json(nullptr)
                                     : nlohmann::json(strerrorname_np(contest.refusal))}};
  row["reference"] = {{"each", contest.reference.each},
                      {"longest", contest.reference.longest},
                      {"stores", contest.reference.stores}};
  row["scan"] = nlohmann::json::array();
  for (const ContestMeasurement::Run& run : contest.runs) row["scan"].push_back(scan_json(run));
  if (contest.module) {
    put_module(*contest.module, row);
    row["syncs"] = contest.module->syncs + contest.module->syncs_dropped;
  }
  put_standing(standing_of(contest.complaint, {}), row);
}

void put_standing(const Standing& standing, nlohmann::json& row) {
  row["status"] = standing.status;
  row["reason"] = standing.reason;
}

}  // namespace faultline
