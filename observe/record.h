// SPDX-License-Identifier: GPL-2.0-only
// What the observer (plugin.cc) tells the host: tables in a mapping of both, whole after each block
// that the guest has executed, for QEMU is killed when a cell has ended.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace faultline::observe {

inline constexpr std::uint64_t kRecordMagic = 0x3276727365424c46;  // "FLBesrv2"

// What is counted for each place in the tree of calls: enumerator, name in callgrind's format, what
// it means.
#define FAULTLINE_EVENTS(EVENT)                                                           \
  EVENT(kBytes, "bytes", "bytes stored to pmem")                                          \
  EVENT(kBytesNt, "bytes_nt", "of these by non-temporal stores")                          \
  EVENT(kLines, "lines", "distinct 64-byte lines of these, between two fences")           \
  EVENT(kBlocks256, "blocks256", "distinct 256-byte blocks of these, between two fences") \
  EVENT(kFlushed, "flushed", "clwb, clflushopt, clflush")                                 \
  EVENT(kFlushedClean, "flushed_clean",                                                   \
        "of these on a line of pmem not stored to since it was last written back")        \
  EVENT(kFences, "fences", "sfence, mfence")                                              \
  EVENT(kFencesIdle, "fences_idle",                                                       \
        "of these with neither flush nor non-temporal store since the last")              \
  EVENT(kLinesRead, "lines_read",                                                         \
        "distinct 64-byte lines of pmem loaded from, between two fences")                 \
  EVENT(kTlbInvalidations, "tlb_invalidations", "invlpg, invpcid, stores to CR3")         \
  EVENT(kLocked, "locked", "instructions that lock the bus")                              \
  EVENT(kExceptions, "exceptions", "page faults and the like")                            \
  EVENT(kTlbRefills, "tlb_refills", "refills of the modelled TLB")                        \
  EVENT(kL1iMisses, "l1i_misses", "lines of instructions that the modelled L1I had not")  \
  EVENT(kL1dMisses, "l1d_misses", "lines of data that the modelled L1D had not")          \
  EVENT(kL2Misses, "l2_misses", "lines that the modelled L2 had not")                     \
  EVENT(kDramReads, "dram_reads", "lines that no modelled cache had, read from DRAM")     \
  EVENT(kPmemReads, "pmem_reads", "the same, from pmem")                                  \
  EVENT(kDramWrites, "dram_writes", "lines that modelled caches wrote back to DRAM")      \
  EVENT(kPmemWrites, "pmem_writes", "the same, to pmem")

enum class Event : unsigned {
#define FAULTLINE_ENUMERATOR(event, id, means) event,
  FAULTLINE_EVENTS(FAULTLINE_ENUMERATOR)
#undef FAULTLINE_ENUMERATOR
      kEvents
};
inline constexpr std::size_t kEvents = static_cast<std::size_t>(Event::kEvents);
using EventCounts = std::array<std::uint64_t, kEvents>;

// Indices of functions are of the list of symbols that the plugin was given; these are none.
inline constexpr std::uint32_t kNoFunction = UINT32_MAX;         // outside all symbols
inline constexpr std::uint32_t kThreadRoot = UINT32_MAX - 1;     // a thread's outermost place
inline constexpr std::uint32_t kInterruptRoot = UINT32_MAX - 2;  // where interruptions are
inline constexpr std::uint32_t kUserSpace = UINT32_MAX - 3;
// A function below this one is a symbol.
inline constexpr std::uint32_t kSpecialFunctions = UINT32_MAX - 15;

// A place: a function under the one that called it.
struct Place {
  std::uint32_t parent = 0;  // an index of places; a root's is itself
  std::uint32_t function = kNoFunction;
  std::uint64_t entered = 0;  // how often it was come to from its parent
  EventCounts events = {};
};

struct Thread {
  std::uint64_t task = 0;      // address of its task_struct; 0: it ran first and never gave way
  std::uint32_t root = 0;      // its place
  std::uint32_t measured = 0;  // it opened a measured loop
};

// A block of code: `count` instructions from `address` on, their lengths from `lengths` on.
struct Code {
  std::uint64_t address = 0;
  std::uint32_t lengths = 0;
  std::uint32_t count = 0;
};

// How often the instructions `from` to `to` - 1 of a block were executed at a place.
struct Slot {
  std::uint64_t key = 0;  // 0: the slot is free
  std::uint64_t count = 0;
};
struct SlotKey {
  std::uint32_t code = 0;
  std::uint32_t from = 0;
  std::uint32_t to = 0;
  std::uint32_t place = 0;

  [[nodiscard]] constexpr std::uint64_t packed() const {
    return std::uint64_t{code} << 40 | std::uint64_t{from} << 30 | std::uint64_t{to} << 20 | place;
  }
  static constexpr SlotKey of(std::uint64_t packed) {
    return {.code = static_cast<std::uint32_t>(packed >> 40),
            .from = static_cast<std::uint32_t>(packed >> 30 & 0x3ff),
            .to = static_cast<std::uint32_t>(packed >> 20 & 0x3ff),
            .place = static_cast<std::uint32_t>(packed & 0xfffff)};
  }
};

inline constexpr std::uint32_t kMostPlaces = 1U << 18;
inline constexpr std::uint32_t kMostThreads = 1U << 8;
inline constexpr std::uint32_t kMostCodes = 1U << 17;
inline constexpr std::uint32_t kMostLengths = 1U << 21;
inline constexpr std::uint32_t kSlots = 1U << 18;

struct Record {
  std::uint64_t magic = 0;
  std::uint64_t instructions = 0;  // executed in the measured loop
  std::uint64_t halts = 0;         // of these `hlt`, after which the clock may jump
  std::uint32_t begun = 0;         // loops, one of each thread that touches
  std::uint32_t ended = 0;
  std::uint32_t full = 0;  // a table was: what came then is lost
  std::uint32_t places = 0;
  std::uint32_t threads = 0;
  std::uint32_t codes = 0;
  std::uint32_t lengths_used = 0;
  std::uint32_t flush_addresses = 0;  // it was known which line each flush wrote back
  std::array<Place, kMostPlaces> place;
  std::array<Thread, kMostThreads> thread;
  std::array<Code, kMostCodes> code;
  std::array<std::uint8_t, kMostLengths> lengths;
  std::array<Slot, kSlots> slot;
};

// A symbol as the plugin is given it, in order of the addresses.
struct PluginSymbol {
  static constexpr std::uint32_t kInterrupt = 1;  // the CPU enters it for an interrupt
  static constexpr std::uint32_t kFault = 2;      // for an exception: the instruction runs again
  static constexpr std::uint32_t kTrap = 4;       // for one that ends its instruction
  static constexpr std::uint32_t kThunk = 8;      // a detour to a call's target, or a return's
  static constexpr std::uint32_t kStubs = 16;     // many entries under one name
  std::uint64_t address = 0;
  std::uint32_t flags = 0;
  std::uint32_t size = 0;
};
// The index of the symbol that the address lies in, or kNoFunction.
inline std::uint32_t find_symbol(std::span<const PluginSymbol> symbols, std::uint64_t address) {
  const auto after = std::upper_bound(
      symbols.begin(), symbols.end(), address,
      [](std::uint64_t at, const PluginSymbol& symbol) { return at < symbol.address; });
  if (after == symbols.begin()) return kNoFunction;
  const auto found = after - 1;
  return address - found->address < found->size
             ? static_cast<std::uint32_t>(found - symbols.begin())
             : kNoFunction;
}

}  // namespace faultline::observe
