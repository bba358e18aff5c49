// SPDX-License-Identifier: GPL-2.0-only
#include "harness/extents.h"

#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include <cstring>

namespace faultline {

std::optional<std::vector<FileExtent>> extents_of(int fd) {
  constexpr unsigned kAtATime = 256;
  // The bytes of an extent with one of these flags are not on the device, or not as they are read
  // (linux/fiemap.h).
  constexpr uint32_t kElsewhere = FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_DELALLOC |
                                  FIEMAP_EXTENT_ENCODED | FIEMAP_EXTENT_DATA_INLINE |
                                  FIEMAP_EXTENT_NOT_ALIGNED;
  std::vector<FileExtent> found;
  std::vector<char> room(sizeof(fiemap) + kAtATime * sizeof(fiemap_extent));
  for (uint64_t from = 0;;) {
    std::memset(room.data(), 0, room.size());
    auto* map = reinterpret_cast<fiemap*>(room.data());
    map->fm_start = from;
    map->fm_length = FIEMAP_MAX_OFFSET - from;
    map->fm_extent_count = kAtATime;
    if (ioctl(fd, FS_IOC_FIEMAP, map) != 0) return std::nullopt;
    if (map->fm_mapped_extents == 0) return found;
    for (unsigned i = 0; i < map->fm_mapped_extents; ++i) {
      const fiemap_extent& one = map->fm_extents[i];
      if ((one.fe_flags & kElsewhere) != 0) return std::nullopt;
      FileExtent extent{.logical = one.fe_logical,
                        .physical = one.fe_physical,
                        .bytes = one.fe_length,
                        .unwritten = (one.fe_flags & FIEMAP_EXTENT_UNWRITTEN) != 0};
      if (!found.empty() && found.back().logical + found.back().bytes == extent.logical &&
          found.back().physical + found.back().bytes == extent.physical &&
          found.back().unwritten == extent.unwritten) {
        found.back().bytes += extent.bytes;
      } else {
        found.push_back(extent);
      }
      from = one.fe_logical + one.fe_length;
      if ((one.fe_flags & FIEMAP_EXTENT_LAST) != 0) return found;
    }
  }
}

}  // namespace faultline
