// SPDX-License-Identifier: GPL-2.0-only
#include "cell/crash_page.h"

#include <optional>
#include <set>

namespace faultline {
namespace {

// splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators), one step.
uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

}  // namespace

uint64_t crash_page_word(uint16_t page, uint16_t sequence, size_t i) {
  const uint64_t place = static_cast<uint64_t>(sequence) << 32 | static_cast<uint64_t>(page) << 16 |
                         static_cast<uint64_t>(i);
  // Never zero: the sequence is not.
  return static_cast<uint64_t>(sequence) << 48 | (mix(place) & 0xffffffffffff);
}

void fill_crash_page(std::span<uint64_t> words, uint16_t page, uint16_t sequence) {
  for (size_t i = 0; i < words.size(); ++i) words[i] = crash_page_word(page, sequence, i);
}

std::vector<int> crash_versions_in(std::span<const uint64_t> words, uint16_t page) {
  std::set<int> found;
  std::optional<int> last;  // neighbours are of one version, nearly always
  for (size_t i = 0; i < words.size(); ++i) {
    const auto sequence = static_cast<uint16_t>(words[i] >> 48);
    int version = kCrashForeign;
    if (words[i] == 0) {
      version = kCrashZeroes;
    } else if (sequence != 0 && words[i] == crash_page_word(page, sequence, i)) {
      version = sequence;
    }
    if (version != last) found.insert(version);
    last = version;
  }
  return {found.begin(), found.end()};
}

}  // namespace faultline
