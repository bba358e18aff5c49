// SPDX-License-Identifier: GPL-2.0-only
#include "cell/file_system.h"

#include <algorithm>
#include <list>
#include <mutex>

#include "cell/failure.h"
#include "cell/fs_row.h"

namespace faultline {
namespace {

// Fixed UUID and hash seed: they steer where directories and hashes fall. Inode tables and journal
// are written at once, so that no kernel thread does it while a cell is measured. Allocation in
// aligned units of 2 MiB, as is advised for DAX: without it no huge entry fits a preallocated file.
//
// Every feature is named, so that none hangs on the tool's version or configuration. Those of
// MKFS_EXT4 are what e2fsprogs 1.47 of Debian 12 makes by itself.
#define EXT4_FEATURES(journal)                                                                 \
  journal                                                                                      \
      "ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file," \
      "huge_file,dir_nlink,extra_isize,metadata_csum"
#define MKFS_EXT(type, features)                                                                  \
  "mkfs." type                                                                                    \
  " -q -F -b 4096 -I 256 -i 16384 -m 5 -U 6c1f0d8e-0d5c-4b6a-9a51-fa0171e00001 -O none," features \
  " -E hash_seed=6c1f0d8e-0d5c-4b6a-9a51-fa0171e00002,lazy_itable_init=0,"                        \
  "lazy_journal_init=0,nodiscard,stride=512,stripe_width=512"
constexpr char kExt4Features[] = EXT4_FEATURES("has_journal,");
constexpr char kExt4FcFeatures[] = EXT4_FEATURES("has_journal,") ",fast_commit";
constexpr char kExt4NoJournalFeatures[] = EXT4_FEATURES("");
// What upstream's e2fsprogs adds from 1.47 on.
constexpr char kExt4OrphanFeatures[] =
    EXT4_FEATURES("has_journal,") ",metadata_csum_seed,orphan_file";
#define EXT2_FEATURES "ext_attr,resize_inode,dir_index,filetype,sparse_super,large_file"
constexpr char kExt2Features[] = EXT2_FEATURES;
// Those of XFS are what xfsprogs 6.1 of Debian 12 makes by itself, but for reflink: until 6.0 the
// kernel mounts nothing that has both it and DAX.
#define MKFS_XFS(rmapbt, reflink)                                                                 \
  "mkfs.xfs -q -f -K -d agcount=2,su=2m,sw=1 -l version=2,su=32k -i size=512,sparse=1,nrext64=0 " \
  "-n ftype=1 -m crc=1,finobt=1,inobtcount=1,bigtime=1,rmapbt=" rmapbt ",reflink=" reflink        \
  ",uuid=6c1f0d8e-0d5c-4b6a-9a51-fa0171e00003"
constexpr char kXfsFeatures[] = "crc,finobt,inobtcount,ftype,sparse,bigtime";
constexpr char kXfsReflinkFeatures[] = "crc,finobt,reflink,inobtcount,ftype,sparse,bigtime";
// What xfsprogs adds from 6.6 on, and is not of the medium or of reflink.
constexpr char kXfsRmapFeatures[] = "crc,finobt,rmapbt,inobtcount,ftype,sparse,bigtime";

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
                              .mkfs = MKFS_EXT("ext4", EXT4_FEATURES("has_journal,")),
                              .features = kExt4Features,
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
    .mkfs = MKFS_XFS("0", "0"),
    .features = kXfsFeatures,
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

// A row that is as another but for what its maker then sets.
constexpr FileSystem another_row(FileSystem row, const char* id, const char* summary) {
  row.id = id;
  row.summary = summary;
  row.by_default = false;
  return row;
}

constexpr FileSystem made_otherwise(const FileSystem& of, const char* id, const char* summary,
                                    const char* mkfs, const char* features) {
  FileSystem row = another_row(of, id, summary);
  row.mkfs = mkfs;
  row.features = features;
  return row;
}

constexpr FileSystem mounted_otherwise(const FileSystem& of, const char* id, const char* summary,
                                       const char* options) {
  FileSystem row = another_row(of, id, summary);
  row.options = options;
  return row;
}

constexpr FileSystem nearly_full(const FileSystem& of, const char* id, const char* summary) {
  FileSystem row = another_row(of, id, summary);
  row.crowded = true;
  return row;
}

constexpr FileSystem with_fast_commit() {
  FileSystem row = made_otherwise(kExt4, "ext4-fc", "ext4 with fast_commit and DAX",
                                  MKFS_EXT("ext4", EXT4_FEATURES("has_journal,") ",fast_commit"),
                                  kExt4FcFeatures);
  row.by_default = true;
  row.fast_commit = true;
  return row;
}

constexpr FileSystem without_journal() {
  FileSystem row = made_otherwise(kExt4, "ext4-nojournal", "ext4 without a journal, with DAX",
                                  MKFS_EXT("ext4", EXT4_FEATURES("")), kExt4NoJournalFeatures);
  row.journal = Journal::kNone;
  return row;
}

// The driver of its own, fs/ext2: most distributions serve ext2 by ext4's.
constexpr FileSystem ext2() {
  FileSystem row = made_otherwise(kExt4, "ext2", "ext2 with DAX, without MAP_SYNC, as by fs/ext2",
                                  MKFS_EXT("ext2", EXT2_FEATURES), kExt2Features);
  row.type = "ext2";
  row.module = "ext2";
  row.tool = "mkfs.ext2";
  row.map_sync = false;
  // fs/ext2/file.c, 5.10 to 7.3.
  row.fault = {{{.function = "ext2_dax_fault", .arguments = 1}}};
  row.map = "ext2_iomap_begin";  // fs/ext2/inode.c
  row.journal = Journal::kNone;
  return row;
}

constexpr FileSystem through_page_cache(const FileSystem& of, const char* id, const char* summary,
                                        Hooks fault) {
  FileSystem row = another_row(of, id, summary);
  row.options = "";
  row.dax = false;
  row.map_sync = false;
  row.fault = fault;
  row.map = nullptr;
  row.map_tracepoints = {};
  return row;
}

constexpr FileSystem kFileSystems[] = {
    kExt4, with_fast_commit(), kXfs,
    through_page_cache(kExt4, "ext4-nodax", "ext4 through the page cache", kExt4Cached),
    through_page_cache(kXfs, "xfs-nodax", "XFS through the page cache", kXfsCached),
    made_otherwise(
        kExt4, "ext4-orphan", "ext4 as upstream's mkfs 1.47 makes it, with DAX",
        MKFS_EXT("ext4", EXT4_FEATURES("has_journal,") ",metadata_csum_seed,orphan_file"),
        kExt4OrphanFeatures),
    made_otherwise(kXfs, "xfs-rmapbt", "XFS with a reverse map, as mkfs 6.6 makes it, with DAX",
                   MKFS_XFS("1", "0"), kXfsRmapFeatures),
    made_otherwise(kXfs, "xfs-reflink",
                   "XFS whose files can share blocks, with DAX (6.0 and later)", MKFS_XFS("0", "1"),
                   kXfsReflinkFeatures),
    // The least that mke2fs makes; what mkfs.xfs makes here by itself, 64 MiB, is its least.
    made_otherwise(kExt4, "ext4-log4m", "ext4 with a journal of 4 MiB, which soon wraps, with DAX",
                   MKFS_EXT("ext4", EXT4_FEATURES("has_journal,")) " -J size=4", kExt4Features),
    mounted_otherwise(kExt4, "ext4-lazytime", "ext4 that keeps time stamps in memory, with DAX",
                      "dax,lazytime"),
    mounted_otherwise(kXfs, "xfs-lazytime", "XFS that keeps time stamps in memory, with DAX",
                      "dax,lazytime"),
    mounted_otherwise(kXfs, "xfs-quota", "XFS that keeps and enforces users' quotas, with DAX",
                      "dax,uquota"),
    nearly_full(kExt4, "ext4-full", "ext4 nearly full, its free blocks scattered, with DAX"),
    nearly_full(kXfs, "xfs-full", "XFS nearly full, its free blocks scattered, with DAX"),
    without_journal(), ext2()};

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

// The table, and behind it room for what is added: a row stays where it is, and its words are in
// `given` or beside it.
struct Registry {
  struct Words {
    FileSystemRow row;
    std::string mkfs, tool, module;
  };
  std::array<FileSystem, std::size(kFileSystems) + kMostAdded> rows;
  std::size_t count = std::size(kFileSystems);
  std::list<Words> words;
  Registry() : rows{} { std::copy(std::begin(kFileSystems), std::end(kFileSystems), rows.begin()); }
};

Registry& registry() {
  static Registry all;
  return all;
}

}  // namespace

std::span<const FileSystem> file_systems() { return {registry().rows.data(), registry().count}; }

const FileSystem& add_file_system(const FileSystemRow& row) {
  Registry& all = registry();
  if (all.count == all.rows.size()) throw Failure(ExitCode::kUsage, "too many file systems added");
  all.words.push_back(
      {.row = row, .mkfs = mkfs_of(row), .tool = program_of(row.mkfs), .module = module_of(row)});
  const Registry::Words& words = all.words.back();
  FileSystem& fs = all.rows.at(all.count++);
  fs = {.id = words.row.id.c_str(),
        .summary = words.row.summary.c_str(),
        .type = words.row.type.c_str(),
        .mkfs = words.mkfs.c_str(),
        .options = words.row.options.c_str(),
        .options_again = words.row.options_again ? words.row.options_again->c_str() : nullptr,
        .dax = true,
        .map_sync = words.row.map_sync,
        .module = words.module.c_str(),
        .tool = words.tool.c_str(),
        .map = words.row.map.empty() ? nullptr : words.row.map.c_str(),
        .check = words.row.fsck.c_str(),
        .module_parameters = words.row.module_parameters.c_str(),
        .given = &words.row};
  return fs;
}

void forget_added_file_systems() {
  registry().count = std::size(kFileSystems);
  registry().words.clear();
}

const FileSystem* find_file_system(const std::string& id) {
  for (const FileSystem& fs : file_systems()) {
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
