// SPDX-License-Identifier: GPL-2.0-only
#include "harness/row.h"

#include <cstring>
#include <optional>
#include <utility>

namespace faultline {
namespace {

// The value, or null where there is none.
template <typename T>
nlohmann::json or_null(const std::optional<T>& value) {
  return value ? nlohmann::json(*value) : nlohmann::json(nullptr);
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

void put_module(const fl_kmod_stats& stats, nlohmann::json& row) {
  row["module"] = module_json(stats);
  row["retries_p50"] = retries_p50(stats);
  row["retries_max"] = stats.max_retries;
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
