// SPDX-License-Identifier: GPL-2.0-only
// The contract between a workload and the harness. A workload is a plain loop:
//
//   void run_loop(Lane& lane) {
//     while (const Stretch s = lane.next()) {
//       for (uint64_t i = s.first; i < s.last; ++i) lane.touch(i);
//     }
//   }
//
// Everything that measures, syncs and waits is behind next(); the loop holds no clock.
#pragma once

#include <benchmark/benchmark.h>
#include <immintrin.h>
#include <sys/types.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "cell/cell.h"
#include "cell/strategy.h"
#include "cell/workload.h"
#include "harness/clock.h"

namespace faultline {

// The best instruction that the CPU has for writing back a cache line (as PMDK chooses).
enum class LineFlush { kClwb, kClflushopt, kClflush };
LineFlush best_line_flush();
const char* line_flush_name(LineFlush flush);
// Writes back the line that `at` is in, and fences.
void write_back(char* at, LineFlush flush);
// The strategy's call that makes `bytes` of a mapping from `from` on durable, if it has one.
// Returns 0 or the errno.
int sync_pages(Persist persist, int fd, char* from, uint64_t bytes);

// Files that have nothing to do with what is measured, whose inodes can be dirtied all at once.
class Unrelated {
 public:
  // Makes `count` of them under `directory`, synced. Throws Failure(kVmFailed).
  Unrelated(const std::string& directory, uint64_t count);
  ~Unrelated();
  Unrelated(const Unrelated&) = delete;
  Unrelated& operator=(const Unrelated&) = delete;
  // Gives each of them another mtime. Returns 0 or the errno of the first that failed.
  [[nodiscard]] int dirty() const;

 private:
  std::string folder_;
  std::vector<int> folders_;  // open
  uint64_t count_;
};

// Where a lane touches and how its strategy makes the touches durable.
struct LaneSpec {
  char* base = nullptr;  // of the lane's first page; nullptr: by pwrite
  int fd = -1;
  const int* fds = nullptr;  // of each page, where each is of a file of its own
  off_t offset = 0;          // of the lane's first page in the file, bytes
  uint64_t stride = 0;       // bytes from one touch to the next
  uint64_t touches = 0;
  uint64_t pages = 0;  // that the touches go around; 0: as many as touches
  uint64_t every = 0;  // touches per sync
  Persist persist = Persist::kNothing;
  LineFlush flush = LineFlush::kClflush;
  bool paced = false;                    // wait for the next clock tick before each touch
  const Unrelated* unrelated = nullptr;  // paced: dirtied before each touch instead of waiting
  bool timed = false;                    // each touch by itself
  bool scattered = false;                // touches do not rise: a sync covers the whole lane
};

// Touches first to last - 1, between which nothing but touches is due. Empty: done.
struct Stretch {
  uint64_t first = 0;
  uint64_t last = 0;
  explicit operator bool() const { return first < last; }
};

// One thread's share of a cell.
class Lane {
 public:
  // `state` is Google Benchmark's, which counts the iterations and starts the threads together;
  // nullptr for a lane that is not measured.
  Lane(const LaneSpec& spec, benchmark::State* state);

  // Ends the stretch before, syncs if K touches are done, and opens the next stretch.
  Stretch next();
  [[nodiscard]] uint64_t touches() const { return spec_.touches; }
  [[nodiscard]] uint64_t pages() const { return spec_.pages; }

  // Stores 8 bytes at page `index` of the lane; a lane by pwrite writes them in next(), which
  // counts as the touch.
  void touch(uint64_t index);

  // What came of the lane. Ticks are those of read_ticks() (clock.h).
  struct Counts {
    uint64_t begin = 0;        // tick at which the first stretch began
    uint64_t end = 0;          // tick at which the last touch was durable
    uint64_t sync_ticks = 0;   // of these, write-back, syncs and what else lies between stretches
    uint64_t pause_ticks = 0;  // of these, waiting for the clock
    uint64_t faults = 0;       // minor and major, of this thread (getrusage)
    uint64_t app_syncs = 0;
    uint64_t mtime_changes = 0;  // paced lanes only
    // Timed lanes only: of each touch, until it was done with and the sync due after it.
    std::vector<uint64_t> durable;
    uint64_t longest = 0;  // touch without that sync; timed lanes only
    int error = 0;         // errno of the first sync or pwrite that failed
  };
  [[nodiscard]] const Counts& counts() const { return counts_; }

 private:
  // What next() has to do.
  enum class Mode {
    kLines,  // clwb after each touch and nothing else
    kCalls,  // between()
    kTimed,  // between(), and each stretch is timed
    kBegin,  // nothing has been touched yet
    kEnd,    // nothing is due after the one stretch
  };
  Stretch begin();
  Stretch end();
  Stretch edge() {
    if (mode_ == Mode::kTimed) return timed();
    return mode_ == Mode::kBegin ? begin() : end();
  }
  Stretch timed();
  Stretch between();
  void pause_for_tick();
  void call_sync();
  void call_write();
  Stretch open_stretch() {
    const uint64_t first = last_;
    last_ = std::min(first + section_, spec_.touches);
    return {first, last_};
  }

  LaneSpec spec_;
  // Where touch() stores: the mapping, or for pwrite, what it is to write.
  char* base_;
  uint64_t stride_;
  uint64_t value_ = 0;
  char* at_ = nullptr;  // last store
  uint64_t last_ = 0;   // end of the stretch that is open
  uint64_t section_;    // touches per stretch
  Mode mode_ = Mode::kBegin;
  Counts counts_;
  uint64_t synced_ = 0;  // touches that a sync has covered
  benchmark::State* state_;
  int64_t mtime_ = 0;    // ns
  uint64_t opened_ = 0;  // tick at which a timed stretch began
};

struct TouchKind;  // harness/contest.h

// What a process of its own does beside the measured loop, in `directory` of the file system, until
// it is killed.
using WorkBeside = void(const std::string& directory);

// What a workload does: the code behind its row of cell/workloads.def.
struct WorkloadCode {
  // The loop; nullptr for workloads with touches, whose loops are harness/contest.h's.
  void (*run)(Lane& lane) = nullptr;
  WorkBeside* beside = nullptr;
  std::span<const TouchKind> kinds = {};
};
// The code of all workloads, in the order of the table's rows; workloads/ defines it.
std::span<const WorkloadCode* const> workload_codes();
// The code of a row of the table.
const WorkloadCode& code_of(const Workload& workload);

inline void Lane::touch(uint64_t index) {
  char* const at = base_ + index * stride_;
  *reinterpret_cast<volatile uint64_t*>(at) = index;
  at_ = at;
}

// The loop, next() included, takes at most 30 instructions per touch in user space beside what is
// due between two stretches. So the time of the touches is what is left of the whole and not added
// up.
inline Stretch Lane::next() {
  if (mode_ == Mode::kLines) {
    const uint32_t start = read_short_ticks();
    asm volatile("clwb %0" : "+m"(*at_));
    _mm_sfence();
    counts_.sync_ticks += read_short_ticks() - start;
    if (last_ == spec_.touches) return end();
    const uint64_t first = last_++;
    return {first, first + 1};
  }
  if (mode_ != Mode::kCalls) return edge();
  counts_.sync_ticks -= read_ticks();
  const Stretch next = between();
  counts_.sync_ticks += read_ticks();
  return next;
}

// A workload's loop: every touch once, in order.
inline void touch_in_order(Lane& lane) {
  while (const Stretch s = lane.next()) {
    for (uint64_t i = s.first; i < s.last; ++i) lane.touch(i);
  }
}

}  // namespace faultline
