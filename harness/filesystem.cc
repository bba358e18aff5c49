// SPDX-License-Identifier: GPL-2.0-only
#include "harness/filesystem.h"

#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "harness/clock.h"
#include "harness/failure.h"
#include "harness/subprocess.h"

namespace faultline {
namespace {

// Fixed UUID and hash seed: they steer where directories and hashes fall. Inode tables and journal
// are written at once, so that no kernel thread does it while a cell is measured. Allocation in
// aligned units of 2 MiB, as is advised for DAX: without it no huge entry fits a preallocated file.
#define MKFS_EXT4                                                                          \
  "mkfs.ext4 -q -F -b 4096 -U 6c1f0d8e-0d5c-4b6a-9a51-fa0171e00001 -E "                    \
  "hash_seed=6c1f0d8e-0d5c-4b6a-9a51-fa0171e00002,lazy_itable_init=0,lazy_journal_init=0," \
  "nodiscard,stride=512,stripe_width=512"
#define MKFS_XFS                                            \
  "mkfs.xfs -q -f -K -d agcount=2,su=2m,sw=1 -l su=32k -m " \
  "reflink=0,uuid=6c1f0d8e-0d5c-4b6a-9a51-fa0171e00003"

// ext4_dax_fault() and .pfn_mkwrite both call ext4_dax_huge_fault() (fs/ext4/file.c, 5.10 to 7.3).
constexpr Hooks kExt4Fault = {{{"ext4_dax_huge_fault", 2}}};
// __xfs_filemap_fault() took every kind until 7.x split the write faults off into xfs_write_fault()
// (fs/xfs/xfs_file.c).
constexpr Hooks kXfsFault = {{{"__xfs_filemap_fault", 3}, {"xfs_write_fault", 2}}};
// fs/ext4/inode.c and fs/xfs/xfs_iomap.c, 5.10 to 7.3.
constexpr char kExt4Map[] = "ext4_iomap_begin";
constexpr char kXfsMap[] = "xfs_direct_write_iomap_begin";

constexpr char kExt4Check[] = "e2fsck -f -n";
constexpr char kXfsCheck[] = "xfs_repair -n -f";

constexpr FileSystem kFileSystems[] = {
    {"ext4", "ext4 with DAX", "ext4", MKFS_EXT4, "dax", true, true, "ext4", "mkfs.ext4", kExt4Fault,
     kExt4Map, Journal::kJbd2, false, kExt4Check},
    {"ext4-fc", "ext4 with fast_commit and DAX", "ext4", MKFS_EXT4 " -O fast_commit", "dax", true,
     true, "ext4", "mkfs.ext4", kExt4Fault, kExt4Map, Journal::kJbd2, true, kExt4Check},
    {"xfs", "XFS with DAX", "xfs", MKFS_XFS, "dax", true, true, "xfs", "mkfs.xfs", kXfsFault,
     kXfsMap, Journal::kXfsLog, false, kXfsCheck},
    {"ext4-nodax",
     "ext4 through the page cache",
     "ext4",
     MKFS_EXT4,
     "",
     false,
     false,
     "ext4",
     "mkfs.ext4",
     {{{"ext4_page_mkwrite", 1}}},
     nullptr,
     Journal::kJbd2,
     false,
     kExt4Check},
    {"xfs-nodax",
     "XFS through the page cache",
     "xfs",
     MKFS_XFS,
     "",
     false,
     false,
     "xfs",
     "mkfs.xfs",
     {{{"xfs_filemap_page_mkwrite", 1}, {"xfs_write_fault", 2}}},
     nullptr,
     Journal::kXfsLog,
     false,
     kXfsCheck},
};

}  // namespace

std::span<const FileSystem> file_systems() { return kFileSystems; }

const FileSystem* find_file_system(const std::string& id) {
  for (const FileSystem& fs : kFileSystems) {
    if (id == fs.id) return &fs;
  }
  return nullptr;
}

Mounted make_and_mount(const FileSystem& fs, const std::string& device, const std::string& where) {
  Mounted mounted;
  mounted.tool_version = first_line(run_command({fs.tool, "-V"}).output);
  mounted.mkfs_line = fmt::format("{} {}", fs.mkfs, device);
  const CommandResult made = run_command(split_words(mounted.mkfs_line));
  if (made.exit_code != 0) {
    throw Failure(ExitCode::kVmFailed,
                  fmt::format("{}: exit {}: {}", fs.tool, made.exit_code, first_line(made.output)));
  }
  mounted.made_ticks = read_ticks();
  mounted.mount_line = fmt::format("mount -t {}{}{} {} {}", fs.type, *fs.options ? " -o " : "",
                                   fs.options, device, where);
  if (mkdir(where.c_str(), 0755) != 0 && errno != EEXIST) {
    throw Failure(ExitCode::kVmFailed, fmt::format("mkdir {}: {}", where, std::strerror(errno)));
  }
  if (mount(device.c_str(), where.c_str(), fs.type, 0, fs.options) != 0) {
    throw Failure(ExitCode::kVmFailed, fmt::format("{}: {}; the kernel's log says why",
                                                   mounted.mount_line, std::strerror(errno)));
  }
  return mounted;
}

}  // namespace faultline
