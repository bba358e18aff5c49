// SPDX-License-Identifier: GPL-2.0-only
// A victim takes write faults on fresh pages while attackers touch the same file in a loop (the
// mail's last sentence).
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "harness/contest.h"
#include "harness/mapping.h"

namespace faultline {
namespace {

constexpr off_t kPage = kPageSize;
constexpr uint64_t kOthers = 2000;

bool map_room(Toucher& t) {
  void* map = mmap(nullptr, static_cast<size_t>(t.room_bytes), PROT_READ | PROT_WRITE, MAP_SHARED,
                   t.fd, t.room);
  if (map == MAP_FAILED) return false;
  t.map = static_cast<char*>(map);
  return forbid_huge_pages(t.map, static_cast<size_t>(t.room_bytes));
}

// Fresh pages, as far as there are any: each allocates a block.
bool store_once(Toucher& t, uint64_t n) {
  const uint64_t at = n * kPageSize % static_cast<uint64_t>(t.room_bytes);
  *reinterpret_cast<volatile uint64_t*>(t.map + at) = n;
  return true;
}

bool touch_utimens(Toucher& t, uint64_t n) {
  const timespec times[2] = {{1'600'000'000, static_cast<long>(n % 1'000'000'000)},
                             {1'600'000'000, static_cast<long>(n % 1'000'000'000)}};
  return futimens(t.fd, times) == 0;
}

bool write_in_place(Toucher& t, uint64_t n) {
  const off_t at = t.written + static_cast<off_t>(n) * kPage % kWrittenBytes;
  return pwrite(t.fd, &n, sizeof n, at) == sizeof n;
}

bool touch_append(Toucher& t, uint64_t n) {
  const off_t at = t.end + static_cast<off_t>(n) * kPage;
  return pwrite(t.fd, &n, sizeof n, at) == sizeof n;
}

bool touch_allocate(Toucher& t, uint64_t n) {
  return fallocate(t.fd, FALLOC_FL_KEEP_SIZE, t.end + static_cast<off_t>(n) * kPage, kPage) == 0;
}

bool touch_punch(Toucher& t, uint64_t n) {
  const off_t at = t.written + static_cast<off_t>(n / 2) * kPage % kWrittenBytes;
  if (n % 2 == 0) {
    return fallocate(t.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, kPage) == 0;
  }
  return pwrite(t.fd, &n, sizeof n, at) == sizeof n;
}

bool touch_chmod(Toucher& t, uint64_t n) { return fchmod(t.fd, n % 2 == 0 ? 0600 : 0644) == 0; }

bool touch_xattr(Toucher& t, uint64_t n) {
  return fsetxattr(t.fd, "user.faultline", &n, sizeof n, 0) == 0;
}

std::string other_path(const std::string& directory, uint64_t n) {
  return fmt::format("{}/others/{}", directory, n);
}

