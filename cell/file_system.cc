// SPDX-License-Identifier: GPL-2.0-only
#include "cell/file_system.h"

#include <list>
#include <mutex>

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
constexpr Hooks kExt4Fault = {{{.function = "ext4_dax_huge_fault", .arguments = 2}}};
// __xfs_filemap_fault() took every kind until 7.x split the write faults off into xfs_write_fault()
// (fs/xfs/xfs_file.c).
constexpr Hooks kXfsFault = {{{.function = "__xfs_filemap_fault", .arguments = 3},
                              {.function = "xfs_write_fault", .arguments = 2}}};
constexpr Hooks kExt4Cached = {{{.function = "ext4_page_mkwrite", .arguments = 1}}};
constexpr Hooks kXfsCached = {{{.function = "xfs_filemap_page_mkwrite", .arguments = 1},
                               {.function = "xfs_write_fault", .arguments = 2}}};

// What a mapping is the medium itself on, and what goes through the page cache instead.
constexpr FileSystem kExt4 = {.id = "ext4",
                              .summary = "ext4 with DAX",
                              .type = "ext4",
                              .mkfs = MKFS_EXT4,
                              .options = "dax",
                              .dax = true,
                              .map_sync = true,
                              .by_default = true,
                              .module = "ext4",
                              .tool = "mkfs.ext4",
                              .fault = kExt4Fault,
                              .map = "ext4_iomap_begin",  // fs/ext4/inode.c, 5.10 to 7.3
                              .journal = Journal::kJbd2,
                              .check = "e2fsck -f -n"};
constexpr FileSystem kXfs = {
    .id = "xfs",
    .summary = "XFS with DAX",
    .type = "xfs",
    .mkfs = MKFS_XFS,
    .options = "dax",
    .dax = true,
    .map_sync = true,
    .by_default = true,
    .module = "xfs",
    .tool = "mkfs.xfs",
    .fault = kXfsFault,
    .map = "xfs_direct_write_iomap_begin",  // fs/xfs/xfs_iomap.c, 5.10 to 7.3
    .map_tracepoints = {"xfs_iomap_found", "xfs_iomap_alloc"},
    .journal = Journal::kXfsLog,
    .check = "xfs_repair -n -f"};

constexpr FileSystem with_fast_commit(FileSystem row) {
  row.id = "ext4-fc";
  row.summary = "ext4 with fast_commit and DAX";
  row.mkfs = MKFS_EXT4 " -O fast_commit";
  row.fast_commit = true;
  return row;
}

constexpr FileSystem through_page_cache(FileSystem row, const char* id, const char* summary,
                                        Hooks fault) {
  row.id = id;
  row.summary = summary;
  row.options = "";
  row.dax = false;
  row.map_sync = false;
  row.by_default = false;
  row.fault = fault;
  row.map = nullptr;
  row.map_tracepoints = {};
  return row;
}

constexpr FileSystem kFileSystems[] = {
    kExt4, with_fast_commit(kExt4), kXfs,
    through_page_cache(kExt4, "ext4-nodax", "ext4 through the page cache", kExt4Cached),
    through_page_cache(kXfs, "xfs-nodax", "XFS through the page cache", kXfsCached)};

const FileSystem* find_row(const std::string& type, bool dax, bool fast_commit) {
  for (const FileSystem& fs : kFileSystems) {
    if (type == fs.type && fs.dax == dax && fs.fast_commit == fast_commit) return &fs;
  }
  return nullptr;
}

// What a row may bear: lower case, for NOVA too; the type stays as the kernel has it.
std::string id_of_type(const std::string& type) {
  std::string id;
  for (const char c : type) {
    const bool capital = c >= 'A' && c <= 'Z';
    const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                       (!id.empty() && (c == '_' || c == '.' || c == '+' || c == '-'));
    id += capital ? static_cast<char>(c - 'A' + 'a') : plain ? c : '-';
    if (id == "-") id = "fs-";
  }
  return id;
}

}  // namespace

std::span<const FileSystem> file_systems() { return kFileSystems; }

const FileSystem* find_file_system(const std::string& id) {
  for (const FileSystem& fs : kFileSystems) {
    if (id == fs.id) return &fs;
  }
  return nullptr;
}

const FileSystem& host_file_system(const std::string& type, bool dax, bool fast_commit) {
  if (const FileSystem* row = find_row(type, dax, fast_commit)) return *row;
  // Rows are plain pointers: what is made up here must outlive them.
  static std::mutex mutex;
  static std::list<std::string> words;
  static std::list<FileSystem> rows;
  const std::lock_guard lock(mutex);
  const auto keep = [](const std::string& word) { return words.emplace_back(word).c_str(); };
  FileSystem row{};
  if (const FileSystem* near = find_row(type, dax, false)) row = *near;
  row.fast_commit = fast_commit;
  row.id = keep(id_of_type(type) + (fast_commit ? "-fc" : "") + (dax ? "" : "-nodax"));
  row.summary = "found on this machine";
  row.type = keep(type);
  row.mkfs = "";
  row.options = "";
  row.dax = dax;
  row.map_sync = dax;
  row.module = "";
  row.tool = "";
  return rows.emplace_back(row);
}

}  // namespace faultline
