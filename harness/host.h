// SPDX-License-Identifier: GPL-2.0-only
// A cell on the running kernel, in a folder of the user's own mount: no VM, wall time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "cell/file_system.h"
#include "cell/skip.h"

namespace faultline {

// A line of /proc/self/mountinfo.
struct MountEntry {
  uint64_t id = 0;
  std::string device = {};  // MAJOR:MINOR
  std::string where = {};
  std::string options = {};  // of the mount and of the file system, as mount(8) prints them
  std::string type = {};
  std::string source = {};
};
std::optional<MountEntry> find_mount(const std::string& mountinfo, uint64_t id);

// What a folder offers, found out by a file that is made in it and removed.
struct Place {
  std::string directory;
  MountEntry mount;
  const FileSystem* fs = nullptr;
  bool dax = false;           // statx: STATX_ATTR_DAX
  std::string map_sync = {};  // why the kernel refuses MAP_SYNC; empty: it grants it
  std::string remark = {};    // what could not be found out
};
// Throws Failure(kUsage) when no file can be made there.
Place inspect(const std::string& directory);

// Why there is nothing to measure in `place` unless through the page cache; empty: it is on DAX.
std::string refusal(const Place& place);

// What of a place decides which cells can be measured there (cell/skip.h).
HostPlace host_place(const Place& place);

// Sends hello and ready as a guest does; with `cell_file` (JSON; empty: none) runs that cell and
// sends its row; then done. Frames go to `frames`. The exit code of the process.
int host_main(const std::string& directory, const std::string& cell_file, int frames);

}  // namespace faultline
