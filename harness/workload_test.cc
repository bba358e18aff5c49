// SPDX-License-Identifier: GPL-2.0-only
// Lanes over ordinary memory and files. The three sync calls are taken over, so that what a lane
// asks of the kernel is seen; each is then done.
#include "harness/workload.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <numeric>
#include <string>
#include <tuple>
#include <vector>

#include "harness/mapping.h"
#include "harness/testing.h"

namespace {

struct Call {
  const char* name;
  const char* from;
  size_t length;
  int fd;
  size_t touched;  // touches before the call
};
bool recording = false;  // other tests call too, from several threads
std::vector<Call> calls;
std::vector<int> errors_to_give;  // to the next calls, one each
size_t touched = 0;

void record(const Call& call) {
  if (recording) calls.push_back(call);
}

int answer(long result) {
  if (errors_to_give.empty()) return static_cast<int>(result);
  errno = errors_to_give.front();
  errors_to_give.erase(errors_to_give.begin());
  return -1;
}

}  // namespace

extern "C" int msync(void* from, size_t length, int flags) {
  record({"msync", static_cast<char*>(from), length, flags, touched});
  return answer(syscall(SYS_msync, from, length, flags));
}
extern "C" int fsync(int fd) {
  record({"fsync", nullptr, 0, fd, touched});
  return answer(syscall(SYS_fsync, fd));
}
extern "C" int fdatasync(int fd) {
  record({"fdatasync", nullptr, 0, fd, touched});
  return answer(syscall(SYS_fdatasync, fd));
}

namespace faultline {
namespace {

constexpr uint64_t kUntouched = 0xabababababababab;

// Shared memory of `pages`, each filled with kUntouched.
class Memory {
 public:
  explicit Memory(size_t pages)
      : bytes_(pages * kPageSize), fd_(memfd_create("workload_test", MFD_CLOEXEC)) {
    EXPECT_EQ(ftruncate(fd_, static_cast<off_t>(bytes_)), 0);
    base_ = static_cast<char*>(mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0));
    std::memset(base_, 0xab, bytes_);
  }
  ~Memory() {
    munmap(base_, bytes_);
    close(fd_);
  }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  [[nodiscard]] char* base() const { return base_; }
  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] uint64_t at(uint64_t offset) const {
    uint64_t value = 0;
    std::memcpy(&value, base_ + offset, sizeof value);
    return value;
  }

 private:
  size_t bytes_;
  int fd_;
  char* base_ = nullptr;
};

struct Outcome {
  std::vector<std::pair<uint64_t, uint64_t>> stretches;
  Lane::Counts counts;
};

// The loop of first_touch, observed.
Outcome drive(const LaneSpec& spec) {
  calls.clear();
  touched = 0;
  recording = true;
  Lane lane(spec, nullptr);
  EXPECT_EQ(lane.touches(), spec.touches);
  Outcome outcome;
  while (const Stretch s = lane.next()) {
    outcome.stretches.emplace_back(s.first, s.last);
    for (uint64_t i = s.first; i < s.last; ++i) {
      lane.touch(i);
      ++touched;
    }
  }
  recording = false;
  outcome.counts = lane.counts();
  return outcome;
}

// That the stretches are 0 to touches - 1 without gap or overlap.
void expect_in_order(const Outcome& outcome, uint64_t touches) {
  uint64_t next = 0;
  for (const auto& [first, last] : outcome.stretches) {
    EXPECT_EQ(first, next);
    EXPECT_LT(first, last);
    next = last;
  }
  EXPECT_EQ(next, touches);
}

