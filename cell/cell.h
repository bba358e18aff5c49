// SPDX-License-Identifier: GPL-2.0-only
// One cell of the matrix: a point of kernel x file system x strategy x workload x parameters.
#pragma once

#include <cstdint>
#include <iterator>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

namespace faultline {

// An id and what it stands for, as `faultline list` prints it.
struct Named {
  const char* id;
  const char* summary;
};

// Enumerators with names have their table in the order of the enumerators: table_of(E{})[i].
// What the touched block is beforehand.
enum class State { kHole, kUnwritten, kWritten, kShared };
inline constexpr Named kStateTable[] = {
    {.id = "hole", .summary = "no block"},
    {.id = "unwritten", .summary = "allocated, not written (fallocate)"},
    {.id = "written", .summary = "allocated, written and synced"},
    {.id = "shared",
     .summary = "written, then shared with another file (FICLONE): a store copies"}};
constexpr std::span<const Named> table_of(State /*unused*/) { return kStateTable; }
// Tells whether the blocks of such a file hold what was written to them.
constexpr bool is_written(State state) {
  return state == State::kWritten || state == State::kShared;
}

// The size that the kernel is asked to map.
enum class Order { kPte, kPmd };
inline constexpr Named kOrderTable[] = {{.id = "pte", .summary = "4 KiB entries (MADV_NOHUGEPAGE)"},
                                        {.id = "pmd", .summary = "2 MiB entries, aligned"}};
constexpr std::span<const Named> table_of(Order /*unused*/) { return kOrderTable; }

// How those who touch a victim's file are timed.
enum class Setting { kDeterministic, kDeterministic2, kConcurrent };
inline constexpr Named kSettingTable[] = {
    {.id = "deterministic", .summary = "on a timer scanned over periods and phases, one CPU"},
    {.id = "deterministic2", .summary = "the same on two CPUs, virtual time (6.12 and later)"},
    {.id = "concurrent", .summary = "a tight loop on a CPU of its own, wall time"}};
constexpr std::span<const Named> table_of(Setting /*unused*/) { return kSettingTable; }

// The id of an enumerator.
template <typename E>
constexpr const char* id_of(E value) {
  return table_of(value)[static_cast<std::size_t>(value)].id;
}
// All enumerators, in order.
template <typename E>
std::vector<E> all_of_enum() {
  std::vector<E> all;
  for (std::size_t i = 0; i < table_of(E{}).size(); ++i) all.push_back(static_cast<E>(i));
  return all;
}
// Which programs are attached while a cell is measured (cell/probe_sets.def); the cell with none is
// the twin of all others.
enum class Probes {
#define PROBE_SET(id, ...) k_##id,
#define BPF_COST(kind, summary) k_bpf_cost_##kind,
#include "cell/probe_sets.def"
#undef BPF_COST
#undef PROBE_SET
};
// What a set of probes sees; a set is a sum of these.
enum ProbeParts : unsigned {
  kSeesFaults = 1U << 0U,         // the whole fault, its sync, the journal
  kSeesPhases = 1U << 1U,         // the marks between the phases of a fault
  kSeesLocks = 1U << 2U,          // mmap_lock and the VMA's lock
  kSeesInterruptions = 1U << 3U,  // what else the CPU does
  kAddsBallast = 1U << 4U,        // a program of known cost in one phase, and a small ring
  kRunsAProgram = 1U << 5U,       // one whose own cost is asked for; nothing is seen
};
struct ProbeSetRow {
  const char* id;
  const char* summary;
  unsigned parts = 0;        // ProbeParts
  bool by_default = false;   // in a run that names no set
  bool selftest = false;     // for tests: not offered, chosen by its name alone
  const char* program = "";  // of kRunsAProgram, in bpf/cost.bpf.c
};
inline constexpr ProbeSetRow kProbeSets[] = {
#define PROBE_SET(id_, ...) {.id = #id_, __VA_ARGS__},
#define BPF_COST(kind, summary_) \
  {.id = "bpf_cost:" #kind,      \
   .summary = (summary_),        \
   .parts = kRunsAProgram,       \
   .program = "cost_" #kind},
#include "cell/probe_sets.def"
#undef BPF_COST
#undef PROBE_SET
};
constexpr std::span<const ProbeSetRow> table_of(Probes /*unused*/) { return kProbeSets; }
constexpr const ProbeSetRow& row_of(Probes probes) {
  return kProbeSets[static_cast<std::size_t>(probes)];
}
constexpr const char* id_of(Probes probes) { return row_of(probes).id; }
constexpr bool sees(Probes probes, ProbeParts part) { return (row_of(probes).parts & part) != 0; }

// Tells whether probes of this set count or time: what is measured is then not the kernel's own
// path.
constexpr bool watches(Probes probes) { return (row_of(probes).parts & ~kRunsAProgram) != 0; }

inline constexpr std::uint64_t kPageSize = 4096;
inline constexpr std::uint64_t kHugeSize = 2 << 20;

// Values of K that are no number of touches per sync: with kEveryAll there is one sync, after the
// last touch; kNoK is for strategies that have no K.
inline constexpr std::uint64_t kEveryAll = UINT64_MAX;
inline constexpr std::uint64_t kNoK = 0;

// What a seed may vary (harness/seed.h). A cell varies all of them, or one alone to learn its size.
inline constexpr Named kAccidentTable[] = {
    {.id = "tick", .summary = "where the clock tick falls in the measured part"},
    {.id = "pages", .summary = "which page frames are free, where page tables and extents begin"},
    {.id = "blocks", .summary = "where on the device the file and the journal's next blocks lie"}};
inline constexpr const char* kVaryTick = kAccidentTable[0].id;
inline constexpr const char* kVaryPages = kAccidentTable[1].id;
inline constexpr const char* kVaryBlocks = kAccidentTable[2].id;
inline constexpr const char* kVaryAll = "all";
inline constexpr const char* kVaryNone = "none";  // on the host, whose accidents are its own
// Tells whether a text is the id of an accident, kVaryAll or kVaryNone.
bool is_varied(const std::string& id);

// Writes per sync: a number from 1 on, kEveryAll, or kNoK. In JSON a number, "all", or null.
struct WritesPerSync {
  std::uint64_t k = kNoK;
  WritesPerSync() = default;
  // NOLINTNEXTLINE(google-explicit-constructor,hicpp-explicit-conversions)
  constexpr WritesPerSync(std::uint64_t writes) : k(writes) {}
  // NOLINTNEXTLINE(google-explicit-constructor,hicpp-explicit-conversions)
  constexpr operator std::uint64_t() const { return k; }
};

// A victim whose fault lasts longer than so many ms has starved, where the cell says nothing else.
inline constexpr std::uint64_t kFaultDeadlineMs = 20;

// FIELD(type, name, value unless given, "meaning"). The JSON by which the host tells the guest of a
// cell has all of them, by these names.
#define FAULTLINE_CELL(FIELD)                                                                \
  FIELD(std::string, kernel, {}, "the host's word for it; goes into the name alone")         \
  FIELD(std::string, fs, {}, "an id of cell/file_system.h")                                  \
  FIELD(std::string, strategy, {}, "an id of cell/strategy.h")                               \
  FIELD(WritesPerSync, writes_per_sync, kNoK, "of strategies that have a K")                 \
  FIELD(std::string, workload, {}, "an id of cell/workloads.def")                            \
  FIELD(State, state, State::kHole, "what the touched block is beforehand")                  \
  FIELD(Order, order, Order::kPte, "the size that the kernel is asked to map")               \
  FIELD(unsigned, threads, 1, "that store")                                                  \
  FIELD(Probes, probes, Probes::k_off, "which programs are attached")                        \
  FIELD(std::uint64_t, seed, 0, "of the accidents: harness/seed.h")                          \
  FIELD(std::string, vary, kVaryAll, "or the one accident that the seed varies")             \
  FIELD(unsigned, repetition, 0, "wall time")                                                \
  FIELD(std::uint64_t, touches, 0, "measured stores, over all threads")                      \
  FIELD(bool, virtual_time, true, "time counts instructions")                                \
  FIELD(bool, samples, false, "a record per event is kept")                                  \
  FIELD(std::uint64_t, delay, 0, "instructions planted in each fault: harness/delay.h")      \
  FIELD(std::uint64_t, dirty_inodes, 0, "of other files, dirtied before each touch")         \
  FIELD(std::uint64_t, stores_per_page, 0, "workload store_again; 0: one, as elsewhere")     \
  FIELD(std::string, touch, {}, "the kind; empty: the workload has none")                    \
  FIELD(unsigned, attackers, 0, "who touch; of workloads with touches alone, as is setting") \
  FIELD(Setting, setting, Setting::kDeterministic, "how they are timed")                     \
  FIELD(std::uint64_t, fault_deadline_ms, kFaultDeadlineMs, "after which a victim has starved")

struct Cell {
#define FAULTLINE_CELL_MEMBER(type, name, value, meaning) type name = value;
  FAULTLINE_CELL(FAULTLINE_CELL_MEMBER)
#undef FAULTLINE_CELL_MEMBER

  // The cell's name, whose grammar is in cell/name.h.
  [[nodiscard]] std::string name() const;
  // The size in bytes of what one touch stands for.
  [[nodiscard]] std::uint64_t stride() const {
    return order == Order::kPmd ? kHugeSize : kPageSize;
  }
  // The number of measured stores to each page.
  [[nodiscard]] std::uint64_t stores() const { return stores_per_page == 0 ? 1 : stores_per_page; }
  [[nodiscard]] bool is_contest() const { return !touch.empty(); }
};

// Throws Failure(kUsage) when a field is missing or has no such value.
Cell cell_from_json(const nlohmann::json& json);
nlohmann::json cell_to_json(const Cell& cell);

// K as it stands in results: a number, "all", or null.
nlohmann::json writes_per_sync_json(std::uint64_t k);

// Finds a set of probes by its id. Failure(kUsage) naming what there is.
Probes probes_named(const std::string& id);
// The sets that are offered, for a help or a message.
std::string probe_set_ids();

}  // namespace faultline
