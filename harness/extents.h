// SPDX-License-Identifier: GPL-2.0-only
// Where a file's blocks are.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace faultline {

// A run of blocks, as FIEMAP tells it. Offsets in bytes: in the file, and on the block device.
struct FileExtent {
  uint64_t logical = 0;
  uint64_t physical = 0;
  uint64_t bytes = 0;
  bool unwritten = false;
};

// The runs of a file's blocks, rising, neighbours joined. None of the file's bytes are read for
// that. nullopt where the file system does not tell, or keeps something of the file elsewhere than
// in blocks.
std::optional<std::vector<FileExtent>> extents_of(int fd);

}  // namespace faultline
