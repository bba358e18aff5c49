// SPDX-License-Identifier: GPL-2.0-only
#include "cell/row.h"

#include <fmt/format.h>

#include "cell/failure.h"
#include "cell/name.h"

namespace faultline {

namespace record {

void refuse(const std::string& place, const nlohmann::json& json, const std::string& wanted) {
  constexpr std::size_t kShown = 40;
  throw Refusal(place,
                fmt::format("is {} where it takes {}", json.dump().substr(0, kShown), wanted));
}

void refuse_missing(const std::string& place) { throw Refusal(place, "is missing"); }

void refuse_unknown(const std::string& place) {
  throw Failure(ExitCode::kVmFailed, fmt::format("a row has no {}", place));
}

}  // namespace record

Row empty_row(const Cell& cell, const std::string& status, const std::string& reason) {
  Row row;
  row.name = row_name(cell);
  row.run_name = row.name;
  row.cell = Line(cell_part(cell));
  row.repetitions = 1;
  row.repetition_index = cell.repetition;
  row.threads = cell.threads;
  row.unit = kUnits[cell.virtual_time ? 0 : 1];
  row.time_unit = row.unit;
  row.time_domain = kTimeDomains[cell.virtual_time ? 0 : 1];
  row.kernel = cell.kernel;
  row.fs = cell.fs;
  row.strategy = cell.strategy;
  row.writes_per_sync = cell.writes_per_sync;
  row.workload = cell.workload;
  row.state = cell.state;
  row.order = cell.order;
  row.probes = cell.probes;
  row.seed = cell.seed;
  row.vary = cell.vary;
  row.touches = cell.touches;
  if (cell.dirty_inodes != 0) row.dirty_inodes = cell.dirty_inodes;
  if (cell.stores_per_page != 0) row.stores_per_page = cell.stores_per_page;
  if (cell.is_contest()) {
    row.touch = Word(cell.touch);
    row.attackers = cell.attackers;
    row.setting = cell.setting;
    if (cell.fault_deadline_ms != kFaultDeadlineMs) row.fault_deadline_ms = cell.fault_deadline_ms;
  }
  row.path.emplace();
  row.profile.emplace();
  row.vector.emplace();
  row.caches.emplace();
  row.status = status;
  row.reason = reason;
  return row;
}

Row row_from_json(const nlohmann::json& json) {
  Row row;
  record::read_record(json, row, "");
  return row;
}

Row earlier_row_from_json(const nlohmann::json& json) {
  Row row;
  record::read_record(json, row, "", record::Missing::kTake);
  return row;
}

}  // namespace faultline
