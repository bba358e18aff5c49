// SPDX-License-Identifier: GPL-2.0-only
// A cell on the running kernel, in a folder of the user's own mount: no VM, wall time.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "harness/cell.h"
#include "harness/filesystem.h"
#include "harness/strategy.h"
#include "harness/workload.h"

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

// Whether an ext4 superblock (the 1024 bytes at offset 1024 of its device) has the feature;
// nullopt when it is none.
std::optional<bool> has_fast_commit(const std::string& superblock);

// The row of the table for what is mounted; one made up where there is none: `TYPE`, or
// `TYPE-nodax`, without mkfs. Its probes are those of the nearest row, or none.
const FileSystem& host_file_system(const std::string& type, bool dax, bool fast_commit);

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

// Why there is nothing to measure in `place`; empty when there is. `page_cache`: it need not be
// DAX.
std::string refusal(const Place& place, bool page_cache);

// Why such a cell is not for this kernel and place, beside what why_not() says; empty when it is.
std::string why_not_here(const Place& place, const Strategy& strategy, const Workload& workload,
                         const Cell& cell);

// nullptr when there is none of that id.
const Workload* find_workload(std::span<const Workload* const> workloads, const std::string& id);

// Sends hello and ready as a guest does; with `cell_file` (JSON; empty: none) runs that cell and
// sends its row; then done. Frames go to `frames`. The exit code of the process.
int host_main(const std::string& directory, const std::string& cell_file, int frames,
              std::span<const Workload* const> workloads);

}  // namespace faultline
