// SPDX-License-Identifier: GPL-2.0-only
// Sets of as many ways each, the least recently used of which goes: a level of the caches, or a
// TLB.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace faultline::observe {

class LruSets {
 public:
  // What fell out of a set.
  struct Victim {
    std::uint64_t key = 0;
    bool there = false;
    bool dirty = false;
  };

  // `sets`: a power of two. A key's last bits say its set; the first two bits of it are 0.
  LruSets(std::uint64_t sets, std::uint32_t ways)
      : mask_(sets - 1), ways_(ways), entries_(sets * ways, kNone) {}

  // Makes a key the one that was used last, and tells whether it was there. If not, it comes in,
  // and `victim` is what fell out. If `dirty`, the key is dirty from now on.
  bool use(std::uint64_t key, bool dirty, Victim& victim) {
    std::uint64_t* set = set_of(key);
    const std::uint64_t soiled = dirty ? 1 : 0;
    if (set[0] >> 1 == key) {
      set[0] |= soiled;
      return true;
    }
    // Each gives way to the one before it, up to where the key was.
    std::uint64_t before = set[0];
    for (std::uint32_t i = 1; i < ways_; ++i) {
      const std::uint64_t here = set[i];
      set[i] = before;
      if (here >> 1 == key) {
        set[0] = here | soiled;
        return true;
      }
      before = here;
    }
    set[0] = key << 1 | soiled;
    victim = {.key = before >> 1, .there = before != kNone, .dirty = false};
    victim.dirty = victim.there && (before & 1) != 0;
    return false;
  }
  // Makes a key dirty, and tells whether it is there. That is no use of it.
  bool soil(std::uint64_t key) {
    std::uint64_t* found = find(key);
    if (found != nullptr) *found |= 1;
    return found != nullptr;
  }
  // Makes a key clean, and tells whether it was there and dirty.
  bool clean(std::uint64_t key) {
    std::uint64_t* found = find(key);
    if (found == nullptr) return false;
    const bool dirty = (*found & 1) != 0;
    *found &= ~std::uint64_t{1};
    return dirty;
  }
  // Removes a key, and tells whether it was there and dirty.
  bool drop(std::uint64_t key) {
    std::uint64_t* found = find(key);
    if (found == nullptr) return false;
    const bool dirty = (*found & 1) != 0;
    std::uint64_t* end = set_of(key) + ways_;
    std::copy(found + 1, end, found);
    end[-1] = kNone;
    return dirty;
  }
  // Removes all keys of which `gone` is true.
  template <typename Predicate>
  void drop_if(Predicate&& gone) {
    for (auto set = entries_.begin(); set != entries_.end(); set += ways_) {
      std::fill(
          std::remove_if(set, set + ways_,
                         [&](std::uint64_t entry) { return entry != kNone && gone(entry >> 1); }),
          set + ways_, kNone);
    }
  }

 private:
  // The entry that holds no key.
  static constexpr std::uint64_t kNone = UINT64_MAX;

  std::uint64_t* set_of(std::uint64_t key) { return &entries_[(key & mask_) * ways_]; }
  std::uint64_t* find(std::uint64_t key) {
    std::uint64_t* set = set_of(key);
    std::uint64_t* found =
        std::find_if(set, set + ways_, [&](std::uint64_t entry) { return entry >> 1 == key; });
    return found == set + ways_ ? nullptr : found;
  }

  std::uint64_t mask_;
  std::uint32_t ways_;
  std::vector<std::uint64_t> entries_;  // of each set the one that was used last first
};

}  // namespace faultline::observe
