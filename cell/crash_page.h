// SPDX-License-Identifier: GPL-2.0-only
// What the crash test writes into a page, so that whatever is found of it later says what it is.
// Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "cell/cell.h"

namespace faultline {

inline constexpr size_t kCrashWordsPerPage = kPageSize / sizeof(uint64_t);

// Word `i` of page `page` in its `sequence`-th version (from 1 on): all three, and a checksum, so
// that every word of a page says for itself what it is.
uint64_t crash_page_word(uint16_t page, uint16_t sequence, size_t i);
void fill_crash_page(std::span<uint64_t> words, uint16_t page, uint16_t sequence);

// The versions of which a page holds words, each once, rising. A page that is whole has one.
inline constexpr int kCrashZeroes = 0;
inline constexpr int kCrashForeign = -1;  // words that were never written to this place
std::vector<int> crash_versions_in(std::span<const uint64_t> words, uint16_t page);

}  // namespace faultline
