// SPDX-License-Identifier: GPL-2.0-only
#include "cell/cell.h"

#include <fmt/format.h>

#include <algorithm>
#include <concepts>
#include <limits>

#include "cell/failure.h"
#include "cell/name.h"

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
        value.get<std::uint64_t>() <= std::numeric_limits<T>::max()) {
      return value.get<T>();
    }
  }
  throw Failure(ExitCode::kUsage, fmt::format("cell: no such {}: {}", name, value.dump()));
}

template <typename E>
E enum_of(const nlohmann::json& json, const char* name) {
  const auto text = field_of<std::string>(json, name);
  for (const E one : all_of_enum<E>()) {
    if (text == id_of(one)) return one;
  }
  throw Failure(ExitCode::kUsage, fmt::format("cell: no such {}: '{}'", name, text));
}

}  // namespace

bool is_varied(const std::string& id) {
  return id == kVaryAll || id == kVaryNone ||
         std::any_of(std::begin(kAccidentTable), std::end(kAccidentTable),
                     [&](const Named& accident) { return id == accident.id; });
}

Probes probes_named(const std::string& id) {
  std::string known;
  for (std::size_t i = 0; i < std::size(kProbeSets); ++i) {
    if (id == kProbeSets[i].id) return static_cast<Probes>(i);
    if (!kProbeSets[i].selftest) {
      known += fmt::format("{}{}", known.empty() ? "" : ", ", kProbeSets[i].id);
    }
  }
  throw Failure(ExitCode::kUsage,
                fmt::format("cell: no such probes: '{}'; there is: {}", id, known));
}

nlohmann::json writes_per_sync_json(std::uint64_t k) {
  if (k == kNoK) return nullptr;
  if (k == kEveryAll) return "all";
  return k;
}

std::string Cell::name() const { return row_name(*this); }

nlohmann::json cell_to_json(const Cell& cell) {
  return {{"kernel", cell.kernel},
          {"fs", cell.fs},
          {"strategy", cell.strategy},
          {"writes_per_sync", writes_per_sync_json(cell.writes_per_sync)},
          {"workload", cell.workload},
          {"state", id_of(cell.state)},
          {"order", id_of(cell.order)},
          {"threads", cell.threads},
          {"probes", id_of(cell.probes)},
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
          {"setting", id_of(cell.setting)}};
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
      cell.writes_per_sync = field_of<std::uint64_t>(json, "writes_per_sync");
      if (cell.writes_per_sync == kNoK || cell.writes_per_sync == kEveryAll) {
        throw Failure(ExitCode::kUsage, fmt::format("cell: no such writes_per_sync: {}", k.dump()));
      }
    }
    cell.workload = field_of<std::string>(json, "workload");
    cell.state = enum_of<State>(json, "state");
    cell.order = enum_of<Order>(json, "order");
    cell.threads = field_of<unsigned>(json, "threads");
    cell.probes = probes_named(field_of<std::string>(json, "probes"));
    cell.seed = field_of<std::uint64_t>(json, "seed");
    cell.vary = field_of<std::string>(json, "vary");
    if (!is_varied(cell.vary)) {
      throw Failure(ExitCode::kUsage, fmt::format("cell: no such vary: '{}'", cell.vary));
    }
    cell.repetition = field_of<unsigned>(json, "repetition");
    cell.touches = field_of<std::uint64_t>(json, "touches");
    cell.virtual_time = field_of<bool>(json, "virtual_time");
    cell.samples = field_of<bool>(json, "samples");
    cell.delay = field_of<std::uint64_t>(json, "delay");
    cell.dirty_inodes = field_of<std::uint64_t>(json, "dirty_inodes");
    cell.touch = field_of<std::string>(json, "touch");
    cell.attackers = field_of<unsigned>(json, "attackers");
    cell.setting = enum_of<Setting>(json, "setting");
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