bool make_others(const std::string& directory) {
  if (mkdir((directory + "/others").c_str(), 0700) != 0) return false;
  for (uint64_t i = 0; i < kOthers; ++i) {
    const int fd = open(other_path(directory, i).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return false;
    close(fd);
  }
  sync();
  return true;
}

bool touch_others(Toucher& t, uint64_t n) {
  // The length of each moves, so that all are dirty after a round, none of them the victim's.
  const uint64_t which = (n * 4 + t.index) % kOthers;
  return truncate(other_path(t.directory, which).c_str(), static_cast<off_t>(n % 4096) * 8 + 8) ==
         0;
}

// The page that the victim stores to, or the next where it has just done so.
off_t page_at_hand(const Toucher& t) {
  const uint64_t done = t.done == nullptr ? 0 : t.done->load(std::memory_order_relaxed);
  return t.victim + std::min(static_cast<off_t>(done) * kPage, t.victim_bytes - kPage);
}

bool punch_victim(Toucher& t, uint64_t /*n*/) {
  return fallocate(t.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, page_at_hand(t), kPage) == 0;
}

// The hole behind the written parts, which follow the victim's pages: where the allocator goes on,
// each block is one more of their extent.
bool write_behind(Toucher& t, uint64_t n) {
  const off_t at = t.room + static_cast<off_t>(n) * kPage % t.room_bytes;
  return pwrite(t.fd, &n, sizeof n, at) == sizeof n;
}

// Every second page, from the end: each write cuts short the extent that begins with the victim's.
bool split_extent(Toucher& t, uint64_t n) {
  const auto pairs = static_cast<uint64_t>(t.spare_bytes / kPage / 2);
  const uint64_t pair = (n * kMaxTouchers + t.index) % pairs;
  const off_t at = t.spare + t.spare_bytes - static_cast<off_t>(2 * pair + 1) * kPage;
  return pwrite(t.fd, &n, sizeof n, at) == sizeof n;
}

bool open_clone(Toucher& t) {
  t.other = open(fmt::format("{}/clone{}", t.directory, t.index).c_str(),
                 O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  return t.other >= 0;
}

bool clone_victim(Toucher& t, uint64_t /*n*/) {
  const file_clone_range range = {.src_fd = t.fd,
                                  .src_offset = static_cast<__u64>(t.victim),
                                  .src_length = static_cast<__u64>(t.victim_bytes),
                                  .dest_offset = 0};
  return ioctl(t.other, FICLONERANGE, &range) == 0;
}

// A block with what the victim's pages hold before it stores to them.
bool make_twin(Toucher& t) {
  char block[kPageSize];
  return open_clone(t) &&
         pread(t.fd, block, kPageSize, t.victim + t.victim_bytes - kPage) == kPage &&
         pwrite(t.other, block, kPageSize, 0) == kPage && fsync(t.other) == 0;
}

bool dedupe_victim(Toucher& t, uint64_t /*n*/) {
  alignas(file_dedupe_range) char
      space[sizeof(file_dedupe_range) + sizeof(file_dedupe_range_info)] = {};
  auto* range = reinterpret_cast<file_dedupe_range*>(space);
  range->src_length = kPageSize;
  range->dest_count = 1;
  range->info[0].dest_fd = t.fd;
  range->info[0].dest_offset = static_cast<__u64>(page_at_hand(t));
  if (ioctl(t.other, FIDEDUPERANGE, range) != 0) return false;
  // It differs where the victim was faster.
  if (range->info[0].status >= 0) return true;
  errno = -range->info[0].status;
  return false;
}

// Clones would keep blocks from the next run.
void remove_clones(const std::string& directory) {
  for (unsigned i = 0; i < kMaxTouchers; ++i) {
    unlink(fmt::format("{}/clone{}", directory, i).c_str());
  }
}

constexpr TouchCode k_store = {.touch = store_once, .prepare = map_room};
constexpr TouchCode k_utimens = {.touch = touch_utimens};
constexpr TouchCode k_pwrite = {.touch = write_in_place};
constexpr TouchCode k_append = {.touch = touch_append};
constexpr TouchCode k_truncate = {.touch = truncate_up_and_down};
constexpr TouchCode k_fallocate = {.touch = touch_allocate};
constexpr TouchCode k_punch = {.touch = touch_punch};
constexpr TouchCode k_punch_same = {.touch = punch_victim};
constexpr TouchCode k_extend = {.touch = write_behind};
constexpr TouchCode k_convert = {.touch = split_extent};
constexpr TouchCode k_reflink = {
    .touch = clone_victim, .prepare = open_clone, .release = remove_clones};
constexpr TouchCode k_dedupe = {
    .touch = dedupe_victim, .prepare = make_twin, .release = remove_clones};
constexpr TouchCode k_chmod = {.touch = touch_chmod};
constexpr TouchCode k_xattr = {.touch = touch_xattr};
constexpr TouchCode k_others = {.touch = touch_others, .setup = make_others};

constexpr TouchKind kKinds[] = {
#define DOS_TOUCH(id_, ...) touch_kind(TouchRow{.id = #id_, .workload = "", __VA_ARGS__}, k_##id_),
#define BYSTANDER_TOUCH(id, ...)
#include "cell/touches.def"
#undef DOS_TOUCH
#undef BYSTANDER_TOUCH
};

}  // namespace

extern const WorkloadCode k_dos;
const WorkloadCode k_dos = {.kinds = kKinds};

}  // namespace faultline