TEST(Lane, CutsTouchesIntoStretchesAndSyncsAfterEach) {
  struct Row {
    Persist persist;
    LineFlush flush;
    uint64_t touches;
    uint64_t every;
    size_t stretches;
    uint64_t syncs;
  };
  const LineFlush best = best_line_flush();
  for (const Row& row : {
           Row{Persist::kNothing, best, 100, kEveryAll, 1, 0},
           Row{Persist::kFlushLines, best, 100, kEveryAll, 100, 0},
           Row{Persist::kFlushLines, LineFlush::kClflush, 100, kEveryAll, 100, 0},
           Row{Persist::kFlushLines, best, 1, kEveryAll, 1, 0},
           Row{Persist::kFlushLines, LineFlush::kClflush, 1, kEveryAll, 1, 0},
           Row{Persist::kFlushLines, best, 2, kEveryAll, 2, 0},
           Row{Persist::kMsync, best, 100, 1, 100, 100},
           Row{Persist::kMsync, best, 100, 8, 13, 13},
           Row{Persist::kMsync, best, 100, 64, 2, 2},
           Row{Persist::kMsync, best, 100, 100, 1, 1},
           Row{Persist::kMsync, best, 100, 512, 1, 1},
           Row{Persist::kMsync, best, 100, kEveryAll, 1, 1},
           Row{Persist::kMsync, best, 128, 64, 2, 2},
           Row{Persist::kMsync, best, 129, 64, 3, 3},
           Row{Persist::kMsync, best, 1, 1, 1, 1},
           Row{Persist::kMsync, best, 1, 8, 1, 1},
           Row{Persist::kFsync, best, 20, 8, 3, 3},
           Row{Persist::kFdatasync, best, 20, 8, 3, 3},
       }) {
    SCOPED_TRACE(testing::Message() << "persist " << static_cast<int>(row.persist) << ", touches "
                                    << row.touches << ", every " << row.every);
    const Memory memory(row.touches + 1);
    const Outcome outcome = drive({.base = memory.base(),
                                   .fd = memory.fd(),
                                   .stride = kPageSize,
                                   .touches = row.touches,
                                   .every = row.every,
                                   .persist = row.persist,
                                   .flush = row.flush});
    EXPECT_EQ(outcome.stretches.size(), row.stretches);
    expect_in_order(outcome, row.touches);
    EXPECT_EQ(outcome.counts.app_syncs, row.syncs);
    EXPECT_EQ(calls.size(), row.syncs);
    EXPECT_EQ(outcome.counts.error, 0);
    for (uint64_t page = 0; page < row.touches; ++page) {
      EXPECT_EQ(memory.at(page * 4096), page);
      EXPECT_EQ(memory.at(page * 4096 + 8), kUntouched);
    }
    EXPECT_EQ(memory.at(row.touches * 4096), kUntouched);
    EXPECT_LT(outcome.counts.begin, outcome.counts.end);
    EXPECT_LE(outcome.counts.sync_ticks, outcome.counts.end - outcome.counts.begin);
    EXPECT_EQ(outcome.counts.sync_ticks == 0, row.persist == Persist::kNothing);
    EXPECT_EQ(outcome.counts.pause_ticks, 0U);
    EXPECT_EQ(outcome.counts.mtime_changes, 0U);
  }
}

