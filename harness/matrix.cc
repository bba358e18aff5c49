// SPDX-License-Identifier: GPL-2.0-only
#include "harness/matrix.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fnmatch.h>

#include <algorithm>
#include <sstream>

#include "harness/contest.h"
#include "harness/failure.h"
#include "harness/filesystem.h"
#include "harness/strategy.h"

namespace faultline {
namespace {

constexpr unsigned kThreads[] = {1, 2, 4};
constexpr unsigned kAttackers[] = {0, 1, 2, 4};
constexpr uint64_t kDirtyInodes[] = {0, 100, 1000, 10000, 50000};
// A touch of order pmd stands for 512 pages.
constexpr uint64_t kTouchesPmd = 32;
constexpr uint64_t kMaxTouches = uint64_t{1} << 20;

bool matches(const std::string& pattern, const std::string& name) {
  return fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
}

bool matches_any(const std::vector<std::string>& patterns, const std::string& name) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& p) { return matches(p, name); });
}

// Every pattern must have met a name.
void check(const char* option, const std::vector<std::string>& patterns,
           const std::vector<std::string>& known) {
  for (const std::string& pattern : patterns) {
    if (std::any_of(known.begin(), known.end(),
                    [&](const std::string& name) { return matches(pattern, name); })) {
      continue;
    }
    const std::vector<std::string> near = near_names(pattern, known);
    throw Failure(ExitCode::kUsage,
                  near.empty() ? fmt::format("--{}: nothing is called '{}'; there is: {}", option,
                                             pattern, fmt::join(known, ", "))
                               : fmt::format("--{}: nothing is called '{}'; did you mean {}?",
                                             option, pattern, fmt::join(near, " or ")));
  }
}

bool chosen(const std::vector<std::string>& patterns, const std::string& name, bool by_default) {
  return patterns.empty() ? by_default : matches_any(patterns, name);
}

// Who touches beside the thread that faults.
struct Contestants {
  std::string touch;
  unsigned attackers = 0;
  Setting setting = Setting::kDeterministic;
};

// How many inodes of other files are dirtied before each touch: none for most workloads.
std::vector<uint64_t> dirty_inodes_of(const Workload& workload, const Selection& selection) {
  if (!workload.unrelated) return {0};
  std::vector<uint64_t> all;
  for (const uint64_t n : kDirtyInodes) {
    if (chosen(selection.dirty_inodes, std::to_string(n), true)) all.push_back(n);
  }
  return all;
}

// One that is empty for a workload without touches.
std::vector<Contestants> contestants_of(const Workload& workload, const Selection& selection) {
  if (workload.contest == Contest::kNone) return {{}};
  std::vector<Contestants> all;
  const auto add = [&](const char* touch, unsigned attackers) {
    for (const Setting setting : kSettings) {
      // Two virtual CPUs only boot on newer kernels: when asked for.
      if (chosen(selection.setting, setting_name(setting), setting != Setting::kDeterministic2)) {
        all.push_back({touch, attackers, setting});
      }
    }
  };
  const bool victim = workload.contest == Contest::kVictim;
  // Nobody touches: once, and not for each kind of touch.
  if (victim && chosen(selection.attackers, "0", true)) add(kNoTouch, 0);
  for (const TouchKind& kind : workload.kinds) {
    if (!chosen(selection.touch, kind.id, true)) continue;
    for (const unsigned attackers : kAttackers) {
      if (attackers == 0 || (!victim && attackers > 1)) continue;
      if (victim && !chosen(selection.attackers, std::to_string(attackers), attackers == 1)) {
        continue;
      }
      add(kind.id, attackers);
    }
  }
  return all;
}

std::string strategy_name(const Strategy& strategy, uint64_t k) {
  if (k == kNoK) return strategy.id;
  if (k == kEveryAll) return fmt::format("{}:all", strategy.id);
  return fmt::format("{}:{}", strategy.id, k);
}

size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0U : 1U)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

std::vector<std::string> split_list(const std::string& list) {
  std::vector<std::string> parts;
  std::istringstream in(list);
  for (std::string part; std::getline(in, part, ',');) {
    if (!part.empty()) parts.push_back(part);
  }
  return parts;
}

std::vector<std::string> near_names(const std::string& name,
                                    const std::vector<std::string>& known) {
  std::vector<std::pair<size_t, std::string>> ranked;
  for (const std::string& candidate : known) {
    const size_t distance = edit_distance(name, candidate);
    const bool inside = name.size() > 2 && candidate.find(name) != std::string::npos;
    if (inside || distance <= std::max<size_t>(2, candidate.size() / 3)) {
      ranked.emplace_back(inside ? 0 : distance, candidate);
    }
  }
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> near;
  for (const auto& [distance, candidate] : ranked) {
    if (near.size() < 3) near.push_back(candidate);
  }
  return near;
}

