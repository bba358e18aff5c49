// SPDX-License-Identifier: GPL-2.0-only
#include "cell/name.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <sstream>

#include "cell/axes.h"

namespace faultline {
namespace {

bool is_value(const Axis& axis, const std::string& part) {
  const std::vector<std::string> known = axis.known(Sources{});
  return std::find(known.begin(), known.end(), part) != known.end();
}

// Tells whether `part` is the letter that marks an axis's values, and digits.
bool is_count(const std::string& part, const std::string& letter) {
  return part.size() > letter.size() && part.starts_with(letter) &&
         part.find_first_not_of("0123456789", letter.size()) == std::string::npos;
}

bool is_probe_set(const std::string& text) {
  return std::any_of(std::begin(kProbeSets), std::end(kProbeSets),
                     [&](const ProbeSetRow& row) { return text == row.id; });
}

}  // namespace

std::string strategy_name(const std::string& id, std::uint64_t writes_per_sync) {
  if (writes_per_sync == kNoK) return id;
  if (writes_per_sync == kEveryAll) return id + ":all";
  return fmt::format("{}:{}", id, writes_per_sync);
}

std::string cell_part(const Cell& cell) {
  std::vector<std::string> parts = {cell.kernel};
  for (const Axis& axis : axes()) {
    const std::string value = axis.value(cell);
    if (!value.empty()) parts.push_back(axis.letter + value);
  }
  return fmt::format("{}", fmt::join(parts, "/"));
}

std::string sample_name(std::string name, std::uint64_t seed, std::uint64_t repetition) {
  if (seed != 0) name += fmt::format(" seed {}", seed);
  if (repetition != 0) name += fmt::format(" repetition {}", repetition);
  return name;
}

std::string row_name(const Cell& cell) { return cell_part(cell) + "/" + id_of(cell.probes); }

std::optional<CellName> parse_cell_name(const std::string& text) {
  if (text.find_first_of("*?[,") != std::string::npos) return std::nullopt;
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, '/');) parts.push_back(part);
  if (text.ends_with('/')) return std::nullopt;

  CellName name;
  if (!parts.empty() && is_probe_set(parts.back())) {
    name.probes = parts.back();
    parts.pop_back();
  }
  std::vector<std::pair<std::string, std::string>> backwards;
  std::optional<bool> contest;  // the last of a contest's axes tells, by its values
  bool of_a_contest = false;
  for (auto axis = axes().rbegin(); axis != axes().rend(); ++axis) {
    const std::string letter = axis->letter;
    const bool fits = !parts.empty() && !parts.back().empty() &&
                      (letter.empty() || is_count(parts.back(), letter));
    if (axis->in_name == InName::kOfAContest && !contest) {
      contest = fits && is_value(*axis, parts.back());
    }
    const bool needed =
        axis->in_name == InName::kAlways || (axis->in_name == InName::kOfAContest && *contest);
    if (needed && !fits) return std::nullopt;
    if (!fits || (!needed && axis->in_name == InName::kOfAContest)) continue;
    of_a_contest = of_a_contest || axis->in_name == InName::kSometimesOfAContest;
    backwards.emplace_back(axis->id, parts.back().substr(letter.size()));
    parts.pop_back();
  }
  if (of_a_contest && !*contest) return std::nullopt;
  name.kernel = fmt::format("{}", fmt::join(parts, "/"));
  name.axes.assign(backwards.rbegin(), backwards.rend());
  std::vector<std::string> cell;
  for (const auto& [axis, value] : name.axes) cell.push_back(find_axis(axis)->letter + value);
  name.cell = fmt::format("{}", fmt::join(cell, "/"));
  return name;
}

}  // namespace faultline
