// SPDX-License-Identifier: GPL-2.0-only
#include "harness/workload.h"

#include <cpuid.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

#include "cell/failure.h"
#include "harness/clock.h"
#include "harness/mapping.h"
#include "harness/wait.h"
#include "harness/wire.h"

namespace faultline {
namespace {

int64_t mtime_ns(int fd) {
  struct stat st {};
  if (fstat(fd, &st) != 0) return 0;
  return st.st_mtim.tv_sec * 1'000'000'000LL + st.st_mtim.tv_nsec;
}

}  // namespace

LineFlush best_line_flush() {
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) != 0) {
    if ((b & (1U << 24)) != 0) return LineFlush::kClwb;
    if ((b & (1U << 23)) != 0) return LineFlush::kClflushopt;
  }
  return LineFlush::kClflush;
}

const char* line_flush_name(LineFlush flush) {
  switch (flush) {
    case LineFlush::kClwb:
      return "clwb";
    case LineFlush::kClflushopt:
      return "clflushopt";
    case LineFlush::kClflush:
      return "clflush";
  }
  return "?";
}

int sync_pages(Persist persist, int fd, char* from, uint64_t bytes) {
  int rc = 0;
  switch (persist) {
    case Persist::kFsync:
      rc = fsync(fd);
      break;
    case Persist::kFdatasync:
      rc = fdatasync(fd);
      break;
    case Persist::kMsync:
      rc = msync(from, bytes, MS_SYNC);
      break;
    case Persist::kNothing:
    case Persist::kFlushLines:
      break;
  }
  return rc == 0 ? 0 : errno;
}

Lane::Lane(const LaneSpec& spec, benchmark::State* state)
    : spec_(spec),
      base_(spec.base != nullptr ? spec.base : reinterpret_cast<char*>(&value_)),
      stride_(spec.base != nullptr ? spec.stride : 0),
      section_(spec.paced || spec.timed || spec.base == nullptr ||
                       spec.persist == Persist::kFlushLines
                   ? 1
                   : std::min(spec.every, spec.touches)),
      state_(state) {
  if (spec_.pages == 0) spec_.pages = spec_.touches;
}

Stretch Lane::between() {
  if (spec_.base == nullptr) call_write();
  if (spec_.persist == Persist::kFlushLines) {
    write_back(at_, spec_.flush);
  } else if (spec_.persist != Persist::kNothing) {
    call_sync();
  }
  if (last_ == spec_.touches) return end();
  if (spec_.paced) pause_for_tick();
  return open_stretch();
}

void write_back(char* at, LineFlush flush) {
  switch (flush) {
    case LineFlush::kClwb:
      asm volatile("clwb %0" : "+m"(*at));
      break;
    case LineFlush::kClflushopt:
      asm volatile("clflushopt %0" : "+m"(*at));
      break;
    case LineFlush::kClflush:
      _mm_clflush(at);
      break;
  }
  _mm_sfence();
}

Stretch Lane::begin() {
  // All iterations are one batch: Google Benchmark starts the threads together and counts, and
  // costs nothing per touch.
  if (state_ != nullptr && !state_->KeepRunningBatch(static_cast<int64_t>(spec_.touches))) {
    return {};
  }
  mode_ = Mode::kCalls;
  if (spec_.timed) {
    mode_ = Mode::kTimed;
  } else if (!spec_.paced && spec_.persist == Persist::kFlushLines &&
             spec_.flush == LineFlush::kClwb) {
    mode_ = Mode::kLines;
  } else if (spec_.base != nullptr && section_ == spec_.touches &&
             spec_.persist == Persist::kNothing) {
    mode_ = Mode::kEnd;
  }
  if (spec_.paced) {
    mtime_ = mtime_ns(spec_.fd);
    pause_for_tick();
  }
  counts_ = {};
  // Written here, so that no store to it faults in the loop.
  if (spec_.timed) counts_.durable.assign(spec_.touches, 0);
  counts_.faults = faults_of(RUSAGE_THREAD);
  counts_.begin = read_ticks_marked<wire::kMarkBegin>();
  opened_ = counts_.begin;
  return open_stretch();
}

Stretch Lane::timed() {
  const uint64_t now = read_ticks();
  counts_.sync_ticks -= now;
  counts_.longest = std::max(counts_.longest, now - opened_);
  uint64_t& durable = counts_.durable[last_ - 1];
  durable -= opened_;
  const Stretch next = between();
  opened_ = read_ticks();
  durable += next ? opened_ : counts_.end;
  counts_.sync_ticks += opened_;
  return next;
}

Stretch Lane::end() {
  counts_.end = read_ticks_marked<wire::kMarkEnd>();
  counts_.faults = faults_of(RUSAGE_THREAD) - counts_.faults;
  if (spec_.paced && mtime_ns(spec_.fd) != mtime_) ++counts_.mtime_changes;
  if (state_ != nullptr) state_->KeepRunningBatch(1);
  // between() calls this: what came after the end is no sync.
  if (mode_ == Mode::kCalls || mode_ == Mode::kTimed) {
    counts_.sync_ticks -= read_ticks() - counts_.end;
  }
  return {};
}

