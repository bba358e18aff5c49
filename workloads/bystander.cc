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
#include "harness/mapping.h"

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
  return at != MAP_FAILED && forbid_huge_pages(t.map, kArea);
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
  return at != MAP_FAILED && forbid_huge_pages(t.map, kArea);
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

constexpr TouchCode k_mmap = {.touch = touch_mmap};
constexpr TouchCode k_anon = {.touch = touch_anonymous, .prepare = map_anonymous};
constexpr TouchCode k_read_fault = {.touch = read_fault, .prepare = map_written};
constexpr TouchCode k_other_file = {.touch = touch_anonymous, .prepare = map_other};
constexpr TouchCode k_freeze = {.touch = touch_freeze, .prepare = open_directory, .release = thaw};
constexpr TouchCode k_resize = {.touch = truncate_up_and_down};

constexpr TouchKind kKinds[] = {
#define BYSTANDER_TOUCH(id_, ...) \
  touch_kind(TouchRow{.id = #id_, .workload = "", __VA_ARGS__}, k_##id_),
#define DOS_TOUCH(id, ...)
#include "cell/touches.def"
#undef BYSTANDER_TOUCH
#undef DOS_TOUCH
};

}  // namespace

extern const WorkloadCode k_bystander;
const WorkloadCode k_bystander = {.kinds = kKinds};

}  // namespace faultline