TEST(Lane, SyncsWhatItTouchedAndWhenItTouchedIt) {
  const Memory memory(200);
  LaneSpec spec = {.base = memory.base(),
                   .fd = memory.fd(),
                   .stride = 8192,
                   .touches = 100,
                   .every = 64,
                   .persist = Persist::kMsync};
  drive(spec);
  ASSERT_EQ(calls.size(), 2U);
  EXPECT_EQ(calls[0].from, memory.base());
  EXPECT_EQ(calls[0].length, 524'288U);  // 64 * 8192
  EXPECT_EQ(calls[0].fd, MS_SYNC);
  EXPECT_EQ(calls[0].touched, 64U);
  EXPECT_EQ(calls[1].from, memory.base() + 524'288);
  EXPECT_EQ(calls[1].length, 294'912U);  // 36 * 8192
  EXPECT_EQ(calls[1].touched, 100U);

  // In no order: the pages may be anywhere.
  spec.scattered = true;
  drive(spec);
  ASSERT_EQ(calls.size(), 2U);
  for (const Call& call : calls) {
    EXPECT_EQ(call.from, memory.base());
    EXPECT_EQ(call.length, 819'200U);
  }

  spec.persist = Persist::kFsync;
  drive(spec);
  ASSERT_EQ(calls.size(), 2U);
  EXPECT_STREQ(calls[1].name, "fsync");
  EXPECT_EQ(calls[1].fd, memory.fd());
}

TEST(Lane, GoesAroundItsPages) {
  const Memory memory(11);
  LaneSpec spec = {.base = memory.base(),
                   .fd = memory.fd(),
                   .stride = kPageSize,
                   .touches = 20,
                   .pages = 10,
                   .every = 4,
                   .persist = Persist::kMsync};
  EXPECT_EQ(Lane(spec, nullptr).pages(), 10U);
  calls.clear();
  recording = true;
  Lane lane(spec, nullptr);
  code_of(*find_workload("store_again")).run(lane);
  recording = false;
  EXPECT_EQ(lane.counts().app_syncs, 5U);
  // 0 to 3, 4 to 7, 8 to 1: all of them; 2 to 5, 6 to 9.
  const std::pair<uint64_t, uint64_t> expected[] = {{0, 4}, {4, 4}, {0, 10}, {2, 4}, {6, 4}};
  ASSERT_EQ(calls.size(), std::size(expected));
  for (size_t i = 0; i < calls.size(); ++i) {
    EXPECT_EQ(calls[i].from, memory.base() + expected[i].first * kPageSize) << i;
    EXPECT_EQ(calls[i].length, expected[i].second * kPageSize) << i;
  }
  for (uint64_t page = 0; page < 10; ++page) EXPECT_EQ(memory.at(page * kPageSize), page);
  EXPECT_EQ(memory.at(10 * kPageSize), kUntouched);
  spec.pages = 0;
  EXPECT_EQ(Lane(spec, nullptr).pages(), 20U);
}

TEST(Lane, SyncsEachFileOfMany) {
  const TempFolder folder;
  const ManyFiles files(folder.path(), 5, State::kHole, true, false);
  const std::vector<int64_t> before = files.mtimes();
  ASSERT_EQ(before.size(), 5U);
  LaneSpec spec = {.base = files.base(),
                   .fds = files.fds().data(),
                   .stride = kPageSize,
                   .touches = 5,
                   .every = 2,
                   .persist = Persist::kFsync};
  EXPECT_EQ(drive(spec).counts.app_syncs, 5U);
  ASSERT_EQ(calls.size(), 5U);
  for (size_t i = 0; i < calls.size(); ++i) {
    EXPECT_EQ(calls[i].fd, files.fds()[i]);
    EXPECT_EQ(calls[i].touched, std::min<size_t>(i / 2 * 2 + 2, 5));
    uint64_t stored = UINT64_MAX;
    EXPECT_EQ(pread(files.fds()[i], &stored, sizeof stored, 0), 8);
    EXPECT_EQ(stored, i);
  }
  spec.persist = Persist::kMsync;
  EXPECT_EQ(drive(spec).counts.app_syncs, 3U);
  spec.base = nullptr;
  spec.persist = Persist::kFdatasync;
  EXPECT_EQ(drive(spec).counts.app_syncs, 5U);
  EXPECT_EQ(calls.back().fd, files.fds()[4]);
  EXPECT_FALSE(is_map_sync_at(files.base()));
}

TEST(Lane, TimesEachTouch) {
  const Memory memory(10);
  LaneSpec spec = {.base = memory.base(),
                   .fd = memory.fd(),
                   .stride = kPageSize,
                   .touches = 10,
                   .every = 4,
                   .persist = Persist::kMsync,
                   .timed = true};
  for (const Persist persist : {Persist::kMsync, Persist::kNothing, Persist::kFlushLines}) {
    spec.persist = persist;
    spec.flush = best_line_flush();
    const Outcome outcome = drive(spec);
    EXPECT_EQ(outcome.stretches.size(), 10U);
    expect_in_order(outcome, 10);
    EXPECT_EQ(outcome.counts.app_syncs, persist == Persist::kMsync ? 3U : 0U);
    const uint64_t busy = outcome.counts.end - outcome.counts.begin;
    EXPECT_GT(outcome.counts.longest, 0U);
    EXPECT_LE(outcome.counts.longest + outcome.counts.sync_ticks, busy);
    // One after the other they are the whole loop: each touch has the sync that is due after it.
    const std::vector<uint64_t>& durable = outcome.counts.durable;
    ASSERT_EQ(durable.size(), 10U);
    EXPECT_EQ(std::accumulate(durable.begin(), durable.end(), uint64_t{0}), busy);
  }
  spec.timed = false;
  EXPECT_EQ(drive(spec).counts.longest, 0U);
  EXPECT_TRUE(drive(spec).counts.durable.empty());
}

TEST(Lane, StoresAtItsStride) {
  const Memory memory(3 * 512);
  drive({.base = memory.base(), .stride = kHugeSize, .touches = 3, .every = kEveryAll});
  EXPECT_EQ(memory.at(0), 0U);
  EXPECT_EQ(memory.at(4096), kUntouched);
  EXPECT_EQ(memory.at(2'097'152), 1U);
  EXPECT_EQ(memory.at(4'194'304), 2U);
}

// The loop with nothing beside it that could take a fault.
uint64_t faults_of(const LaneSpec& spec) {
  Lane lane(spec, nullptr);
  while (const Stretch s = lane.next()) {
    for (uint64_t i = s.first; i < s.last; ++i) lane.touch(i);
  }
  return lane.counts().faults;
}

TEST(Lane, CountsItsFaults) {
  constexpr uint64_t kPages = 100;
  char* base = static_cast<char*>(mmap(nullptr, kPages * kPageSize, PROT_READ | PROT_WRITE,
                                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(base, MAP_FAILED);
  madvise(base, kPages * kPageSize, MADV_NOHUGEPAGE);
  for (const Persist persist : {Persist::kNothing, Persist::kFlushLines}) {
    for (const LineFlush flush : {best_line_flush(), LineFlush::kClflush}) {
      const LaneSpec spec = {.base = base,
                             .stride = kPageSize,
                             .touches = kPages,
                             .every = kEveryAll,
                             .persist = persist,
                             .flush = flush};
      faults_of(spec);  // once for the pages of the code, and of a sanitizer
      ASSERT_EQ(madvise(base, kPages * kPageSize, MADV_DONTNEED), 0);
      EXPECT_EQ(faults_of(spec), 100U);
      EXPECT_EQ(faults_of(spec), 0U);  // all mapped by now
    }
  }
  munmap(base, kPages * kPageSize);
}

TEST(Lane, WritesAtItsOffset) {
  const TempFolder folder;
  const int fd = open((folder.path() + "/cell").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  const Outcome outcome = drive({.fd = fd,
                                 .offset = 12'288,
                                 .stride = kPageSize,
                                 .touches = 10,
                                 .every = 4,
                                 .persist = Persist::kFdatasync});
  EXPECT_EQ(outcome.counts.error, 0);
  EXPECT_EQ(outcome.counts.app_syncs, 3U);
  ASSERT_EQ(calls.size(), 3U);
  EXPECT_STREQ(calls[0].name, "fdatasync");
  EXPECT_EQ(calls[0].fd, fd);
  std::string content(65'536, '?');
  // The last store begins at 12 * 4096.
  EXPECT_EQ(pread(fd, content.data(), content.size(), 0), 49'160);
  close(fd);
  for (size_t at = 0; at < 49'160; at += 8) {
    uint64_t value = 0;
    std::memcpy(&value, content.data() + at, sizeof value);
    const bool store = at % 4096 == 0 && at >= 12'288;
    EXPECT_EQ(value, store ? at / 4096 - 3 : 0) << at;
  }
}

TEST(Lane, KeepsAnError) {
  const Memory memory(8);
  LaneSpec spec = {.base = memory.base(),
                   .fd = -1,
                   .stride = kPageSize,
                   .touches = 8,
                   .every = 2,
                   .persist = Persist::kFsync};
  Outcome outcome = drive(spec);
  EXPECT_EQ(outcome.counts.error, EBADF);
  EXPECT_EQ(outcome.counts.app_syncs, 4U);
  expect_in_order(outcome, 8);

  spec.fd = memory.fd();
  spec.persist = Persist::kMsync;
  errors_to_give = {EIO, ENOSPC};  // the first is kept
  EXPECT_EQ(drive(spec).counts.error, EIO);
  EXPECT_EQ(drive(spec).counts.error, 0);

  spec.base = nullptr;
  spec.fd = -1;
  spec.persist = Persist::kNothing;
  EXPECT_EQ(drive(spec).counts.error, EBADF);
}

TEST(Lane, AWriteThatIsCutShortIsAnError) {
  const TempFolder folder;
  const int fd = open((folder.path() + "/cell").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small = {4, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  errno = 0;
  const Outcome outcome = drive({.fd = fd, .stride = kPageSize, .touches = 1, .every = 1});
  setrlimit(RLIMIT_FSIZE, &before);
  close(fd);
  EXPECT_EQ(outcome.counts.error, EIO);
}

TEST(Lane, PacedWaitsBeforeEachTouchAndCountsMtimes) {
  const TempFolder folder;
  const int fd = open((folder.path() + "/cell").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  LaneSpec spec = {.fd = fd,
                   .stride = kPageSize,
                   .touches = 4,
                   .every = kEveryAll,
                   .persist = Persist::kFdatasync,
                   .paced = true};
  Outcome outcome = drive(spec);
  EXPECT_EQ(outcome.stretches.size(), 4U);
  expect_in_order(outcome, 4);
  EXPECT_EQ(outcome.counts.mtime_changes, 4U);
  EXPECT_EQ(outcome.counts.app_syncs, 1U);
  EXPECT_GT(outcome.counts.pause_ticks, 0U);
  EXPECT_LE(outcome.counts.pause_ticks + outcome.counts.sync_ticks,
            outcome.counts.end - outcome.counts.begin);
  spec.every = 1;
  EXPECT_EQ(drive(spec).counts.app_syncs, 4U);
  spec.every = 3;
  EXPECT_EQ(drive(spec).counts.app_syncs, 2U);

  // Memory whose file nobody writes to.
  const Memory memory(4);
  spec.base = memory.base();
  spec.persist = Persist::kFlushLines;
  spec.flush = best_line_flush();
  spec.fd = fd;
  outcome = drive(spec);
  close(fd);
  EXPECT_EQ(outcome.stretches.size(), 4U);
  EXPECT_EQ(outcome.counts.mtime_changes, 0U);
  EXPECT_EQ(memory.at(3 * 4096), 3U);
}

TEST(LineFlush, Names) {
  EXPECT_STREQ(line_flush_name(LineFlush::kClwb), "clwb");
  EXPECT_STREQ(line_flush_name(LineFlush::kClflushopt), "clflushopt");
  EXPECT_STREQ(line_flush_name(LineFlush::kClflush), "clflush");
}

}  // namespace
}  // namespace faultline
