// SPDX-License-Identifier: GPL-2.0-only
// One cell of the matrix, as it is handed to the guest.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace faultline {

// What the touched block is beforehand.
enum class State { kHole, kUnwritten, kWritten };
inline constexpr State kStates[] = {State::kHole, State::kUnwritten, State::kWritten};
// The size that the kernel is asked to map.
enum class Order { kPte, kPmd };
// How those who touch a victim's file are timed: on a timer, scanned over periods and phases, in
// virtual time on one CPU or two; or in a tight loop on a CPU of their own, in wall time.
enum class Setting { kDeterministic, kDeterministic2, kConcurrent };
inline constexpr Setting kSettings[] = {Setting::kDeterministic, Setting::kDeterministic2,
                                        Setting::kConcurrent};

inline constexpr uint64_t kPageSize = 4096;
inline constexpr uint64_t kHugeSize = 2 << 20;

// Writes per sync: every K touches; kEveryAll: once, after the last; kNoK: the strategy has none.
inline constexpr uint64_t kEveryAll = UINT64_MAX;
inline constexpr uint64_t kNoK = 0;

struct Cell {
  std::string kernel;  // the host's word for it; goes into the name alone
  std::string fs;
  std::string strategy;
  uint64_t writes_per_sync = kNoK;
  std::string workload;
  State state = State::kHole;
  Order order = Order::kPte;
  unsigned threads = 1;
  bool probes = false;
  uint64_t seed = 0;
  uint64_t touches = 0;  // measured stores, over all threads
  bool virtual_time = true;
  bool samples = false;
  // Of workloads with touches (harness/contest.h) alone.
  std::string touch = {};  // the kind; empty: the workload has none
  unsigned attackers = 0;
  Setting setting = Setting::kDeterministic;

  // kernel/fs/strategy[:K]/workload/state/order/tTHREADS[/touch/aATTACKERS/setting]/on|off
  [[nodiscard]] std::string Name() const;
  // Size of what one touch stands for, in bytes.
  [[nodiscard]] uint64_t Stride() const { return order == Order::kPmd ? kHugeSize : kPageSize; }
};

// Throws Failure(kUsage) when a field is missing or has no such value.
Cell CellFromJson(const nlohmann::json& json);
nlohmann::json CellToJson(const Cell& cell);

// K as it stands in results: a number, "all", or null.
nlohmann::json WritesPerSyncJson(uint64_t k);

const char* StateName(State state);
const char* OrderName(Order order);
const char* SettingName(Setting setting);

}  // namespace faultline
