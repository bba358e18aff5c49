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

// Which programs are attached while a cell is measured; the cell with none is the twin of all
// others.
enum class Probes {
  kOff,
  kOn,             // the whole fault, its sync, the journal
  kPhases,         // and the marks between the phases of a fault
  kLocks,          // and mmap_lock and the VMA's lock, without the marks
  kInterruptions,  // what else the CPU does, and nothing of the fault
  kBallast,  // as phases, with a program of known cost in one phase and a small ring: a test's
};
struct ProbesRow {
  Probes probes;
  const char* id;
  const char* summary;
  bool selftest;
};
inline constexpr ProbesRow kProbesRows[] = {
    {Probes::kOff, "off", "none: the twin", false},
    {Probes::kOn, "on", "the whole fault, its sync, the journal", false},
    {Probes::kPhases, "phases", "as on, and the phases of each fault", false},
    {Probes::kLocks, "locks", "as on, and the locks of the address space, by thread", false},
    {Probes::kInterruptions, "interruptions",
     "what else the CPU did meanwhile: ticks, timers, work, threads; no faults", false},
    {Probes::kBallast, "ballast",
     "as phases, with a program of known cost, and room for few samples", true}};

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
  Probes probes = Probes::kOff;
  uint64_t seed = 0;         // harness/seed.h
  std::string vary = "all";  // or the one accident that the seed varies
  unsigned repetition = 0;   // wall time
  uint64_t touches = 0;      // measured stores, over all threads
  bool virtual_time = true;
  bool samples = false;
  uint64_t delay = 0;         // instructions planted in each fault (harness/delay.h)
  uint64_t dirty_inodes = 0;  // of other files, dirtied before each touch: workload unrelated
  // Of workloads with touches (harness/contest.h) alone.
  std::string touch = {};  // the kind; empty: the workload has none
  unsigned attackers = 0;
  Setting setting = Setting::kDeterministic;

  // kernel/fs/strategy[:K]/workload/state/order/tTHREADS[/dINODES][/touch/aATTACKERS/setting]/PROBES
  [[nodiscard]] std::string name() const;
  // Size of what one touch stands for, in bytes.
  [[nodiscard]] uint64_t stride() const { return order == Order::kPmd ? kHugeSize : kPageSize; }
};

// Throws Failure(kUsage) when a field is missing or has no such value.
Cell cell_from_json(const nlohmann::json& json);
nlohmann::json cell_to_json(const Cell& cell);

// K as it stands in results: a number, "all", or null.
nlohmann::json writes_per_sync_json(uint64_t k);

const char* state_name(State state);
const char* order_name(Order order);
const char* setting_name(Setting setting);
const char* probes_name(Probes probes);
// Failure(kUsage) naming what there is.
Probes probes_named(const std::string& id);

}  // namespace faultline
