// SPDX-License-Identifier: GPL-2.0-only
#include "harness/crash_events.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <immintrin.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "cell/cell.h"
#include "cell/crash_page.h"
#include "cell/crash_writer.h"
#include "cell/failure.h"
#include "harness/workload.h"

namespace faultline {
namespace {

// Writes back a line as write_back() does, but without a fence, and behind a jump, which ends a
// translated block: at the beginning of one alone does QEMU 7.2 tell the plugin registers, and so
// which line is written back.
void flush_line_in_block(char* at, LineFlush flush) {
  switch (flush) {
    case LineFlush::kClwb:
      asm volatile("jmp 1f\n1:\tclwb %0" : "+m"(*at));
      break;
    case LineFlush::kClflushopt:
      asm volatile("jmp 1f\n1:\tclflushopt %0" : "+m"(*at));
      break;
    case LineFlush::kClflush:
      asm volatile("jmp 1f\n1:\tclflush %0" : "+m"(*at));
      break;
  }
}

}  // namespace

void fail_crash(const std::string& what) {
  throw Failure(ExitCode::kVmFailed, fmt::format("{}: {}", what, std::strerror(errno)));
}

Descriptor::Descriptor(const std::string& path, int flags)
    : fd_(open(path.c_str(), flags | O_CLOEXEC, 0644)) {}

Descriptor::~Descriptor() { close(fd_); }

CrashPlants::CrashPlants(const std::string& plant)
    : skips_syncs(plant == kSkipSync),
      skips_flushes(plant == kSkipFlush),
      skips_fences(plant == kSkipFence) {}

EventChannel::EventChannel() {
  if (faultline_crash_open() != 0) fail_crash("mmap of the crash test's word");
  // NOLINTNEXTLINE(performance-no-int-to-ptr): an address agreed on with the plugin.
  word_ = reinterpret_cast<volatile uint64_t*>(wire::kCrashWordAddress);
}

EventChannel::~EventChannel() { munmap(const_cast<uint64_t*>(word_), kPageSize); }

void write_back_lines(char* at, uint64_t bytes, const CrashPlants& plants) {
  for (uint64_t line = 0; line < bytes && !plants.skips_flushes; line += 64) {
    flush_line_in_block(at + line, best_line_flush());
  }
  // Without the fence the lines are written back at some time, not before what comes next.
  if (!plants.skips_fences) _mm_sfence();
}

std::vector<int> versions_of_page(int fd, uint16_t page) {
  std::array<uint64_t, kCrashWordsPerPage> words{};
  const ssize_t n = pread(fd, words.data(), sizeof words, static_cast<off_t>(page * kPageSize));
  if (n < 0) return {kCrashForeign};
  errno = 0;
  if (n == 0) return {};
  return crash_versions_in(words, page);
}

}  // namespace faultline