std::vector<PlannedCell> plan_cells(const Selection& selection,
                                    std::span<const Workload* const> workloads,
                                    std::span<const FileSystem> rows) {
  std::vector<std::string> names;
  for (const FileSystem& fs : rows) names.emplace_back(fs.id);
  check("fs", selection.fs, names);
  names.clear();
  for (const Strategy& strategy : strategies()) {
    names.emplace_back(strategy.id);
    for (const uint64_t k : strategy.writes_per_sync) names.push_back(strategy_name(strategy, k));
  }
  check("strategy", selection.strategy, names);
  names.clear();
  for (const Workload* workload : workloads) {
    // A self-test misbehaves: it is neither offered nor met by a glob.
    if (!workload->selftest || std::find(selection.workload.begin(), selection.workload.end(),
                                         workload->id) != selection.workload.end()) {
      names.emplace_back(workload->id);
    }
  }
  check("workload", selection.workload, names);
  names.clear();
  for (const State s : kStates) names.emplace_back(state_name(s));
  check("state", selection.state, names);
  check("order", selection.order, {order_name(Order::kPte), order_name(Order::kPmd)});
  names.clear();
  for (const unsigned t : kThreads) names.push_back(std::to_string(t));
  check("threads", selection.threads, names);
  names.clear();
  for (const uint64_t n : kDirtyInodes) names.push_back(std::to_string(n));
  check("dirty-inodes", selection.dirty_inodes, names);
  names.clear();
  for (const Workload* workload : workloads) {
    for (const TouchKind& kind : workload->kinds) names.emplace_back(kind.id);
  }
  check("touch", selection.touch, names);
  names.clear();
  for (const unsigned n : kAttackers) names.push_back(std::to_string(n));
  check("attackers", selection.attackers, names);
  names.clear();
  for (const Setting s : kSettings) names.emplace_back(setting_name(s));
  check("setting", selection.setting, names);
  if (selection.touches && (*selection.touches == 0 || *selection.touches > kMaxTouches)) {
    throw Failure(ExitCode::kUsage, fmt::format("--touches: {} is not between 1 and {}",
                                                *selection.touches, kMaxTouches));
  }

  std::vector<PlannedCell> plan;
  for (const FileSystem& fs : rows) {
    if (!chosen(selection.fs, fs.id, fs.by_default)) continue;
    for (const Workload* workload : workloads) {
      if (workload->selftest ? std::find(selection.workload.begin(), selection.workload.end(),
                                         workload->id) == selection.workload.end()
                             : !chosen(selection.workload, workload->id, workload->by_default)) {
        continue;
      }
      for (const Order order : {Order::kPte, Order::kPmd}) {
        if (!chosen(selection.order, order_name(order), order == Order::kPte)) continue;
        for (const unsigned threads : kThreads) {
          if (!chosen(selection.threads, std::to_string(threads), threads == 1)) continue;
          for (const Strategy& strategy : strategies()) {
            static constexpr uint64_t kNone[] = {kNoK};
            const std::span<const uint64_t> ks = strategy.writes_per_sync.empty()
                                                     ? std::span<const uint64_t>(kNone)
                                                     : strategy.writes_per_sync;
            for (const uint64_t k : ks) {
              const bool by_default =
                  workload->strategies.empty()
                      ? strategy.by_default
                      : std::any_of(workload->strategies.begin(), workload->strategies.end(),
                                    [&](const char* id) { return strategy.id == std::string(id); });
              if (!chosen(selection.strategy, strategy_name(strategy, k), by_default) &&
                  !chosen(selection.strategy, strategy.id, by_default)) {
                continue;
              }
              for (const State state : kStates) {
                if (!chosen(selection.state, state_name(state), true)) continue;
                PlannedCell planned;
                planned.cell.fs = fs.id;
                planned.cell.strategy = strategy.id;
                planned.cell.writes_per_sync = k;
                planned.cell.workload = workload->id;
                planned.cell.state = state;
                planned.cell.order = order;
                planned.cell.threads = threads;
                const uint64_t touches = selection.touches.value_or(
                    order == Order::kPmd ? std::min(kTouchesPmd, workload->touches)
                                         : workload->touches);
                // Every thread has the same share.
                planned.cell.touches = std::max<uint64_t>(touches / threads, 1) * threads;
                planned.cell.virtual_time = !selection.wall;
                for (const uint64_t dirty_inodes : dirty_inodes_of(*workload, selection)) {
                  planned.cell.dirty_inodes = dirty_inodes;
                  for (const Contestants& with : contestants_of(*workload, selection)) {
                    planned.cell.touch = with.touch;
                    planned.cell.attackers = with.attackers;
                    planned.cell.setting = with.setting;
                    planned.skip = why_not(strategy, fs, state, order);
                    if (planned.skip.empty()) {
                      planned.skip = why_not(*workload, planned.cell, strategy);
                    }
                    plan.push_back(planned);
                  }
                }
              }
            }
          }
        }
      }
    }
  }
  return plan;
}

}  // namespace faultline
