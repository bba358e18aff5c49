// SPDX-License-Identifier: GPL-2.0-only
#include "harness/cell.h"

#include <fmt/format.h>

#include "harness/failure.h"

namespace faultline {

const char* StateName(State state) {
  switch (state) {
    case State::kHole:
      return "hole";
    case State::kUnwritten:
      return "unwritten";
    case State::kWritten:
      return "written";
  }
  return "?";
}

const char* OrderName(Order order) { return order == Order::kPmd ? "pmd" : "pte"; }

nlohmann::json WritesPerSyncJson(uint64_t k) {
  if (k == kNoK) return nullptr;
  if (k == kEveryAll) return "all";
  return k;
}

std::string Cell::Name() const {
  std::string k;
  if (writes_per_sync == kEveryAll) k = ":all";
  if (writes_per_sync != kEveryAll && writes_per_sync != kNoK)
    k = fmt::format(":{}", writes_per_sync);
  return fmt::format("{}/{}/{}{}/{}/{}/{}/t{}/{}", kernel, fs, strategy, k, workload,
                     StateName(state), OrderName(order), threads, probes ? "on" : "off");
}

nlohmann::json CellToJson(const Cell& cell) {
  return {{"kernel", cell.kernel},
          {"fs", cell.fs},
          {"strategy", cell.strategy},
          {"writes_per_sync", WritesPerSyncJson(cell.writes_per_sync)},
          {"workload", cell.workload},
          {"state", StateName(cell.state)},
          {"order", OrderName(cell.order)},
          {"threads", cell.threads},
          {"probes", cell.probes ? "on" : "off"},
          {"seed", cell.seed},
          {"touches", cell.touches},
          {"virtual_time", cell.virtual_time},
          {"samples", cell.samples}};
}

Cell CellFromJson(const nlohmann::json& json) {
  try {
    Cell cell;
    cell.kernel = json.at("kernel").get<std::string>();
    cell.fs = json.at("fs").get<std::string>();
    cell.strategy = json.at("strategy").get<std::string>();
    const auto& k = json.at("writes_per_sync");
    if (k.is_null()) {
      cell.writes_per_sync = kNoK;
    } else if (k.is_string()) {
      if (k != "all") throw Failure(ExitCode::kUsage, fmt::format("cell: no such K: {}", k.dump()));
      cell.writes_per_sync = kEveryAll;
    } else {
      cell.writes_per_sync = k.get<uint64_t>();
    }
    cell.workload = json.at("workload").get<std::string>();
    const auto state = json.at("state").get<std::string>();
    bool known = false;
    for (const State s : {State::kHole, State::kUnwritten, State::kWritten}) {
      if (state == StateName(s)) cell.state = s, known = true;
    }
    if (!known) throw Failure(ExitCode::kUsage, fmt::format("cell: no such state: '{}'", state));
    const auto order = json.at("order").get<std::string>();
    if (order != "pte" && order != "pmd") {
      throw Failure(ExitCode::kUsage, fmt::format("cell: no such order: '{}'", order));
    }
    cell.order = order == "pmd" ? Order::kPmd : Order::kPte;
    cell.threads = json.at("threads").get<unsigned>();
    cell.probes = json.at("probes").get<std::string>() == "on";
    cell.seed = json.at("seed").get<uint64_t>();
    cell.touches = json.at("touches").get<uint64_t>();
    cell.virtual_time = json.at("virtual_time").get<bool>();
    cell.samples = json.at("samples").get<bool>();
    if (cell.threads == 0 || cell.touches == 0 || cell.touches % cell.threads != 0) {
      throw Failure(ExitCode::kUsage, fmt::format("cell: {} touches cannot be shared by {} threads",
                                                  cell.touches, cell.threads));
    }
    return cell;
  } catch (const nlohmann::json::exception& e) {
    throw Failure(ExitCode::kUsage, fmt::format("cell: not a cell: {}", e.what()));
  }
}

}  // namespace faultline
