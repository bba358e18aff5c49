// SPDX-License-Identifier: GPL-2.0-only
#include "harness/cell.h"

#include <fmt/format.h>

#include <concepts>
#include <limits>

#include "harness/failure.h"
#include "harness/seed.h"

namespace faultline {
namespace {

// A field that must be there and of that type: the library would turn -1 and 1.5 into counts, and
// does not name the field.
template <typename T>
T Field(const nlohmann::json& json, const char* name) {
  const nlohmann::json& value = json.at(name);
  if constexpr (std::same_as<T, std::string>) {
    if (value.is_string()) return value.get<T>();
  } else if constexpr (std::same_as<T, bool>) {
    if (value.is_boolean()) return value.get<T>();
  } else {
    if (value.is_number_integer() && value >= 0 &&
        value.get<uint64_t>() <= std::numeric_limits<T>::max()) {
      return value.get<T>();
    }
  }
  throw Failure(ExitCode::kUsage, fmt::format("cell: no such {}: {}", name, value.dump()));
}

// The one of `all` whose name the field holds.
template <typename T, size_t N>
T Named(const nlohmann::json& json, const char* field, const T (&all)[N], const char* (*name)(T)) {
  const auto text = Field<std::string>(json, field);
  for (const T one : all) {
    if (text == name(one)) return one;
  }
  throw Failure(ExitCode::kUsage, fmt::format("cell: no such {}: '{}'", field, text));
}

}  // namespace

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

const char* SettingName(Setting setting) {
  switch (setting) {
    case Setting::kDeterministic:
      return "deterministic";
    case Setting::kDeterministic2:
      return "deterministic2";
    case Setting::kConcurrent:
      return "concurrent";
  }
  return "?";
}

const char* ProbesName(Probes probes) {
  for (const ProbesRow& row : kProbesRows) {
    if (row.probes == probes) return row.id;
  }
  return "?";
}

Probes ProbesNamed(const std::string& id) {
  std::string known;
  for (const ProbesRow& row : kProbesRows) {
    if (id == row.id) return row.probes;
    if (!row.selftest) known += fmt::format("{}{}", known.empty() ? "" : ", ", row.id);
  }
  throw Failure(ExitCode::kUsage,
                fmt::format("cell: no such probes: '{}'; there is: {}", id, known));
}

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
  const std::string contest =
      touch.empty() ? "" : fmt::format("/{}/a{}/{}", touch, attackers, SettingName(setting));
  const std::string inodes = dirty_inodes == 0 ? "" : fmt::format("/d{}", dirty_inodes);
  return fmt::format("{}/{}/{}{}/{}/{}/{}/t{}{}{}/{}", kernel, fs, strategy, k, workload,
                     StateName(state), OrderName(order), threads, inodes, contest,
                     ProbesName(probes));
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
          {"probes", ProbesName(cell.probes)},
          {"seed", cell.seed},
          {"vary", cell.vary},
          {"repetition", cell.repetition},
          {"touches", cell.touches},
          {"virtual_time", cell.virtual_time},
          {"samples", cell.samples},
          {"delay", cell.delay},
          {"dirty_inodes", cell.dirty_inodes},
          {"touch", cell.touch},
          {"attackers", cell.attackers},
          {"setting", SettingName(cell.setting)}};
}

Cell CellFromJson(const nlohmann::json& json) {
  try {
    Cell cell;
    cell.kernel = Field<std::string>(json, "kernel");
    cell.fs = Field<std::string>(json, "fs");
    cell.strategy = Field<std::string>(json, "strategy");
    const auto& k = json.at("writes_per_sync");
    if (k == "all") {
      cell.writes_per_sync = kEveryAll;
    } else if (!k.is_null()) {
      cell.writes_per_sync = Field<uint64_t>(json, "writes_per_sync");
      if (cell.writes_per_sync == kNoK || cell.writes_per_sync == kEveryAll) {
        throw Failure(ExitCode::kUsage, fmt::format("cell: no such writes_per_sync: {}", k.dump()));
      }
    }
    cell.workload = Field<std::string>(json, "workload");
    cell.state = Named(json, "state", kStates, StateName);
    const auto order = Field<std::string>(json, "order");
    if (order != "pte" && order != "pmd") {
      throw Failure(ExitCode::kUsage, fmt::format("cell: no such order: '{}'", order));
    }
    cell.order = order == "pmd" ? Order::kPmd : Order::kPte;
    cell.threads = Field<unsigned>(json, "threads");
    cell.probes = ProbesNamed(Field<std::string>(json, "probes"));
    cell.seed = Field<uint64_t>(json, "seed");
    cell.vary = Field<std::string>(json, "vary");
    if (!IsVaried(cell.vary)) {
      throw Failure(ExitCode::kUsage, fmt::format("cell: no such vary: '{}'", cell.vary));
    }
    cell.repetition = Field<unsigned>(json, "repetition");
    cell.touches = Field<uint64_t>(json, "touches");
    cell.virtual_time = Field<bool>(json, "virtual_time");
    cell.samples = Field<bool>(json, "samples");
    cell.delay = Field<uint64_t>(json, "delay");
    cell.dirty_inodes = Field<uint64_t>(json, "dirty_inodes");
    cell.touch = Field<std::string>(json, "touch");
    cell.attackers = Field<unsigned>(json, "attackers");
    cell.setting = Named(json, "setting", kSettings, SettingName);
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
