// SPDX-License-Identifier: GPL-2.0-only
#include "cell/axes.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <optional>

#include "cell/name.h"

namespace faultline {
namespace {

constexpr unsigned kThreads[] = {1, 2, 4};
constexpr unsigned kAttackers[] = {1, 2, 4};
constexpr std::uint64_t kStoresPerPage[] = {1, 8, 64};
constexpr std::uint64_t kDirtyInodes[] = {0, 100, 1000, 10000, 50000};
constexpr std::uint64_t kDeadlinesMs[] = {kFaultDeadlineMs, 200, 1000};

using Names = std::vector<std::string>;
using Values = std::vector<AxisValue>;

template <typename E>
Names enum_names(const Sources& /*sources*/) {
  Names names;
  for (const Named& row : table_of(E{})) names.emplace_back(row.id);
  return names;
}

Names file_system_names(const Sources& sources) {
  Names names;
  for (const FileSystem& fs : sources.file_systems) names.emplace_back(fs.id);
  return names;
}

Values file_system_values(const Sources& sources, const Cell& /*cell*/) {
  Values values;
  for (const FileSystem& fs : sources.file_systems) {
    values.push_back({.name = fs.id, .by_default = fs.by_default, .put = [id = fs.id](Cell& cell) {
                        cell.fs = id;
                      }});
  }
  return values;
}

Names workload_names(const Sources& sources) {
  Names names;
  for (const Workload& workload : sources.workloads) {
    if (!workload.selftest) names.emplace_back(workload.id);
  }
  return names;
}

Values workload_values(const Sources& sources, const Cell& /*cell*/) {
  Values values;
  for (const Workload& workload : sources.workloads) {
    values.push_back({.name = workload.id,
                      .by_default = workload.by_default && !workload.selftest,
                      .only_by_name = workload.selftest,
                      .put = [id = workload.id](Cell& cell) { cell.workload = id; }});
  }
  return values;
}

// Rising; whether the matrix holds it.
std::map<std::uint64_t, bool> ks_of(const Strategy& strategy, const Sources& sources) {
  std::map<std::uint64_t, bool> ks;
  for (const auto& [id, k] : sources.more_k) {
    if (id == strategy.id) ks[k] = false;
  }
  for (const std::uint64_t k : strategy.writes_per_sync) ks[k] = true;
  if (ks.empty()) ks[kNoK] = true;
  return ks;
}

Names strategy_names(const Sources& sources) {
  Names names;
  for (const Strategy& strategy : strategies()) {
    names.emplace_back(strategy.id);
    if (strategy.writes_per_sync.empty()) continue;
    for (const auto& [k, held] : ks_of(strategy, sources)) {
      names.push_back(strategy_name(strategy.id, k));
    }
  }
  return names;
}

Values strategy_values(const Sources& sources, const Cell& cell) {
  const Workload& workload = *sources.workload(cell.workload);
  Values values;
  for (const Strategy& strategy : strategies()) {
    const bool by_default =
        workload.strategies.empty()
            ? strategy.by_default
            : std::any_of(workload.strategies.begin(), workload.strategies.end(),
                          [&](const char* id) { return strategy.id == std::string(id); });
    for (const auto& [k, held] : ks_of(strategy, sources)) {
      values.push_back({.name = strategy_name(strategy.id, k),
                        .group = strategy.id,
                        .by_default = by_default && held,
                        .only_by_name = !held,
                        .put = [id = strategy.id, k = k](Cell& filled) {
                          filled.strategy = id;
                          filled.writes_per_sync = k;
                        }});
    }
  }
  return values;
}

Values state_values(const Sources& /*sources*/, const Cell& /*cell*/) {
  Values values;
  for (const State state : all_of_enum<State>()) {
    // Few file systems have the shared one.
    values.push_back({.name = id_of(state),
                      .by_default = state != State::kShared,
                      .put = [state](Cell& cell) { cell.state = state; }});
  }
  return values;
}

Values order_values(const Sources& /*sources*/, const Cell& /*cell*/) {
  Values values;
  for (const Order order : all_of_enum<Order>()) {
    values.push_back({.name = id_of(order),
                      .by_default = order == Order::kPte,
                      .put = [order](Cell& cell) { cell.order = order; }});
  }
  return values;
}

template <typename T, std::size_t N>
Names number_names(const T (&numbers)[N]) {
  Names names;
  for (const T number : numbers) names.push_back(std::to_string(number));
  return names;
}

// Each number as a value of a field of the cell; the one by default, or all.
template <typename T, std::size_t N>
Values number_values(const T (&numbers)[N], T Cell::*field, std::optional<T> by_default = {}) {
  Values values;
  for (const T number : numbers) {
    values.push_back({.name = std::to_string(number),
                      .by_default = !by_default || number == *by_default,
                      .put = [field, number](Cell& cell) { cell.*field = number; }});
  }
  return values;
}

// The one value of a cell whose workload has nothing on the axis.
Values no_such_axis() {
  return {{.name = "", .put = [](Cell&) {}}};
}

Names thread_names(const Sources& /*sources*/) { return number_names(kThreads); }

Values thread_values(const Sources& /*sources*/, const Cell& /*cell*/) {
  return number_values(kThreads, &Cell::threads, {1U});
}

Names inode_names(const Sources& /*sources*/) { return number_names(kDirtyInodes); }

Values inode_values(const Sources& sources, const Cell& cell) {
  if (!sources.workload(cell.workload)->unrelated) return no_such_axis();
  return number_values(kDirtyInodes, &Cell::dirty_inodes);
}

Names store_names(const Sources& /*sources*/) { return number_names(kStoresPerPage); }

Values store_values(const Sources& sources, const Cell& cell) {
  if (!sources.workload(cell.workload)->again) return no_such_axis();
  return number_values(kStoresPerPage, &Cell::stores_per_page);
}

Names touch_names(const Sources& sources) {
  Names names;
  for (const TouchRow& touch : sources.touches) names.emplace_back(touch.id);
  return names;
}

Values touch_values(const Sources& sources, const Cell& cell) {
  const Workload& workload = *sources.workload(cell.workload);
  if (workload.contest == Contest::kNone) return no_such_axis();
  Values values;
  // Nobody touches: once, and not for each kind of touch. `--attackers` decides on it.
  if (workload.contest == Contest::kVictim) {
    values.push_back(
        {.name = kNoTouch, .always = true, .put = [](Cell& filled) { filled.touch = kNoTouch; }});
  }
  for (const TouchRow& touch : sources.touches) {
    if (touch.workload != cell.workload) continue;
    values.push_back(
        {.name = touch.id, .put = [id = touch.id](Cell& filled) { filled.touch = id; }});
  }
  return values;
}

Names attacker_names(const Sources& /*sources*/) {
  Names names = number_names(kAttackers);
  names.insert(names.begin(), "0");
  return names;
}

Values attacker_values(const Sources& sources, const Cell& cell) {
  const Contest contest = sources.workload(cell.workload)->contest;
  const auto value = [](unsigned attackers, bool by_default, bool always) {
    return AxisValue{.name = std::to_string(attackers),
                     .by_default = by_default,
                     .always = always,
                     .put = [attackers](Cell& filled) { filled.attackers = attackers; }};
  };
  if (contest == Contest::kNone) return no_such_axis();
  if (contest == Contest::kBystander) return {value(1, true, true)};
  if (cell.touch == kNoTouch) return {value(0, true, false)};
  Values values;
  for (const unsigned attackers : kAttackers) {
    values.push_back(value(attackers, attackers == 1, false));
  }
  return values;
}

Values setting_values(const Sources& sources, const Cell& cell) {
  if (sources.workload(cell.workload)->contest == Contest::kNone) {
    return no_such_axis();
  }
  Values values;
  for (const Setting setting : all_of_enum<Setting>()) {
    // Two virtual CPUs only boot on newer kernels: when asked for.
    values.push_back({.name = id_of(setting),
                      .by_default = setting != Setting::kDeterministic2,
                      .put = [setting](Cell& filled) { filled.setting = setting; }});
  }
  return values;
}

Names deadline_names(const Sources& /*sources*/) { return number_names(kDeadlinesMs); }

Values deadline_values(const Sources& sources, const Cell& cell) {
  if (sources.workload(cell.workload)->contest != Contest::kVictim) return no_such_axis();
  return number_values(kDeadlinesMs, &Cell::fault_deadline_ms, {kFaultDeadlineMs});
}

// The options of the command that select cells are these, in this order.
constexpr Axis kAxes[] = {
    {.id = "fs",
     .field = "fs",
     .help = "file systems",
     .letter = "",
     .rank = 0,
     .known = file_system_names,
     .offers = file_system_values,
     .value = [](const Cell& cell) { return cell.fs; }},
    {.id = "strategy",
     .field = "strategy",
     .help = "strategies, NAME or NAME:K (fsync:8); any K",
     .letter = "",
     .rank = 4,
     .known = strategy_names,
     .offers = strategy_values,
     .value = [](const Cell& cell) { return strategy_name(cell.strategy, cell.writes_per_sync); }},
    {.id = "workload",
     .field = "workload",
     .help = "workloads",
     .letter = "",
     .rank = 1,
     .known = workload_names,
     .offers = workload_values,
     .value = [](const Cell& cell) { return cell.workload; }},
    {.id = "state",
     .field = "state",
     .help = "what the touched block is beforehand",
     .listed = true,
     .letter = "",
     .rank = 5,
     .known = enum_names<State>,
     .offers = state_values,
     .value = [](const Cell& cell) { return std::string(id_of(cell.state)); }},
    {.id = "order",
     .field = "order",
     .help = "entry size",
     .listed = true,
     .letter = "",
     .rank = 2,
     .known = enum_names<Order>,
     .offers = order_values,
     .value = [](const Cell& cell) { return std::string(id_of(cell.order)); }},
    {.id = "threads",
     .field = "threads",
     .help = "threads that store, each to its share",
     .listed = true,
     .letter = "t",
     .rank = 3,
     .known = thread_names,
     .offers = thread_values,
     .value = [](const Cell& cell) { return std::to_string(cell.threads); }},
    {.id = "dirty-inodes",
     .field = "dirty_inodes",
     .help = "of other files, before each touch (workload unrelated)",
     .listed = true,
     .letter = "d",
     .in_name = InName::kSometimes,
     .rank = 6,
     .known = inode_names,
     .offers = inode_values,
     .value =
         [](const Cell& cell) {
           return cell.dirty_inodes == 0 ? std::string() : std::to_string(cell.dirty_inodes);
         }},
    {.id = "stores-per-page",
     .field = "stores_per_page",
     .help = "durable stores that each page gets (workload store_again)",
     .listed = true,
     .letter = "w",
     .in_name = InName::kSometimes,
     .rank = 7,
     .known = store_names,
     .offers = store_values,
     .value =
         [](const Cell& cell) {
           return cell.stores_per_page == 0 ? std::string() : std::to_string(cell.stores_per_page);
         }},
    {.id = "touch",
     .field = "touch",
     .help = "what attackers or the bystander do (workloads dos, bystander)",
     .letter = "",
     .in_name = InName::kOfAContest,
     .rank = 8,
     .known = touch_names,
     .offers = touch_values,
     .value = [](const Cell& cell) { return cell.touch; }},
    {.id = "attackers",
     .field = "attackers",
     .help = "processes that touch the victim's file (workload dos)",
     .listed = true,
     .letter = "a",
     .in_name = InName::kOfAContest,
     .rank = 9,
     .known = attacker_names,
     .offers = attacker_values,
     .value =
         [](const Cell& cell) {
           return cell.is_contest() ? std::to_string(cell.attackers) : std::string();
         }},
    {.id = "setting",
     .field = "setting",
     .help = "deterministic, deterministic2 (two vCPUs), concurrent (--accel tcg, kvm)",
     .letter = "",
     .in_name = InName::kOfAContest,
     .rank = 10,
     .known = enum_names<Setting>,
     .offers = setting_values,
     .value =
         [](const Cell& cell) {
           return cell.is_contest() ? std::string(id_of(cell.setting)) : std::string();
         }},
    {.id = "fault-deadline",
     .field = "fault_deadline_ms",
     .help = "ms after which a victim has starved (workload dos)",
     .listed = true,
     .letter = "f",
     .in_name = InName::kSometimesOfAContest,
     .rank = 11,
     .known = deadline_names,
     .offers = deadline_values,
     .value =
         [](const Cell& cell) {
           return cell.fault_deadline_ms == kFaultDeadlineMs
                      ? std::string()
                      : std::to_string(cell.fault_deadline_ms);
         }},
};

}  // namespace

const Workload* Sources::workload(const std::string& id) const {
  for (const Workload& row : workloads) {
    if (id == row.id) return &row;
  }
  return nullptr;
}

std::span<const Axis> axes() { return kAxes; }

std::optional<std::string> usual_value(const Axis& axis) {
  const Sources sources;
  for (const Workload& workload : sources.workloads) {
    Cell cell;
    cell.workload = workload.id;
    Names usual;
    bool has_axis = false;
    for (const AxisValue& value : axis.offers(sources, cell)) {
      if (value.name.empty() || value.always) continue;
      has_axis = true;
      if (value.by_default) usual.push_back(value.name);
    }
    if (!has_axis) continue;
    return usual.size() == 1 ? std::optional(usual.front()) : std::nullopt;
  }
  return std::nullopt;
}

std::string axis_help(const Axis& axis) {
  const std::optional<std::string> usual = usual_value(axis);
  if (!axis.listed) {
    return usual ? fmt::format("{} (default: {})", axis.help, *usual) : std::string(axis.help);
  }
  Names values;
  for (const std::string& value : axis.known(Sources{})) {
    values.push_back(value == usual ? value + " (default)" : value);
  }
  return fmt::format("{}: {}", axis.help, fmt::join(values, ", "));
}

const Axis* find_axis(const std::string& id) {
  for (const Axis& axis : kAxes) {
    if (id == axis.id) return &axis;
  }
  return nullptr;
}

}  // namespace faultline
