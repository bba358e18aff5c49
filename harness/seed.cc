// SPDX-License-Identifier: GPL-2.0-only
#include "harness/seed.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>

#include "cell/cell.h"
#include "cell/failure.h"

namespace faultline {
namespace {

constexpr uint64_t kMoreWarmup = 32;
constexpr uint64_t kMemoryPages = 2048;
constexpr uint64_t kPadBlocks = 4096;
constexpr unsigned kFiles = 24;

// SplitMix64's finalizer (Steele, Lea and Flood, "Fast splittable pseudorandom number generators",
// OOPSLA 2014): what stands for seed `seed` in stream `stream`.
uint64_t drawn(uint64_t seed, uint64_t stream) {
  uint64_t z = (seed + 1) * 0x9e3779b97f4a7c15U + stream * 0xd1b54a32d192ed03U;
  z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31U);
}
enum Stream : uint64_t { kWarmup = 1, kTaken, kGivenBack, kPad, kFileCount };

bool varies(const Cell& cell, const char* accident) {
  return cell.vary == kVaryAll || cell.vary == accident;
}

[[noreturn]] void fail(const std::string& what) {
  throw Failure(ExitCode::kVmFailed, fmt::format("{}: {}", what, std::strerror(errno)));
}

void make_file(const std::string& path, uint64_t bytes, bool sync) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) fail(path);
  // Writes a byte to each block where the file system cannot preallocate (ext2).
  const int refused = bytes == 0 ? 0 : posix_fallocate(fd, 0, static_cast<off_t>(bytes));
  const bool made = refused == 0 && (!sync || fsync(fd) == 0);
  const int why = refused != 0 ? refused : errno;
  close(fd);
  errno = why;
  if (!made) fail(path);
}

}  // namespace

uint64_t tick_phase_ns(const Cell& cell, uint64_t tick_ns) {
  if (!varies(cell, kVaryTick)) return 0;
  // Multiples of the golden ratio spread any number of seeds evenly over the tick.
  constexpr uint64_t kMillionths = 618'034;
  return (cell.seed + 1) * (tick_ns * kMillionths / 1'000'000) % tick_ns;
}

uint64_t more_warmup(const Cell& cell) {
  if (!varies(cell, kVaryPages) || cell.order != Order::kPte) return 0;
  return drawn(cell.seed, kWarmup) % kMoreWarmup;
}

SeededPlace::SeededPlace(const Cell& cell, const std::string& directory)
    : folder_(directory + "/seed") {
  // Also where nothing is varied: the tree of the address space is walked in each fault.
  void* memory = mmap(nullptr, kMemoryPages * kPageSize, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) fail("mmap");
  memory_ = static_cast<char*>(memory);
  madvise(memory_, kMemoryPages * kPageSize, MADV_NOHUGEPAGE);
  if (varies(cell, kVaryBlocks)) take_blocks(cell);
  if (varies(cell, kVaryPages)) take_pages(cell);
}

void SeededPlace::take_pages(const Cell& cell) {
  const uint64_t taken = kMemoryPages / 2 + drawn(cell.seed, kTaken) % (kMemoryPages / 2);
  for (uint64_t i = 0; i < taken; ++i) {
    *reinterpret_cast<volatile char*>(memory_ + i * kPageSize) = 1;
  }
  for (uint64_t i = 0; i < taken / 2; ++i) {
    const uint64_t page = drawn(cell.seed + i, kGivenBack) % taken;
    madvise(memory_ + page * kPageSize, kPageSize, MADV_DONTNEED);
  }
}

void SeededPlace::take_blocks(const Cell& cell) {
  if (mkdir(folder_.c_str(), 0700) != 0 && errno != EEXIST) fail(folder_);
  const auto files = static_cast<unsigned>(1 + drawn(cell.seed, kFileCount) % kFiles);
  for (; files_ < files; ++files_) make_file(fmt::format("{}/{}", folder_, files_), 0, false);
  // One commit for all: each fast commit takes a block of the few that ext4 has for them.
  make_file(folder_ + "/pad", (1 + drawn(cell.seed, kPad) % kPadBlocks) * kPageSize, true);
}

SeededPlace::~SeededPlace() {
  for (unsigned i = 0; i < files_; ++i) unlink(fmt::format("{}/{}", folder_, i).c_str());
  unlink((folder_ + "/pad").c_str());
  rmdir(folder_.c_str());
  if (memory_ != nullptr) munmap(memory_, kMemoryPages * kPageSize);
}

}  // namespace faultline
