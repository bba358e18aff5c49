// SPDX-License-Identifier: GPL-2.0-only
// The file that a cell touches, and its mapping: made in the state asked for, and proved to be what
// the strategy needs.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cell/cell.h"
#include "cell/failure.h"

namespace faultline {

// How many minor and major faults there were so far; `who` is RUSAGE_SELF or RUSAGE_THREAD.
uint64_t faults_of(int who);

// An open file of `bytes` whose blocks are all in `state`, synced. Removed from the directory at
// once when the object goes. Throws Failure(kVmFailed).
class TestFile {
 public:
  // `huge` asks for extents that a 2 MiB entry can map.
  TestFile(const std::string& path, uint64_t bytes, State state, bool huge);
  ~TestFile();
  TestFile(const TestFile&) = delete;
  TestFile& operator=(const TestFile&) = delete;

  [[nodiscard]] int fd() const { return fd_; }
  // STATX_ATTR_DAX of statx(2): the kernel bypasses the page cache for this file.
  [[nodiscard]] bool is_dax() const;

 private:
  void remove() const;

  std::string path_;
  State state_;
  int fd_ = -1;
};

// What a refused mmap() means. A file on DAX whose file system has no MAP_SYNC (ext2, others) is
// none of the strategy's: kSkipped. Elsewhere the refusal is a failure. Pure.
Failure mmap_failure(bool map_sync, int error, bool dax);
// The Failure(kSkipped) for a file system that cannot allocate blocks beforehand.
Failure no_unwritten_state();
// Clones all blocks of a file into a new one (ioctl_ficlone(2)), and syncs that. Failure(kSkipped)
// where the file system cannot.
void clone_file(int fd, const std::string& into);
// Why a cell of order pmd has no figures; empty when it has. A kernel without transparent huge
// pages maps none. Pure.
std::string why_no_pmd(Order asked, const std::string& mapped, bool kernel_has_them);
bool kernel_has_huge_pages();
// Has the kernel try no huge entry in the range from now on. Returns false, with errno, if it
// refuses: a kernel without huge pages does, and need not be told.
bool forbid_huge_pages(char* at, uint64_t bytes);

// Tells whether the mapping that begins at `base` has `sf` among VmFlags in /proc/self/smaps
// (fs/proc/task_mmu.c, since v4.15).
bool is_map_sync_at(const char* base);

// Many open files of one page each, all in `state`, synced; their pages mapped one after the other.
class ManyFiles {
 public:
  // `mapped` is false for a strategy that writes by calls. Throws as TestFile and Mapping do.
  ManyFiles(const std::string& directory, uint64_t count, State state, bool mapped, bool map_sync);
  ~ManyFiles();
  ManyFiles(const ManyFiles&) = delete;
  ManyFiles& operator=(const ManyFiles&) = delete;

  [[nodiscard]] char* base() const { return base_; }  // nullptr: not mapped
  [[nodiscard]] const std::vector<int>& fds() const { return fds_; }
  // The mtimes of all files, in ns since 1970.
  [[nodiscard]] std::vector<int64_t> mtimes() const;

 private:
  std::string folder_;
  std::vector<std::unique_ptr<TestFile>> files_;
  std::vector<int> fds_;
  char* base_ = nullptr;
};

// Address space that begins where a huge entry can be: file offset and address must agree modulo
// 2 MiB (fs/dax.c, dax_iomap_pmd_fault(), "pg_colour"). A mapping is put there with MAP_FIXED.
class AlignedSpace {
 public:
  // Throws Failure(kVmFailed) when there is none.
  explicit AlignedSpace(uint64_t bytes);
  ~AlignedSpace();
  AlignedSpace(const AlignedSpace&) = delete;
  AlignedSpace& operator=(const AlignedSpace&) = delete;

  [[nodiscard]] char* base() const { return base_; }

 private:
  uint64_t reserved_bytes_;
  void* reserved_;
  char* base_ = nullptr;
};

// A shared mapping of the whole file, aligned so that a huge entry is possible.
class Mapping {
 public:
  // Throws mmap_failure() when the kernel refuses.
  Mapping(const TestFile& file, uint64_t bytes, bool map_sync, Order order);

  [[nodiscard]] char* base() const { return space_.base(); }
  [[nodiscard]] bool is_map_sync() const { return is_map_sync_at(base()); }
  // What the kernel mapped at the pages touched, by reading every 4 KiB page around each: a huge
  // entry takes no more faults. Touches are `stride` bytes apart from `from` to `to`.
  [[nodiscard]] const char* mapped_order(uint64_t from, uint64_t to, uint64_t stride) const;

 private:
  AlignedSpace space_;
};

}  // namespace faultline
