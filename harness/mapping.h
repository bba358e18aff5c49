// SPDX-License-Identifier: GPL-2.0-only
// The file that a cell touches, and its mapping: made in the state asked for, and proved to be what
// the strategy needs.
#pragma once

#include <cstdint>
#include <string>

#include "cell/cell.h"
#include "cell/failure.h"

namespace faultline {

// Minor and major faults so far, of RUSAGE_SELF or RUSAGE_THREAD.
uint64_t faults_of(int who);

// An open file of `bytes` whose blocks are all in `state`, synced. Removed from the directory at
// once when the object goes. Throws Failure(kVmFailed).
class TestFile {
 public:
  // `huge`: asks for extents that a 2 MiB entry can map.
  TestFile(const std::string& path, uint64_t bytes, State state, bool huge);
  ~TestFile();
  TestFile(const TestFile&) = delete;
  TestFile& operator=(const TestFile&) = delete;

  [[nodiscard]] int fd() const { return fd_; }
  // STATX_ATTR_DAX of statx(2): the kernel bypasses the page cache for this file.
  [[nodiscard]] bool is_dax() const;

 private:
  std::string path_;
  int fd_ = -1;
};

// What a refused mmap() means. A file on DAX whose file system has no MAP_SYNC (ext2, others) is
// none of the strategy's: kSkipped. Elsewhere the refusal is a failure. Pure.
Failure mmap_failure(bool map_sync, int error, bool dax);
// Of a file system that cannot allocate blocks beforehand: Failure(kSkipped).
Failure no_unwritten_state();
// Why a cell of order pmd has no figures; empty when it has. A kernel without transparent huge
// pages maps none. Pure.
std::string why_no_pmd(Order asked, const std::string& mapped, bool kernel_has_them);
bool kernel_has_huge_pages();
// No huge entry is tried in the range from now on. False, with errno; a kernel without huge pages
// refuses, and needs not be told.
bool forbid_huge_pages(char* at, uint64_t bytes);

// A shared mapping of the whole file, aligned so that a huge entry is possible.
class Mapping {
 public:
  // Throws mmap_failure() when the kernel refuses.
  Mapping(const TestFile& file, uint64_t bytes, bool map_sync, Order order);
  ~Mapping();
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  [[nodiscard]] char* base() const { return base_; }
  // `sf` among VmFlags in /proc/self/smaps (fs/proc/task_mmu.c, since v4.15).
  [[nodiscard]] bool is_map_sync() const;
  // What the kernel mapped at the pages touched, by reading every 4 KiB page around each: a huge
  // entry takes no more faults. Touches are `stride` bytes apart from `from` to `to`.
  [[nodiscard]] const char* mapped_order(uint64_t from, uint64_t to, uint64_t stride) const;

 private:
  char* reserved_ = nullptr;
  char* base_ = nullptr;
  uint64_t bytes_ = 0;
};

}  // namespace faultline
