// SPDX-License-Identifier: GPL-2.0-only
#include "cell/plan.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fnmatch.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <set>
#include <string_view>

#include "cell/failure.h"
#include "cell/words.h"

namespace faultline {
namespace {

// A touch of order pmd stands for 512 pages.
constexpr std::uint64_t kTouchesPmd = 32;

std::uint64_t usual_touches(const Workload& workload, const Cell& cell) {
  if (cell.order == Order::kPmd) return std::min(kTouchesPmd, workload.touches);
  const bool written = cell.state == State::kWritten && workload.touches_written != 0;
  return written ? workload.touches_written : workload.touches;
}

bool matches(const std::string& pattern, const std::string& name) {
  return fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
}

const std::vector<std::string>& patterns_of(const Selection& selection, const Axis& axis) {
  static const std::vector<std::string> kNone;
  const auto found = selection.patterns.find(axis.id);
  return found == selection.patterns.end() ? kNone : found->second;
}

bool meets(const std::string& pattern, const AxisValue& value) {
  if (value.name.empty()) return false;
  if (value.only_by_name) return pattern == value.name;
  return matches(pattern, value.name) || (!value.group.empty() && matches(pattern, value.group));
}

bool is_chosen(const std::vector<std::string>& patterns, const AxisValue& value) {
  if (value.name.empty() || value.always) return true;
  if (patterns.empty()) return value.by_default;
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& pattern) { return meets(pattern, value); });
}

// Every pattern must meet a name that there is.
void check(const Axis& axis, const std::vector<std::string>& patterns, const Sources& sources) {
  const std::vector<std::string> known = axis.known(sources);
  for (const std::string& pattern : patterns) {
    if (std::any_of(known.begin(), known.end(),
                    [&](const std::string& name) { return matches(pattern, name); })) {
      continue;
    }
    // A self-test misbehaves: it is not offered, and met by its whole name alone.
    if (axis.id == std::string("workload") && sources.workload(pattern) != nullptr) continue;
    throw Failure(ExitCode::kUsage, unknown_name(fmt::format("--{}", axis.id), pattern, known));
  }
}

// The strategy and its K of a name such as "fsync:7", where the strategy takes any.
std::optional<std::pair<std::string, std::uint64_t>> k_named(const std::string& name) {
  const std::size_t colon = name.find(':');
  const Strategy* strategy = find_strategy(name.substr(0, colon));
  if (colon == std::string::npos || strategy == nullptr || strategy->writes_per_sync.size() < 2) {
    return std::nullopt;
  }
  std::uint64_t k = 0;
  const char* const end = name.data() + name.size();
  const auto [at, error] = std::from_chars(name.data() + colon + 1, end, k);
  if (error != std::errc() || at != end || k == 0 || k > kMaxTouches) return std::nullopt;
  return std::pair(std::string(strategy->id), k);
}

// All axes, outermost loop first.
std::vector<const Axis*> axes_by_rank() {
  std::vector<const Axis*> loops;
  for (const Axis& axis : axes()) loops.push_back(&axis);
  std::sort(loops.begin(), loops.end(),
            [](const Axis* a, const Axis* b) { return a->rank < b->rank; });
  return loops;
}

// The patterns of each axis that have met a value of some cell.
using Met = std::map<std::string, std::set<std::string>>;

// Calls `take` with each cell that the selection names.
template <typename Take>
Met walk(const Selection& selection, const Sources& sources, Take take) {
  Met met;
  const std::vector<const Axis*> loops = axes_by_rank();
  const auto loop = [&](const auto& self, std::size_t depth, const Cell& cell) -> void {
    if (depth == loops.size()) return take(cell);
    const Axis& axis = *loops[depth];
    const std::vector<std::string>& patterns = patterns_of(selection, axis);
    for (const AxisValue& value : axis.offers(sources, cell)) {
      for (const std::string& pattern : patterns) {
        if (meets(pattern, value)) met[axis.id].insert(pattern);
      }
      if (!is_chosen(patterns, value)) continue;
      Cell next = cell;
      value.put(next);
      self(self, depth + 1, next);
    }
  };
  loop(loop, 0, Cell{});
  return met;
}

