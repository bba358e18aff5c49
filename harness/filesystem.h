// SPDX-License-Identifier: GPL-2.0-only
// How a file system of the table is made and mounted on the pmem device.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "cell/file_system.h"

namespace faultline {

struct Mounted {
  std::string mkfs_line;
  std::string mount_line;
  std::string tool_version;
  std::set<std::string> features;  // as read back from the device
  uint64_t made_ticks = 0;         // read_ticks() when mkfs had ended
};

// Makes the file system on `device` and mounts it at `where`. Throws Failure(kVmFailed) with the
// tool's own words, or when what was made has not the features of the row.
Mounted make_and_mount(const FileSystem& fs, const std::string& device, const std::string& where);

}  // namespace faultline
