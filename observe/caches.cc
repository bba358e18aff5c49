// SPDX-License-Identifier: GPL-2.0-only
#include "observe/caches.h"

#include <bit>

namespace faultline::observe {
namespace {

constexpr std::size_t kL2 = 0;
constexpr std::size_t kLlc = 1;

LruSets level(const SetsOfWays& size) { return {size.sets, size.ways}; }

}  // namespace

Caches::Caches(const CacheSizes& sizes, std::uint64_t pmem_from)
    : line_bits_(static_cast<unsigned>(std::countr_zero(sizes.line))),
      pmem_from_(pmem_from >> line_bits_),
      l1i_(level(sizes.l1i)),
      l1d_(level(sizes.l1d)) {
  if (sizes.l2) below_[kL2] = level(*sizes.l2);
  below_[kLlc] = level(sizes.llc);
}

void Caches::miss_data(std::uint64_t line, const LruSets::Victim& victim) {
  ++counts_.l1d;
  bring(line);
  if (victim.dirty) write(victim.key, kL2);
}

bool Caches::fetch(std::uint64_t address, std::uint64_t bytes) {
  const std::uint64_t last = (address + bytes - 1) >> line_bits_;
  bool hit = true;
  for (std::uint64_t line = address >> line_bits_; line <= last; ++line) {
    LruSets::Victim victim;
    if (l1i_.use(line, false, victim)) continue;
    hit = false;
    ++counts_.l1i;
    bring(line);
  }
  return hit;
}

void Caches::bring(std::uint64_t line) {
  for (std::size_t i = kL2; i <= kLlc; ++i) {
    if (!below_[i]) continue;
    LruSets::Victim victim;
    if (below_[i]->use(line, false, victim)) return;
    if (i == kL2) {
      ++counts_.l2;
    } else {
      ++counts_.llc[memory_of(line)];
    }
    if (victim.dirty) write(victim.key, i + 1);
  }
}

void Caches::write(std::uint64_t line, std::size_t from) {
  for (std::size_t i = from; i <= kLlc; ++i) {
    if (below_[i] && below_[i]->soil(line)) return;
  }
  write_to_memory(line);
}

void Caches::store_non_temporal(std::uint64_t address, std::uint64_t bytes) {
  const std::uint64_t last = (address + bytes - 1) >> line_bits_;
  for (std::uint64_t line = address >> line_bits_; line <= last; ++line) evict(line << line_bits_);
}

void Caches::evict(std::uint64_t address) {
  const std::uint64_t line = address >> line_bits_;
  bool dirty = l1d_.drop(line);
  for (std::optional<LruSets>& one : below_) {
    if (one && one->drop(line)) dirty = true;
  }
  l1i_.drop(line);
  if (dirty) write_to_memory(line);
}

void Caches::write_back(std::uint64_t address) {
  const std::uint64_t line = address >> line_bits_;
  bool dirty = l1d_.clean(line);
  for (std::optional<LruSets>& one : below_) {
    if (one && one->clean(line)) dirty = true;
  }
  if (dirty) write_to_memory(line);
}

}  // namespace faultline::observe
