// SPDX-License-Identifier: GPL-2.0-only
// The crash test's two guests: one writes pages and tells what its strategy promises of them, the
// other mounts what was left of them when the power went. What the host makes of it:
// cli/crashtest.cc, docs/crashtest.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "harness/cell.h"
#include "harness/filesystem.h"

namespace faultline {

inline constexpr size_t kCrashWordsPerPage = kPageSize / sizeof(uint64_t);

// Word `i` of page `page` in its `sequence`-th version (from 1 on): all three, and a checksum, so
// that every word of a page says for itself what it is.
uint64_t crash_page_word(uint16_t page, uint16_t sequence, size_t i);
void fill_crash_page(std::span<uint64_t> words, uint16_t page, uint16_t sequence);

// The versions of which a page holds words, each once, rising. Of a page that is whole there is
// one.
inline constexpr int kCrashZeroes = 0;
inline constexpr int kCrashForeign = -1;  // words that were never written to this place
std::vector<int> crash_versions_in(std::span<const uint64_t> words, uint16_t page);

// What a cell's text asks for with `crash`; the payload of the last `result` frame. Throws
// Failure.
//   {"do": "write", "cell": {...}, "pages": n, "rounds": n, "plant": "" or "skip_sync"}
//   {"do": "check", "images": n}: a `wait` frame before each image and after the last, and a
//   `result` frame of each.
void run_crash(const nlohmann::json& request, const FileSystem& fs, const std::string& directory);

}  // namespace faultline
