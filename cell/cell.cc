// SPDX-License-Identifier: GPL-2.0-only
#include "cell/cell.h"

#include <fmt/format.h>

#include <algorithm>

#include "cell/failure.h"
#include "cell/name.h"
#include "cell/record.h"

namespace faultline {
bool is_varied(const std::string& id) {
  return id == kVaryAll || id == kVaryNone ||
         std::any_of(std::begin(kAccidentTable), std::end(kAccidentTable),
                     [&](const Named& accident) { return id == accident.id; });
}

// Spaced, since a help's lines are broken at spaces alone.
std::string probe_set_ids() {
  std::string sets;
  std::string kinds;  // of bpf_cost, which share what stands before the colon
  for (const ProbeSetRow& set : kProbeSets) {
    const std::string_view id = set.id;
    const std::size_t colon = id.find(':');
    if (set.selftest) continue;
    if (colon == std::string_view::npos) {
      sets += fmt::format("{}{}", sets.empty() ? "" : ", ", id);
    } else {
      kinds += fmt::format("{}{}", kinds.empty() ? id.substr(0, colon + 1) : " | ",
                           id.substr(colon + 1));
    }
  }
  return sets + ", " + kinds;
}

Probes probes_named(const std::string& id) {
  for (std::size_t i = 0; i < std::size(kProbeSets); ++i) {
    if (id == kProbeSets[i].id) return static_cast<Probes>(i);
  }
  throw Failure(ExitCode::kUsage,
                fmt::format("no set of probes is called '{}'; there is: {}", id, probe_set_ids()));
}

nlohmann::json writes_per_sync_json(std::uint64_t k) {
  if (k == kNoK) return nullptr;
  if (k == kEveryAll) return "all";
  return k;
}

std::string Cell::name() const { return row_name(*this); }

nlohmann::json cell_to_json(const Cell& cell) {
  nlohmann::json json;
#define WRITE_IT(type, name, value, meaning) json[#name] = record::write(cell.name);
  FAULTLINE_CELL(WRITE_IT)
#undef WRITE_IT
  return json;
}

Cell cell_from_json(const nlohmann::json& json) {
  Cell cell;
  const char* field = "";
  try {
#define READ_IT(type, name, value, meaning) \
  field = #name;                            \
  record::read(json.at(field), cell.name, field);
    FAULTLINE_CELL(READ_IT)
#undef READ_IT
  } catch (const nlohmann::json::exception& e) {
    throw Failure(ExitCode::kUsage, fmt::format("cell: not a cell: {}", e.what()));
  } catch (const record::Refusal& refusal) {
    throw Failure(ExitCode::kUsage, fmt::format("cell: {} {}", field, refusal.wrong()));
  }
  if (!is_varied(cell.vary)) {
    throw Failure(ExitCode::kUsage, fmt::format("cell: no such vary: '{}'", cell.vary));
  }
  if (cell.threads == 0 || cell.touches == 0 || cell.touches % cell.threads != 0) {
    throw Failure(ExitCode::kUsage, fmt::format("cell: {} touches cannot be shared by {} threads",
                                                cell.touches, cell.threads));
  }
  return cell;
}

}  // namespace faultline
