// SPDX-License-Identifier: GPL-2.0-only
#include <bit>
#include <vector>

#include "harness/workload.h"

namespace faultline {
namespace {

// A permutation of 0 .. 2^bits - 1: each step is a bijection on that many bits.
uint64_t scatter(uint64_t i, unsigned bits) {
  const uint64_t mask = (uint64_t{1} << bits) - 1;
  i = (i * 0x9E3779B97F4A7C15U) & mask;
  i ^= i >> (bits / 2 + 1);
  return (i * 0xBF58476D1CE4E5B9U) & mask;
}

void run_loop(Lane& lane) {
  const auto bits = static_cast<unsigned>(std::bit_width(lane.touches() - 1));
  std::vector<uint32_t> pages(lane.touches());
  for (uint64_t i = 0; i < pages.size(); ++i) {
    uint64_t page = scatter(i, bits);
    while (page >= pages.size()) page = scatter(page, bits);
    pages[i] = static_cast<uint32_t>(page);
  }
  while (const Stretch s = lane.next()) {
    for (uint64_t i = s.first; i < s.last; ++i) lane.touch(pages[i]);
  }
}

}  // namespace

extern const WorkloadCode k_random_touch;
const WorkloadCode k_random_touch = {.run = run_loop};

}  // namespace faultline