// An axis is that of some workloads alone, and a value too: what would be left out in silence is
// refused, and those are named which have it.
void check_all_met(const Selection& selection, const Sources& sources, const Met& met) {
  for (const Axis* axis : axes_by_rank()) {
    for (const std::string& pattern : patterns_of(selection, *axis)) {
      if (met.contains(axis->id) && met.at(axis->id).contains(pattern)) continue;
      std::vector<std::string> chosen;
      std::vector<std::string> takers;
      const Axis& workloads = *find_axis("workload");
      for (const AxisValue& value : workloads.offers(sources, Cell{})) {
        if (is_chosen(patterns_of(selection, workloads), value)) chosen.push_back(value.name);
        if (value.only_by_name) continue;
        const Selection other = {.patterns = {{"workload", {value.name}}, {axis->id, {pattern}}}};
        if (walk(other, sources, [](const Cell&) {}).contains(axis->id)) {
          takers.push_back(value.name);
        }
      }
      throw Failure(ExitCode::kUsage,
                    fmt::format("--{} {}: of no workload that is selected ({}){}", axis->id,
                                pattern, fmt::join(chosen, ", "),
                                takers.empty() ? ""
                                               : fmt::format("; --workload {} takes it",
                                                             fmt::join(takers, " or "))));
    }
  }
}

}  // namespace

std::vector<PlannedCell> plan_cells(const Selection& selection, const Sources& tables,
                                    const Surroundings& around) {
  for (const auto& [id, patterns] : selection.patterns) {
    if (find_axis(id) == nullptr) throw Failure(ExitCode::kUsage, "there is no axis " + id);
  }
  Sources sources = tables;
  for (const std::string& pattern : patterns_of(selection, *find_axis("strategy"))) {
    if (const auto named = k_named(pattern)) sources.more_k.push_back(*named);
  }
  for (const Axis& axis : axes()) check(axis, patterns_of(selection, axis), sources);
  if (selection.touches && (*selection.touches == 0 || *selection.touches > kMaxTouches)) {
    throw Failure(ExitCode::kUsage, fmt::format("--touches: {} is not between 1 and {}",
                                                *selection.touches, kMaxTouches));
  }

  std::vector<PlannedCell> plan;
  const Met met = walk(selection, sources, [&](Cell cell) {
    const Workload& workload = *sources.workload(cell.workload);
    const std::uint64_t touches = selection.touches.value_or(usual_touches(workload, cell));
    // Every thread has the same share.
    cell.touches = std::max<std::uint64_t>(touches / cell.threads, 1) * cell.threads;
    cell.virtual_time = !selection.wall;
    plan.push_back({.cell = cell, .skip = why_not(cell, sources, around)});
  });
  check_all_met(selection, sources, met);
  return plan;
}

std::uint64_t pmem_needed_mib(const Cell& cell) {
  // XFS: 64 MiB of log and at most 32 in reserve; ext4: a journal of 16 to 64, and an inode of 256
  // bytes per 16 KiB. copy_beside writes 32.
  constexpr std::uint64_t kBeside = 112;
  constexpr std::uint64_t kShare = 32;
  constexpr std::uint64_t kMib = 1 << 20;
  const std::uint64_t warmup = cell.order == Order::kPmd ? 2 * kHugeSize : kMib;
  const std::uint64_t file = (cell.touches * cell.stride() + warmup + kMib - 1) / kMib;
  const FileSystem* const fs = find_file_system(cell.fs);
  const std::uint64_t room = file * (fs != nullptr && fs->crowded ? kCrowded : 1);
  const std::uint64_t needed = (room + kBeside) * kShare / (kShare - 1) + 1;
  return needed + needed % 2;
}

