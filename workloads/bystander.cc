// SPDX-License-Identifier: GPL-2.0-only
// What others lose while a thread takes synced faults: threads of its process, and a process that
// works on the same file.
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness/contest.h"

namespace faultline {
namespace {

constexpr size_t kArea = 1 << 20;

bool touch_mmap(Toucher& /*t*/, uint64_t /*n*/) {
  void* at = mmap(nullptr, kPageSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return at != MAP_FAILED && munmap(at, kPageSize) == 0;
}

bool map_anonymous(Toucher& t) {
  void* at = mmap(nullptr, kArea, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  t.map = static_cast<char*>(at);
  return at != MAP_FAILED && madvise(at, kArea, MADV_NOHUGEPAGE) == 0;
}

bool touch_anonymous(Toucher& t, uint64_t n) {
  char* const at = t.map + n * kPageSize % kArea;
  if (madvise(at, kPageSize, MADV_DONTNEED) != 0) return false;
  *reinterpret_cast<volatile uint64_t*>(at) = n;
  return true;
}

bool map_written(Toucher& t) {
  void* at = mmap(nullptr, kWrittenBytes, PROT_READ, MAP_SHARED, t.fd, t.written);
  t.map = static_cast<char*>(at);
  return at != MAP_FAILED;
}

bool read_fault(Toucher& t, uint64_t n) {
  char* const at = t.map + n * kPageSize % kWrittenBytes;
  if (madvise(at, kPageSize, MADV_DONTNEED) != 0) return false;
  static_cast<void>(*reinterpret_cast<volatile uint64_t*>(at));
  return true;
}

bool map_other(Toucher& t) {
  t.other = open(fmt::format("{}/other{}", t.directory, t.index).c_str(),
                 O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (t.other < 0 || fallocate(t.other, 0, 0, kArea) != 0) return false;
  const std::string block(kArea, 'w');
  if (pwrite(t.other, block.data(), kArea, 0) != static_cast<ssize_t>(kArea)) return false;
  if (fsync(t.other) != 0) return false;
  void* at = mmap(nullptr, kArea, PROT_READ | PROT_WRITE, MAP_SHARED, t.other, 0);
  t.map = static_cast<char*>(at);
  return at != MAP_FAILED && madvise(at, kArea, MADV_NOHUGEPAGE) == 0;
}

bool open_directory(Toucher& t) {
  t.other = open(t.directory.c_str(), O_RDONLY | O_CLOEXEC);
  return t.other >= 0;
}

bool touch_freeze(Toucher& t, uint64_t /*n*/) {
  return ioctl(t.other, FIFREEZE, 0) == 0 && ioctl(t.other, FITHAW, 0) == 0;
}

void thaw(const std::string& directory) {
  const int fd = open(directory.c_str(), O_RDONLY | O_CLOEXEC);
  ioctl(fd, FITHAW, 0);
  close(fd);
}

constexpr TouchKind kKinds[] = {
    {.id = "mmap",
     .summary = "a thread maps and unmaps a page",
     .touch = touch_mmap,
     .in_process = true},
    {.id = "anon",
     .summary = "a thread takes anonymous faults",
     .touch = touch_anonymous,
     .prepare = map_anonymous,
     .in_process = true},
    {.id = "read_fault",
     .summary = "a thread takes read faults on the same file",
     .touch = read_fault,
     .prepare = map_written,
     .in_process = true},
    {.id = "other_file",
     .summary = "a thread takes write faults on another file",
     .touch = touch_anonymous,
     .prepare = map_other,
     .in_process = true},
    {.id = "freeze",
     .summary = "a process freezes and thaws the file system",
     .touch = touch_freeze,
     .prepare = open_directory,
     .release = thaw,
     .whole_fs = true},
    {.id = "resize",
     .summary = "a process truncates the same file up and down",
     .touch = truncate_up_and_down},
};
constexpr const char* kByDefault[] = {"map_sync", "sync_fault", "sync_retry", "sync_retry_extent"};

}  // namespace

extern const Workload k_bystander;
const Workload k_bystander = {.id = "bystander",
                              .summary = "what others lose while a thread takes synced faults",
                              .run = nullptr,
                              .touches = 256,
                              .rewrite = false,
                              .paced = false,
                              .scattered = false,
                              .by_default = false,
                              .selftest = false,
                              .contest = Contest::kBystander,
                              .kinds = kKinds,
                              .strategies = kByDefault};

}  // namespace faultline
