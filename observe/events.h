// SPDX-License-Identifier: GPL-2.0-only
// What of the pmem is written, read and written back between two fences.
#pragma once

#include <cstdint>
#include <vector>

namespace faultline::observe {

class PmemLines {
 public:
  static constexpr std::uint64_t kLine = 64;
  static constexpr std::uint64_t kBlock = 256;

  explicit PmemLines(std::uint64_t bytes)
      : stored_(bytes / kLine),
        loaded_(bytes / kLine),
        blocks_(bytes / kBlock),
        dirty_(bytes / kLine) {}

  // How many lines, and blocks, `bytes` at `offset` are the first store to since the last fence.
  struct Fresh {
    std::uint64_t lines = 0;
    std::uint64_t blocks = 0;
  };
  Fresh store(std::uint64_t offset, std::uint64_t bytes, bool non_temporal);
  // How many lines `bytes` at `offset` are the first load from since the last fence.
  std::uint64_t load(std::uint64_t offset, std::uint64_t bytes);
  // Writes back a line, and tells whether it was stored to since it was last written back.
  bool write_back(std::uint64_t offset);
  // Notes a write-back whose line is not known.
  void write_back_somewhere() { outstanding_ = true; }
  // Notes a fence, and tells whether there was anything for it to wait for.
  bool fence();

 private:
  static std::uint64_t mark(std::vector<std::uint32_t>& marks, std::uint64_t first,
                            std::uint64_t last, std::uint32_t epoch);

  std::vector<std::uint32_t> stored_;  // the epoch of the last store to each line
  std::vector<std::uint32_t> loaded_;
  std::vector<std::uint32_t> blocks_;
  std::vector<std::uint8_t> dirty_;
  std::uint32_t epoch_ = 1;  // moves on at each fence
  bool outstanding_ = false;
};

}  // namespace faultline::observe