void check_fits(const Cell& cell, std::uint64_t pmem_mib) {
  const std::uint64_t needed = pmem_needed_mib(cell);
  if (needed <= pmem_mib) return;
  throw Failure(ExitCode::kUsage,
                fmt::format("{} touches of {} KiB need {} MiB of pmem, and there are {}: --pmem "
                            "{}, or fewer --touches",
                            cell.touches, cell.stride() / 1024, needed, pmem_mib, needed));
}

SeedRange seeds_named(const std::string& text) {
  SeedRange range;
  const char* const end = text.data() + text.size();
  const auto [dots, bad] = std::from_chars(text.data(), end, range.first);
  if (bad == std::errc() && dots == end && range.first > 0 && range.first <= kMostSeeds) {
    return {.first = 0, .last = range.first - 1};
  }
  const bool two = bad == std::errc() && std::string_view(dots, end).starts_with("..");
  const auto last = two ? std::from_chars(dots + 2, end, range.last) : std::from_chars_result{};
  if (!two || last.ec != std::errc() || last.ptr != end || range.last < range.first ||
      range.last - range.first >= kMostSeeds || range.last > INT64_MAX) {
    throw Failure(ExitCode::kUsage,
                  fmt::format("--seeds: '{}' is no number and no FIRST..LAST of at most {} seeds",
                              text, kMostSeeds));
  }
  return range;
}

std::vector<Probes> probe_sets_named(const std::string& list) {
  std::vector<Probes> sets = {Probes::k_off};
  const auto add = [&](Probes set) {
    if (std::find(sets.begin(), sets.end(), set) == sets.end()) sets.push_back(set);
  };
  for (const std::string& id : split_list(list)) {
    if (id.find_first_of("*?[") == std::string::npos) {
      add(probes_named(id));
      continue;
    }
    const std::size_t before = sets.size();
    for (std::size_t i = 0; i < std::size(kProbeSets); ++i) {
      if (!kProbeSets[i].selftest && matches(id, kProbeSets[i].id)) add(static_cast<Probes>(i));
    }
    // The twin is there without being named.
    if (sets.size() == before && !matches(id, id_of(Probes::k_off))) probes_named(id);
  }
  return sets;
}

void check_vary(const std::string& vary) {
  if (is_varied(vary)) return;
  std::string known = kVaryAll;
  for (const Named& accident : kAccidentTable) known += fmt::format(", {}", accident.id);
  throw Failure(ExitCode::kUsage,
                fmt::format("--vary: no such thing: '{}'; there is: {}", vary, known));
}

std::vector<PlannedRow> plan_rows(const std::string& kernel, const std::vector<PlannedCell>& cells,
                                  const Sampling& sampling, std::size_t room) {
  std::vector<PlannedRow> rows;
  for (const PlannedCell& planned : cells) {
    for (const Probes set : sampling.sets) {
      const bool probed = set != Probes::k_off;
      // A contest is measured by its parties' own clocks.
      if (probed && planned.cell.is_contest()) continue;
      PlannedRow row{.cell = planned.cell, .skip = planned.skip};
      row.cell.kernel = kernel;
      row.cell.probes = set;
      row.cell.vary = sampling.vary;
      row.cell.samples = sampling.samples && probed;
      SeedRange range = planned.cell.is_contest() ? sampling.contest_seeds : sampling.seeds;
      if (probed && sampling.probe_seeds > 0) {
        range.last = std::min(range.last, range.first + sampling.probe_seeds - 1);
      }
      // What is not measured is said once.
      const std::uint64_t last = planned.skip.empty() ? range.last : range.first;
      row.repetitions = planned.skip.empty() ? sampling.repetitions : 1;
      for (row.cell.seed = range.first; row.cell.seed <= last; ++row.cell.seed) {
        for (row.cell.repetition = 0; row.cell.repetition < row.repetitions;
             ++row.cell.repetition) {
          if (rows.size() == room) {
            throw Failure(
                ExitCode::kUsage,
                fmt::format("the selection has over {} rows (cells of each kernel, their sets of "
                            "probes and seeds); select fewer, in several runs",
                            kMostRows));
          }
          rows.push_back(row);
        }
      }
    }
  }
  return rows;
}

}  // namespace faultline
