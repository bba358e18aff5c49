// SPDX-License-Identifier: GPL-2.0-only
// How large the modelled caches and the modelled TLB are: files of observe/caches/.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace faultline::observe {

struct SetsOfWays {
  std::uint64_t sets = 1;  // a power of two
  std::uint32_t ways = 1;
  bool operator==(const SetsOfWays&) const = default;
};

struct CacheSizes {
  std::uint64_t line = 64;  // bytes, a power of two
  SetsOfWays l1i = {};
  SetsOfWays l1d = {};
  std::optional<SetsOfWays> l2 = {};
  SetsOfWays llc = {};
};

struct Geometry {
  std::string title;
  CacheSizes caches = {};
  std::optional<SetsOfWays> tlb = {};
};

// Reads a geometry from a file's text, which is TOML of sections [l1i], [l1d], [l2], [llc] with
// size and ways, [tlb] with entries and ways, a source in each, and before them `title` and `line`.
// Failure(kUsage) beginning with `file` for what it cannot be.
Geometry geometry_of(const std::string& text, const std::string& file);

// `TITLE: L1I 32 KiB of 8 ways, ...`, and `1536 entries of 12 ways`.
std::string describe(const Geometry& geometry);
std::string describe_tlb(const SetsOfWays& tlb);

}  // namespace faultline::observe
