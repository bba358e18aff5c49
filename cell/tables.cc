// SPDX-License-Identifier: GPL-2.0-only
#include <algorithm>

#include "cell/axes.h"
#include "cell/schema.h"

namespace faultline {
namespace {

nlohmann::json axis_rows() {
  nlohmann::json rows = nlohmann::json::array();
  for (const Axis& axis : axes()) {
    nlohmann::json usual = nullptr;
    if (const std::optional<std::string> value = usual_value(axis)) {
      // A number as a row has it, and not its digits.
      const nlohmann::json number = nlohmann::json::parse(*value, nullptr, false);
      usual = number.is_number() ? number : nlohmann::json(*value);
    }
    rows.push_back({{"id", axis.id},
                    {"field", axis.field},
                    {"letter", axis.letter},
                    {"summary", axis.help},
                    {"default", std::move(usual)}});
  }
  return rows;
}

nlohmann::json file_system_rows() {
  nlohmann::json rows = nlohmann::json::array();
  for (const FileSystem& fs : file_systems()) {
    rows.push_back({{"id", fs.id},
                    {"summary", fs.summary},
                    {"default", fs.by_default},
                    {"type", fs.type},
                    {"dax", fs.dax},
                    {"map_sync", fs.map_sync},
                    {"journal", id_of(fs.journal)},
                    {"module", fs.module},
                    {"tool", fs.tool},
                    {"check", fs.check},
                    {"mkfs", fs.mkfs},
                    {"features", fs.features},
                    {"options", fs.options}});
  }
  return rows;
}

nlohmann::json strategy_rows() {
  nlohmann::json rows = nlohmann::json::array();
  for (const Strategy& strategy : strategies()) {
    nlohmann::json ks = nlohmann::json::array();
    for (const std::uint64_t k : strategy.writes_per_sync) ks.push_back(writes_per_sync_json(k));
    rows.push_back({{"id", strategy.id},
                    {"summary", strategy.summary},
                    {"default", strategy.by_default},
                    {"family", id_of(strategy.family)},
                    {"mapped", strategy.mapped},
                    {"only_written", strategy.only_written},
                    {"module", strategy.needs_module()},
                    {"promises", promise_text(strategy.promise)},
                    {"durable", row_of(strategy.promise).durable},
                    {"when", row_of(strategy.promise).when},
                    {"writes_per_sync", ks}});
  }
  return rows;
}

nlohmann::json workload_rows(bool selftest) {
  nlohmann::json rows = nlohmann::json::array();
  for (const Workload& workload : workloads()) {
    if (workload.selftest != selftest) continue;
    rows.push_back({{"id", workload.id},
                    {"summary", workload.summary},
                    {"default", workload.by_default},
                    {"kind", id_of(workload.contest)},
                    {"touches", workload.touches},
                    {"life_s", workload.life_s}});
  }
  return rows;
}

nlohmann::json touch_rows() {
  nlohmann::json rows = nlohmann::json::array();
  for (const TouchRow& touch : touches()) {
    rows.push_back({{"id", touch.id},
                    {"summary", std::string(touch.workload) + ": " + touch.summary},
                    {"workload", touch.workload},
                    {"default", true}});
  }
  return rows;
}

nlohmann::json probe_set_rows() {
  nlohmann::json rows = nlohmann::json::array();
  for (const ProbeSetRow& set : kProbeSets) {
    if (set.selftest) continue;
    rows.push_back({{"id", set.id},
                    {"summary", set.summary},
                    {"default", set.by_default},
                    {"twin", set.parts == 0}});
  }
  return rows;
}

nlohmann::json named_rows(std::span<const Named> table, bool by_default) {
  nlohmann::json rows = nlohmann::json::array();
  for (const Named& row : table) {
    rows.push_back({{"id", row.id}, {"summary", row.summary}, {"default", by_default}});
  }
  return rows;
}

// What an axis of enumerators chooses where the user names none is for the axis to say.
template <typename E>
nlohmann::json enum_rows(const char* axis) {
  nlohmann::json rows = named_rows(table_of(E{}), false);
  Cell cell;
  for (const Workload& workload : workloads()) {
    if (workload.contest == Contest::kVictim) cell.workload = workload.id;  // it has all axes
  }
  for (const AxisValue& value : find_axis(axis)->offers(Sources{}, cell)) {
    for (nlohmann::json& row : rows) {
      if (row["id"] == value.name) row["default"] = value.by_default;
    }
  }
  return rows;
}

constexpr Named kEvents[] = {
#define PROBE(id_, what) {.id = #id_, .summary = (what)},
#include "bpf/probes.def"
#undef PROBE
};
constexpr Named kPhases[] = {
#define PHASE(id_, what) {.id = #id_, .summary = (what)},
#include "bpf/phases.def"
#undef PHASE
};

}  // namespace

nlohmann::json tables_json() {
  return {{"axes", axis_rows()},
          {"fs", file_system_rows()},
          {"strategy", strategy_rows()},
          {"workload", workload_rows(false)},
          {"selftest", workload_rows(true)},
          {"touch", touch_rows()},
          {"state", enum_rows<State>("state")},
          {"order", enum_rows<Order>("order")},
          {"setting", enum_rows<Setting>("setting")},
          {"vary", named_rows(kAccidentTable, true)},
          {"probes", probe_set_rows()},
          {"probe", named_rows(kEvents, true)},
          {"phase", named_rows(kPhases, false)},
          {"fault_result",
           {
#define VM_FAULT(id, bit) {{"id", #id}, {"bit", bit}},
#include "bpf/vm_fault.def"
#undef VM_FAULT
           }}};
}

}  // namespace faultline