void Lane::pause_for_tick() {
  const uint64_t start = read_ticks_marked<wire::kMarkPause>();
  const int64_t mtime = mtime_ns(spec_.fd);
  if (mtime != mtime_) ++counts_.mtime_changes;
  mtime_ = mtime;
  if (spec_.unrelated != nullptr) {
    const int error = spec_.unrelated->dirty();
    if (error != 0 && counts_.error == 0) counts_.error = error;
  } else {
    wait_past_tick();
  }
  // next() takes all between two stretches for the sync's: give the pause back.
  const uint64_t paused = read_ticks_marked<wire::kMarkResume>() - start;
  counts_.pause_ticks += paused;
  counts_.sync_ticks -= paused;
}

namespace {

constexpr uint64_t kFilesPerFolder = 1000;

std::string file_of(uint64_t index) { return std::to_string(index % kFilesPerFolder); }

}  // namespace

Unrelated::Unrelated(const std::string& directory, uint64_t count)
    : folder_(directory + "/unrelated"), count_(count) {
  const auto check = [&](bool good) {
    if (!good) {
      throw Failure(ExitCode::kVmFailed,
                    fmt::format("{}, {} files: {}", folder_, count, std::strerror(errno)));
    }
  };
  check(mkdir(folder_.c_str(), 0700) == 0 || errno == EEXIST);
  for (uint64_t i = 0; i < count_; ++i) {
    if (i % kFilesPerFolder == 0) {
      const std::string folder = fmt::format("{}/{}", folder_, i / kFilesPerFolder);
      check(mkdir(folder.c_str(), 0700) == 0 || errno == EEXIST);
      folders_.push_back(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      check(folders_.back() >= 0);
    }
    const int fd =
        openat(folders_.back(), file_of(i).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    check(fd >= 0);
    close(fd);
  }
  if (!folders_.empty()) check(syncfs(folders_.front()) == 0);
}

int Unrelated::dirty() const {
  for (uint64_t i = 0; i < count_; ++i) {
    // Now: as a write would set it.
    const timespec times[2] = {{0, UTIME_OMIT}, {0, UTIME_NOW}};
    if (utimensat(folders_.at(i / kFilesPerFolder), file_of(i).c_str(), times, 0) != 0)
      return errno;
  }
  return 0;
}

Unrelated::~Unrelated() {
  for (uint64_t i = 0; i < count_ && i / kFilesPerFolder < folders_.size(); ++i) {
    unlinkat(folders_.at(i / kFilesPerFolder), file_of(i).c_str(), 0);
  }
  for (size_t i = 0; i < folders_.size(); ++i) {
    close(folders_[i]);
    rmdir(fmt::format("{}/{}", folder_, i).c_str());
  }
  rmdir(folder_.c_str());
}

void Lane::call_write() {
  const uint64_t start = read_ticks();
  const auto at = static_cast<off_t>(spec_.offset + static_cast<off_t>(value_ * spec_.stride));
  const ssize_t done = spec_.fds != nullptr ? pwrite(spec_.fds[value_], &value_, sizeof value_, 0)
                                            : pwrite(spec_.fd, &value_, sizeof value_, at);
  // A write that is cut short sets no errno.
  if (done != sizeof value_ && counts_.error == 0) counts_.error = done < 0 ? errno : EIO;
  counts_.sync_ticks -= read_ticks() - start;
}

void Lane::call_sync() {
  if (last_ - synced_ < spec_.every && last_ != spec_.touches) return;
  const uint64_t first = synced_ % spec_.pages;
  const uint64_t count = last_ - synced_;
  // Around the end, the pages are no one range.
  const bool all = spec_.scattered || first + count > spec_.pages;
  const uint64_t from = all ? 0 : first;
  const uint64_t to = all ? spec_.pages : first + count;
  char* const start = spec_.base == nullptr ? nullptr : spec_.base + from * spec_.stride;
  const auto sync = [&](int fd) {
    const int error = sync_pages(spec_.persist, fd, start, (to - from) * spec_.stride);
    if (error != 0 && counts_.error == 0) counts_.error = error;
    ++counts_.app_syncs;
  };
  // msync() finds the files by itself.
  if (spec_.fds != nullptr && spec_.persist != Persist::kMsync) {
    for (uint64_t page = from; page < to; ++page) sync(spec_.fds[page]);
  } else {
    sync(spec_.fd);
  }
  synced_ = last_;
}

const WorkloadCode& code_of(const Workload& workload) {
  return *workload_codes()[static_cast<size_t>(&workload - workloads().data())];
}

}  // namespace faultline
