// SPDX-License-Identifier: GPL-2.0-only
// A model of a TLB: the last level of one, for data and instructions alike.
//
// How large a page is mapped nobody tells the observer. It goes by where Linux on x86-64 has things
// (Documentation/arch/x86/x86_64/mm.rst, KASLR off): the kernel's map of all memory, its map of
// struct page and its image are mapped by 2 MiB, everything else by 4 KiB.
#pragma once

#include <array>
#include <cstdint>

#include "observe/geometry.h"
#include "observe/lru_sets.h"

namespace faultline::observe {

class Tlb {
 public:
  explicit Tlb(const SetsOfWays& size) : entries_(size.sets, size.ways) {}

  // Tells whether the page of the address was there. It is from now on.
  bool touch(std::uint64_t address) {
    const std::uint64_t small = address >> kSmall;
    if (small == last_) return true;
    last_ = small;
    Known& known = known_[small % known_.size()];
    if (known.small != small) known = {.small = small, .key = key_of(address)};
    LruSets::Victim victim;
    return entries_.use(known.key, false, victim);
  }
  // Does what a store to CR3 does: what is not global goes, and that is user space's.
  void forget_user();
  // Does what a store to another control register does: all goes.
  void forget_all();

 private:
  static constexpr unsigned kSmall = 12;
  static constexpr unsigned kLarge = 21;
  static constexpr std::uint64_t kNoPage = UINT64_MAX;
  static constexpr std::uint64_t kIsLarge = std::uint64_t{1} << 60;
  static constexpr std::uint64_t kIsKernel = std::uint64_t{1} << 61;

  static std::uint64_t key_of(std::uint64_t address);

  // The key of a page, kept because it is asked for again and again.
  struct Known {
    std::uint64_t small = kNoPage;
    std::uint64_t key = 0;
  };

  LruSets entries_;
  std::array<Known, 256> known_ = {};
  std::uint64_t last_ = kNoPage;  // of 4 KiB, touched last
};

}  // namespace faultline::observe
