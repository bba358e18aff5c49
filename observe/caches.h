// SPDX-License-Identifier: GPL-2.0-only
// A model of a CPU's caches: L1I, L1D, perhaps L2, and the last level (LLC), all of lines of one
// size, by physical address. Least recently used lines go; stores allocate and are written back.
//
// A level is asked when the one above misses, and gets the line then; what falls out of a level
// stays in the others (neither inclusive nor exclusive). A dirty line that falls out is written to
// the next level that has it, which is no use of it there, or to memory.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "observe/geometry.h"
#include "observe/lru_sets.h"

namespace faultline::observe {

enum class Memory : unsigned { kDram, kPmem, kMemories };
inline constexpr std::size_t kMemories = static_cast<std::size_t>(Memory::kMemories);

// What accesses came to.
struct CacheCounts {
  std::uint64_t l1i = 0;  // misses
  std::uint64_t l1d = 0;
  std::uint64_t l2 = 0;
  std::array<std::uint64_t, kMemories> llc = {};      // lines that were read from memory
  std::array<std::uint64_t, kMemories> written = {};  // and written back to it
  bool operator==(const CacheCounts&) const = default;
};

class Caches {
 public:
  // Addresses from `pmem_from` on are pmem.
  Caches(const CacheSizes& sizes, std::uint64_t pmem_from);

  // These three return false where the line was not in L1: more was to be done then, and was
  // counted.
  bool load(std::uint64_t address, std::uint64_t bytes) { return data(address, bytes, false); }
  bool store(std::uint64_t address, std::uint64_t bytes) { return data(address, bytes, true); }
  bool fetch(std::uint64_t address, std::uint64_t bytes);
  // Stores past the caches: the lines are gone from them, and what was dirty is written before.
  void store_non_temporal(std::uint64_t address, std::uint64_t bytes);
  // Does what clflush and clflushopt do.
  void evict(std::uint64_t address);
  // Does what clwb does.
  void write_back(std::uint64_t address);

  // The counts since take() was last called.
  CacheCounts take() {
    const CacheCounts taken = counts_;
    counts_ = {};
    return taken;
  }

 private:
  static constexpr std::size_t kNowhere = 2;  // an index past `below_`

  bool data(std::uint64_t address, std::uint64_t bytes, bool store) {
    const std::uint64_t first = address >> line_bits_;
    const std::uint64_t last = (address + bytes - 1) >> line_bits_;
    bool hit = true;
    for (std::uint64_t line = first; line <= last; ++line) {
      LruSets::Victim victim;
      if (!l1d_.use(line, store, victim)) {
        miss_data(line, victim);
        hit = false;
      }
    }
    return hit;
  }
  void miss_data(std::uint64_t line, const LruSets::Victim& victim);
  // Brings a line that L1 has missed, from the next level that has it or from memory.
  void bring(std::uint64_t line);
  // Writes a dirty line to the first level of below_, from index `from` on, that has it, or to
  // memory.
  void write(std::uint64_t line, std::size_t from);
  void write_to_memory(std::uint64_t line) { ++counts_.written[memory_of(line)]; }
  [[nodiscard]] std::size_t memory_of(std::uint64_t line) const {
    return static_cast<std::size_t>(line >= pmem_from_ ? Memory::kPmem : Memory::kDram);
  }

  unsigned line_bits_;
  std::uint64_t pmem_from_;  // a line
  LruSets l1i_;
  LruSets l1d_;
  std::array<std::optional<LruSets>, kNowhere> below_;  // L2, LLC
  CacheCounts counts_;
};

}  // namespace faultline::observe
