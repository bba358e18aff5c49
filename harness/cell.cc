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
T field_of(const nlohmann::json& json, const char* name) {
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
T named(const nlohmann::json& json, const char* field, const T (&all)[N], const char* (*name)(T)) {
  const auto text = field_of<std::string>(json, field);
  for (const T one : all) {
    if (text == name(one)) return one;
  }
  throw Failure(ExitCode::kUsage, fmt::format("cell: no such {}: '{}'", field, text));
}

}  // namespace

const char* state_name(State state) {
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

const char* order_name(Order order) { return order == Order::kPmd ? "pmd" : "pte"; }

const char* setting_name(Setting setting) {
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

const char* probes_name(Probes probes) {
  for (const ProbesRow& row : kProbesRows) {
    if (row.probes == probes) return row.id;
  }
  return "?";
}

Probes probes_named(const std::string& id) {
  std::string known;
  for (const ProbesRow& row : kProbesRows) {
    if (id == row.id) return row.probes;
    if (!row.selftest) known += fmt::format("{}{}", known.empty() ? "" : ", ", row.id);
  }
  throw Failure(ExitCode::kUsage,
                fmt::format("cell: no such probes: '{}'; there is: {}", id, known));
}

nlohmann::json writes_per_sync_json(uint64_t k) {
  if (k == kNoK) return nullptr;
  if (k == kEveryAll) return "all";
  return k;
}

std::string Cell::name() const {
  std::string k;
  if (writes_per_sync == kEveryAll) k = ":all";
  if (writes_per_sync != kEveryAll && writes_per_sync != kNoK)
    k = fmt::format(":{}", writes_per_sync);
  const std::string contest =
      touch.empty() ? "" : fmt::format("/{}/a{}/{}", touch, attackers, setting_name(setting));
  const std::string inodes = dirty_inodes == 0 ? "" : fmt::format("/d{}", dirty_inodes);
  return fmt::format("{}/{}/{}{}/{}/{}/{}/t{}{}{}/{}", kernel, fs, strategy, k, workload,
                     state_name(state), order_name(order), threads, inodes, contest,
                     probes_name(probes));
}

nlohmann::json cell_to_json(const Cell& cell) {
  return {{"kernel", cell.kernel},
          {"fs", cell.fs},
          {"strategy", cell.strategy},
          {"writes_per_sync", writes_per_sync_json(cell.writes_per_sync)},
          {"workload", cell.workload},
          {"state", state_name(cell.state)},
          {"order", order_name(cell.order)},
          {"threads", cell.threads},
          {"probes", probes_name(cell.probes)},
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
          {"setting", setting_name(cell.setting)}};
}

Cell cell_from_json(const nlohmann::json& json) {
  try {
    Cell cell;
    cell.kernel = field_of<std::string>(json, "kernel");
    cell.fs = field_of<std::string>(json, "fs");
    cell.strategy = field_of<std::string>(json, "strategy");
    const auto& k = json.at("writes_per_sync");
    if (k == "all") {
      cell.writes_per_sync = kEveryAll;
    } else if (!k.is_null()) {
      cell.writes_per_sync = field_of<uint64_t>(json, "writes_per_sync");
      if (cell.writes_per_sync == kNoK || cell.writes_per_sync == kEveryAll) {
        throw Failure(ExitCode::kUsage, fmt::format("cell: no such writes_per_sync: {}", k.dump()));
      }
    }
    cell.workload = field_of<std::string>(json, "workload");
    cell.state = named(json, "state", kStates, state_name);
    const auto order = field_of<std::string>(json, "order");
    if (order != "pte" && order != "pmd") {
      throw Failure(ExitCode::kUsage, fmt::format("cell: no such order: '{}'", order));
    }
    cell.order = order == "pmd" ? Order::kPmd : Order::kPte;
    cell.threads = field_of<unsigned>(json, "threads");
    cell.probes = probes_named(field_of<std::string>(json, "probes"));
    cell.seed = field_of<uint64_t>(json, "seed");
    cell.vary = field_of<std::string>(json, "vary");
    if (!is_varied(cell.vary)) {
      throw Failure(ExitCode::kUsage, fmt::format("cell: no such vary: '{}'", cell.vary));
    }
    cell.repetition = field_of<unsigned>(json, "repetition");
    cell.touches = field_of<uint64_t>(json, "touches");
    cell.virtual_time = field_of<bool>(json, "virtual_time");
    cell.samples = field_of<bool>(json, "samples");
    cell.delay = field_of<uint64_t>(json, "delay");
    cell.dirty_inodes = field_of<uint64_t>(json, "dirty_inodes");
    cell.touch = field_of<std::string>(json, "touch");
    cell.attackers = field_of<unsigned>(json, "attackers");
    cell.setting = named(json, "setting", kSettings, setting_name);
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
