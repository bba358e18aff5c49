// SPDX-License-Identifier: GPL-2.0-only
// What the strategy module does, tried in a guest as its process 1: GoogleTest's own main cannot be
// that. The numbers follow from fs/dax.c and the file systems' sources, not from the module's.
// One file because process 1 is one program, whose tests share a mount and what reads the module's
// counters.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>

#include "cell/failure.h"
#include "harness/clock.h"
#include "harness/init.h"
#include "harness/mapping.h"
#include "harness/module.h"
#include "harness/wire.h"

namespace faultline {
namespace {

// More than 8: an unwritten extent of at most 32 KiB ext4 zeroes and converts whole at its first
// fault (fs/ext4/extents.c, ext4_ext_convert_to_initialized, s_extent_max_zeroout_kb).
constexpr uint64_t kPages = 16;
const FileSystem* g_fs = nullptr;

std::string path_of(const char* name) { return fmt::format("{}/{}", kMountPoint, name); }

// HZ is 250: the coarse clock, which stamps mtime, moves every 4 ms.
void next_tick() { usleep(9'000); }

int64_t mtime(int fd) {
  struct stat st {};
  fstat(fd, &st);
  return st.st_mtim.tv_sec * 1'000'000'000LL + st.st_mtim.tv_nsec;
}

// A file of kPages in one state, mapped with MAP_SYNC, with a strategy.
struct Subject {
  explicit Subject(State state, const char* strategy, Order order = Order::kPte,
                   uint64_t pages = kPages)
      : file(path_of("subject"), pages * kPageSize, state, order == Order::kPmd),
        mapping(file, pages * kPageSize, true, order) {
    if (strategy != nullptr) {
      module.set(file.fd(), *find_strategy(strategy));
      module.reset(file.fd());
    }
  }
  void touch(uint64_t page) {
    *reinterpret_cast<volatile uint64_t*>(mapping.base() + page * kPageSize) = page;
  }
  void touch_all() {
    for (uint64_t page = 0; page < kPages; ++page) touch(page);
  }
  // The entries go, the blocks stay: the next store faults again.
  void forget() const { madvise(mapping.base(), kPages * kPageSize, MADV_DONTNEED); }
  // Leaves metadata dirty that fdatasync must write: an allocation behind the end of the mapping.
  void dirty() {
    ASSERT_EQ(
        fallocate(file.fd(), 0, static_cast<off_t>((kPages + dirtied++) * kPageSize), kPageSize),
        0);
  }
  [[nodiscard]] fl_kmod_stats stats() const { return module.stats(file.fd()); }

  StrategyModule module;
  TestFile file;
  Mapping mapping;
  uint64_t dirtied = 0;
};

// On ext4 with fast_commit a moved mtime alone counts as dirty (fs/ext4/inode.c,
// ext4_inode_datasync_dirty: i_fc_list), so that where no sync is due there may be one per tick.
bool mtime_syncs() { return std::strcmp(g_fs->id, "ext4-fc") == 0; }

// Syncs or retries of kPages faults, which take less than two ticks.
void expect_count(uint64_t got, uint64_t want, const std::string& what) {
  EXPECT_GE(got, want) << what;
  EXPECT_LE(got, want + (mtime_syncs() ? 2 : 0)) << what;
}

// kmod/compat.h, fl_entry_lasts().
bool entry_lasts() {
  utsname name{};
  uname(&name);
  int major = 0;
  int minor = 0;
  std::sscanf(name.release, "%d.%d", &major, &minor);
  return major < 6 || (major == 6 && minor < 15);
}

// errno of a call that must fail.
template <typename Call>
int error_of(Call call) {
  errno = 0;
  return call() < 0 ? errno : 0;
}

TEST(Module, AWrappedFaultSyncsAsMainlineDoes) {
  for (const auto& [state, syncs] : {std::pair{State::kHole, kPages},
                                     {State::kUnwritten, kPages},
                                     {State::kWritten, uint64_t{0}}}) {
    Subject subject(state, "map_sync_wrapped");
    subject.touch_all();
    const fl_kmod_stats stats = subject.stats();
    EXPECT_EQ(stats.faults, kPages) << id_of(state);
    EXPECT_EQ(stats.attempts, kPages);
    EXPECT_EQ(stats.retries, 0U);
    expect_count(stats.syncs, syncs, id_of(state));
  }
}

TEST(Module, SyncFaultSyncsOnEveryFault) {
  for (const char* strategy : {"sync_fault", "sync_fault_data"}) {
    for (const State state : {State::kHole, State::kUnwritten, State::kWritten}) {
      Subject subject(state, strategy);
      subject.touch_all();
      const fl_kmod_stats stats = subject.stats();
      EXPECT_EQ(stats.faults, kPages);
      EXPECT_EQ(stats.syncs, kPages) << strategy << id_of(state);
      EXPECT_EQ(stats.syncs_dropped, 0U);
      EXPECT_EQ(stats.errors, 0U);
      // Mapped, and not write-protected by its own sync: no second fault.
      subject.touch_all();
      EXPECT_EQ(subject.stats().faults, kPages);
    }
  }
}

TEST(Module, SyncRetryRetriesOnceWhereTheBlockMapChanges) {
  for (const char* strategy : {"sync_retry", "sync_retry_extent"}) {
    for (const auto& [state, retries] : {std::pair{State::kHole, kPages},
                                         {State::kUnwritten, kPages},
                                         {State::kWritten, uint64_t{0}}}) {
      Subject subject(state, strategy);
      subject.touch_all();
      const fl_kmod_stats stats = subject.stats();
      EXPECT_EQ(stats.faults, kPages) << strategy << id_of(state);
      expect_count(stats.retries, retries, fmt::format("{} {}", strategy, id_of(state)));
      EXPECT_EQ(stats.attempts, kPages + stats.retries);
      EXPECT_EQ(stats.retries_timed, stats.retries);
      EXPECT_EQ(stats.retry_ns > 0, stats.retries > 0);
      EXPECT_EQ(stats.syncs_dropped, stats.retries);
      EXPECT_EQ(stats.syncs, 0U) << "no lock was held over a sync";
      EXPECT_EQ(stats.mmap_locks + stats.vma_locks, stats.retries);
      if (!mtime_syncs()) {
        EXPECT_EQ(stats.retries_per_fault[0], kPages - retries);
        EXPECT_EQ(stats.retries_per_fault[1], retries);
        EXPECT_EQ(stats.max_retries, retries == 0 ? 0U : 1U);
      }
      EXPECT_EQ(stats.open_retries, 0U);
    }
  }
}

// Each attacker's touch dirties the file while the fault syncs; the second attempt ends it all the
// same.
TEST(Module, SyncRetryOnceRetriesOnceWhoeverTouches) {
  Subject subject(State::kHole, "sync_retry_once");
  const pid_t attacker = fork();
  if (attacker == 0) {
    for (off_t i = 0;; ++i) {
      ftruncate(subject.file.fd(), static_cast<off_t>((kPages + 1 + i % 2) * kPageSize));
      usleep(20);
    }
  }
  usleep(1000);
  subject.touch_all();
  kill(attacker, SIGKILL);
  waitpid(attacker, nullptr, 0);
  const fl_kmod_stats stats = subject.stats();
  EXPECT_GE(stats.faults, kPages) << "truncate unmaps: a page may fault again";
  EXPECT_EQ(stats.max_retries, 1U);
  EXPECT_EQ(stats.retries, stats.syncs_dropped);
  EXPECT_EQ(stats.not_droppable, 0U);
}

// Nothing is known to be durable before the first sync; then mtime alone is reason enough.
TEST(Module, SyncRetryStrictSyncsAMovedMtime) {
  Subject subject(State::kWritten, "sync_retry_strict");
  subject.touch(0);
  EXPECT_GE(subject.stats().retries, 1U);
  subject.module.reset(subject.file.fd());
  next_tick();
  subject.touch(1);
  const fl_kmod_stats moved = subject.stats();
  EXPECT_EQ(moved.faults, 1U);
  EXPECT_GE(moved.retries, 1U);
  EXPECT_EQ(moved.attempts, moved.faults + moved.retries);
  subject.module.reset(subject.file.fd());
  ASSERT_EQ(fchmod(subject.file.fd(), 0600), 0);
  subject.touch(2);
  EXPECT_GE(subject.stats().retries, 1U) << "the mode moves no mtime";
  // What is left: less than two ticks, no other change.
  subject.module.reset(subject.file.fd());
  for (uint64_t page = 3; page < kPages; ++page) subject.touch(page);
  EXPECT_LE(subject.stats().retries, 2U);
  EXPECT_EQ(subject.stats().faults, kPages - 3);
}

// The file is dirty, the page's own extent long durable: sync_retry syncs, the extent's rule does
// not.
TEST(Module, SyncRetryExtentLooksAtTheExtentAlone) {
  for (const auto& [strategy, retries, passed] :
       {std::tuple{"sync_retry", 1U, 0U}, {"sync_retry_extent", 0U, 1U}}) {
    Subject subject(State::kHole, strategy);
    subject.touch(0);
    subject.forget();
    subject.dirty();
    subject.module.reset(subject.file.fd());
    subject.touch(0);
    expect_count(subject.stats().retries, retries, strategy);
    EXPECT_EQ(subject.stats().passed_over, passed) << strategy;
    // Its own block is freed and allocated anew: that is the extent touched.
    ASSERT_EQ(
        fallocate(subject.file.fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, kPageSize), 0);
    subject.module.reset(subject.file.fd());
    subject.touch(0);
    // The same block again, most likely, which the rule cannot see on newer kernels.
    const bool blind = std::strcmp(strategy, "sync_retry_extent") == 0 && !entry_lasts();
    if (!blind) expect_count(subject.stats().retries, 1, strategy);
  }
}

// The page was write-protected by an fsync: the fault comes through pfn_mkwrite, whose caller looks
// at NOPAGE and not at RETRY (mm/memory.c).
TEST(Module, ARetryThroughPfnMkwrite) {
  Subject subject(State::kWritten, "sync_retry");
  subject.touch_all();
  ASSERT_EQ(fsync(subject.file.fd()), 0);
  subject.module.reset(subject.file.fd());
  subject.touch(0);
  EXPECT_EQ(subject.stats().faults, 1U);
  expect_count(subject.stats().retries, 0, "written");
  subject.dirty();
  subject.touch(1);
  const fl_kmod_stats stats = subject.stats();
  EXPECT_EQ(stats.faults, 2U);
  expect_count(stats.retries, 1, "dirty");
  subject.touch(2);
  expect_count(subject.stats().retries, 1, "the sync has cleaned the file");
}

TEST(Module, AReadFaultFirst) {
  for (const char* strategy :
       {"sync_fault", "sync_retry", "sync_retry_extent", "sync_retry_once", "sync_retry_strict"}) {
    Subject subject(State::kHole, strategy);
    for (uint64_t page = 0; page < kPages; ++page) {
      EXPECT_EQ(*reinterpret_cast<volatile uint64_t*>(subject.mapping.base() + page * kPageSize),
                0U);
    }
    EXPECT_EQ(subject.stats().faults, 0U) << "only write faults count";
    subject.touch_all();
    EXPECT_EQ(subject.stats().faults, kPages) << strategy;
    const uint64_t syncs = subject.stats().syncs + subject.stats().syncs_dropped;
    if (std::strcmp(strategy, "sync_retry_strict") == 0) {
      EXPECT_GE(syncs, kPages);
    } else {
      expect_count(syncs, kPages, strategy);
    }
  }
}

TEST(Module, HugeFaults) {
  for (const char* strategy : {"sync_fault", "sync_retry", "sync_retry_extent"}) {
    Subject subject(State::kUnwritten, strategy, Order::kPmd, 2 * kHugeSize / kPageSize);
    for (uint64_t at = 0; at < 2; ++at) subject.touch(at * kHugeSize / kPageSize);
    const fl_kmod_stats stats = subject.stats();
    EXPECT_EQ(stats.faults, 2U) << strategy;
    expect_count(stats.syncs + stats.syncs_dropped, 2, strategy);
    for (uint64_t page = 0; page < 2 * kHugeSize / kPageSize; ++page) subject.touch(page);
    EXPECT_EQ(subject.stats().faults, 2U) << strategy << ": one entry maps 512 pages";
  }
}

// file_update_time() runs in the file system's handler, at most once per tick of the clock.
TEST(Module, MtimeMovesButForDaxfileNocmtime) {
  for (const auto& [strategy, moves] : {std::pair{"map_sync_wrapped", true},
                                        {"sync_fault", true},
                                        {"sync_retry", true},
                                        {"sync_retry_extent", true},
                                        {"sync_retry_once", true},
                                        {"sync_retry_strict", true},
                                        {"daxfile", true},
                                        {"daxfile_nocmtime", false}}) {
    Subject subject(State::kWritten, strategy);
    next_tick();
    const int64_t before = mtime(subject.file.fd());
    subject.touch(0);
    EXPECT_EQ(mtime(subject.file.fd()) != before, moves) << strategy;
  }
}

TEST(Module, DaxfileFreezesTheBlockMap) {
  const off_t end = kPages * kPageSize;
  {
    Subject subject(State::kWritten, "daxfile");
    const std::string path = path_of("subject");
    const int other = open(path.c_str(), O_RDWR | O_CLOEXEC);
    ASSERT_GE(other, 0);
    subject.touch_all();
    EXPECT_EQ(subject.stats().faults, kPages);
    EXPECT_EQ(subject.stats().syncs, 0U);
    uint64_t word = 1;
    for (const int fd : {subject.file.fd(), other}) {
      EXPECT_EQ(error_of([&] { return ftruncate(fd, end - kPageSize); }), ETXTBSY);
      EXPECT_EQ(error_of([&] { return ftruncate(fd, end + kPageSize); }), ETXTBSY);
      EXPECT_EQ(error_of([&] { return fallocate(fd, 0, end, kPageSize); }), ETXTBSY);
      for (const int mode : {FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, FALLOC_FL_COLLAPSE_RANGE,
                             FALLOC_FL_ZERO_RANGE, FALLOC_FL_INSERT_RANGE}) {
        EXPECT_EQ(error_of([&] { return fallocate(fd, mode, 0, kPageSize); }), ETXTBSY) << mode;
      }
      EXPECT_EQ(error_of([&] { return pwrite(fd, &word, sizeof word, end); }), ETXTBSY);
      EXPECT_EQ(fchmod(fd, 0600), 0) << "the block map is frozen, not the inode";
      EXPECT_EQ(futimens(fd, nullptr), 0);
      void* again = mmap(nullptr, kPageSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
      EXPECT_EQ(again, MAP_FAILED);
      EXPECT_EQ(errno, ETXTBSY);
    }
    EXPECT_EQ(error_of([&] { return truncate(path.c_str(), 0); }), ETXTBSY);
    EXPECT_EQ(error_of([&] { return unlink(path.c_str()); }), EPERM);
    // The strategy given up, all goes again.
    const Strategy none = *find_strategy("map_sync_wrapped");
    subject.module.set(subject.file.fd(), none);
    EXPECT_EQ(ftruncate(other, end + kPageSize), 0);
    next_tick();
    const int64_t before = mtime(other);
    subject.forget();
    subject.touch(0);
    EXPECT_NE(mtime(other), before);
    close(other);
  }
  { Subject subject(State::kWritten, "daxfile"); }
  EXPECT_NE(access(path_of("subject").c_str(), F_OK), 0) << "closed, it could be unlinked";
}

TEST(Module, DaxfileWantsEveryBlockAllocated) {
  {
    Subject subject(State::kHole, nullptr);
    EXPECT_THROW(subject.module.set(subject.file.fd(), *find_strategy("daxfile")), Failure);
    EXPECT_EQ(ftruncate(subject.file.fd(), 0), 0) << "refused: nothing is frozen";
  }
  {
    Subject subject(State::kWritten, nullptr);
    ASSERT_EQ(
        fallocate(subject.file.fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 8 * kPageSize),
        0);
    EXPECT_THROW(subject.module.set(subject.file.fd(), *find_strategy("daxfile")), Failure);
  }
  // Its faults convert the blocks, and sync as MAP_SYNC's do.
  Subject subject(State::kUnwritten, "daxfile");
  subject.touch_all();
  EXPECT_EQ(subject.stats().faults, kPages);
  expect_count(subject.stats().syncs, kPages, "unwritten");
}

// Another file, and the same file opened a second time, run nothing of the module.
TEST(Module, OtherFilesAreMainline) {
  Subject subject(State::kHole, "sync_retry");
  const TestFile other(path_of("other"), kPages * kPageSize, State::kHole, false);
  const Mapping theirs(other, kPages * kPageSize, true, Order::kPte);
  for (uint64_t page = 0; page < kPages; ++page) {
    *reinterpret_cast<volatile uint64_t*>(theirs.base() + page * kPageSize) = page;
  }
  EXPECT_THROW(static_cast<void>(subject.module.stats(other.fd())), Failure) << "ENXIO";
  const int again = open(path_of("subject").c_str(), O_RDWR | O_CLOEXEC);
  auto* base = static_cast<char*>(mmap(nullptr, kPages * kPageSize, PROT_READ | PROT_WRITE,
                                       MAP_SHARED_VALIDATE | MAP_SYNC, again, 0));
  ASSERT_NE(base, MAP_FAILED);
  madvise(base, kPages * kPageSize, MADV_NOHUGEPAGE);
  for (uint64_t page = 0; page < kPages; ++page) {
    *reinterpret_cast<volatile uint64_t*>(base + page * kPageSize) = page;
  }
  EXPECT_EQ(subject.stats().attempts, 0U);
  munmap(base, kPages * kPageSize);
  close(again);
}

TEST(Module, AChildsFaultsCount) {
  Subject subject(State::kHole, "sync_retry");
  const pid_t child = fork();
  if (child == 0) {
    subject.touch_all();
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(subject.stats().faults, kPages);
  expect_count(subject.stats().retries, kPages, "of the child");
}

TEST(Module, GarbageIsRefused) {
  const StrategyModule loaded;
  const int device = open("/dev/" FAULTLINE_DEVICE, O_RDWR | O_CLOEXEC);
  ASSERT_GE(device, 0);
  const auto set = [&](fl_kmod_set ask) {
    return error_of([&] { return ioctl(device, FL_KMOD_SET, &ask); });
  };
  constexpr uint32_t kSize = sizeof(fl_kmod_set);
  {
    Subject subject(State::kWritten, nullptr);
    const int fd = subject.file.fd();
    EXPECT_EQ(set({0, fd, FL_KMOD_SYNC_RETRY, 0}), EINVAL);
    EXPECT_EQ(set({kSize - 1, fd, FL_KMOD_SYNC_RETRY, 0}), EINVAL);
    EXPECT_EQ(set({kSize + 1, fd, FL_KMOD_SYNC_RETRY, 0}), EINVAL);
    EXPECT_EQ(set({kSize, fd, FL_KMOD_STRATEGIES, 0}), EINVAL);
    EXPECT_EQ(set({kSize, fd, UINT32_MAX, 0}), EINVAL);
    EXPECT_EQ(set({kSize, fd, FL_KMOD_SYNC_FAULT, 2}), EINVAL);
    EXPECT_EQ(set({kSize, fd, FL_KMOD_SYNC_RETRY, FL_KMOD_DATASYNC}), EINVAL);
    EXPECT_EQ(set({kSize, fd, FL_KMOD_DAXFILE, FL_KMOD_DATASYNC}), EINVAL);
    EXPECT_EQ(set({kSize, fd, FL_KMOD_SYNC_FAULT, FL_KMOD_NOCMTIME}), EINVAL);
    EXPECT_EQ(set({kSize, -1, FL_KMOD_SYNC_RETRY, 0}), EBADF);
    EXPECT_EQ(set({kSize, 1000, FL_KMOD_SYNC_RETRY, 0}), EBADF);
    const int closed = dup(fd);
    close(closed);
    EXPECT_EQ(set({kSize, closed, FL_KMOD_SYNC_RETRY, 0}), EBADF);
    const int folder = open(kMountPoint, O_RDONLY | O_CLOEXEC);
    EXPECT_EQ(set({kSize, folder, FL_KMOD_SYNC_RETRY, 0}), EOPNOTSUPP);
    close(folder);
    const int plain = open("/tmp/plain", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    EXPECT_EQ(set({kSize, plain, FL_KMOD_SYNC_RETRY, 0}), EOPNOTSUPP) << "not DAX";
    close(plain);
    const int readable = open(path_of("subject").c_str(), O_RDONLY | O_CLOEXEC);
    EXPECT_EQ(set({kSize, readable, FL_KMOD_SYNC_RETRY, 0}), EOPNOTSUPP);
    close(readable);
    const int unmapped = open(path_of("subject").c_str(), O_RDWR | O_CLOEXEC);
    EXPECT_EQ(set({kSize, unmapped, FL_KMOD_SYNC_RETRY, 0}), ENXIO);
    void* shared = mmap(nullptr, kPageSize, PROT_READ | PROT_WRITE, MAP_SHARED, unmapped, 0);
    EXPECT_EQ(set({kSize, unmapped, FL_KMOD_SYNC_RETRY, 0}), ENXIO) << "not MAP_SYNC";
    munmap(shared, kPageSize);
    close(unmapped);
    EXPECT_EQ(error_of([&] { return ioctl(device, FL_KMOD_SET, nullptr); }), EFAULT);
    EXPECT_EQ(error_of([&] { return ioctl(device, FL_KMOD_STATS, nullptr); }), EFAULT);
    EXPECT_EQ(error_of([&] { return ioctl(device, _IO('F', 0x7f), 0); }), ENOTTY);
    EXPECT_EQ(error_of([&] { return ioctl(device, FL_KMOD_RESET, 1000); }), EBADF);
    fl_kmod_stats stats{};
    stats.size = sizeof stats - 8;
    stats.fd = fd;
    EXPECT_EQ(error_of([&] { return ioctl(device, FL_KMOD_STATS, &stats); }), EINVAL);
    // After all that the file takes a strategy, and then no other.
    EXPECT_EQ(set({kSize, fd, FL_KMOD_SYNC_RETRY, 0}), 0);
    EXPECT_EQ(set({kSize, fd, FL_KMOD_SYNC_RETRY, 0}), 0);
    EXPECT_EQ(set({kSize, fd, FL_KMOD_DAXFILE, 0}), EBUSY);
    // A descriptor does not carry the right.
    const pid_t child = fork();
    if (child == 0) {
      if (setgid(65534) != 0 || setuid(65534) != 0) _exit(3);
      const fl_kmod_set ask = {kSize, fd, FL_KMOD_NONE, 0};
      if (ioctl(device, FL_KMOD_SET, &ask) == 0 || errno != EPERM) _exit(1);
      if (open("/dev/" FAULTLINE_DEVICE, O_RDWR | O_CLOEXEC) >= 0) _exit(2);
      _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_EQ(WEXITSTATUS(status), 0);
  }
  close(device);
}

int unload() {
  return error_of(
      [] { return static_cast<int>(syscall(SYS_delete_module, "faultline", O_NONBLOCK)); });
}

TEST(Module, IsNotUnloadedUnderAFile) {
  {
    const Subject subject(State::kWritten, "sync_retry");
    EXPECT_EQ(unload(), EAGAIN);
  }
  {
    // No descriptor of the device is left: the file alone holds it.
    auto module = std::make_unique<StrategyModule>();
    const TestFile file(path_of("held"), kPages * kPageSize, State::kWritten, false);
    const Mapping mapping(file, kPages * kPageSize, true, Order::kPte);
    module->set(file.fd(), *find_strategy("daxfile"));
    module.reset();
    EXPECT_EQ(unload(), EAGAIN);
  }
  EXPECT_EQ(unload(), 0);
}

TEST(Module, LoadsUsesAndUnloadsFiftyTimes) {
  const char* const strategies[] = {"sync_fault", "sync_retry", "sync_retry_extent", "daxfile"};
  for (int i = 0; i < 50; ++i) {
    const char* strategy = strategies[i % 4];
    {
      Subject subject(i % 4 == 3 ? State::kWritten : State::kHole, strategy);
      subject.touch_all();
      ASSERT_EQ(subject.stats().faults, kPages) << i;
    }
    ASSERT_EQ(unload(), 0) << i;
  }
}

// The attacker dirties the file faster than a sync ends. What counts is that the victim can be
// killed, and that nothing of it is left.
TEST(Module, AKilledVictimLeavesNothing) {
  for (int round = 0; round < 5; ++round) {
    {
      Subject subject(State::kWritten, "sync_retry");
      const pid_t attacker = fork();
      if (attacker == 0) {
        for (off_t i = 0;; ++i) {
          ftruncate(subject.file.fd(), static_cast<off_t>((kPages + 1 + i % 2) * kPageSize));
          usleep(20);
        }
      }
      const pid_t victim = fork();
      if (victim == 0) {
        for (;;) {
          subject.touch_all();
          subject.forget();
        }
      }
      usleep(20'000);
      kill(victim, SIGKILL);
      int status = 0;
      EXPECT_EQ(waitpid(victim, &status, 0), victim);
      EXPECT_EQ(WTERMSIG(status), SIGKILL);
      kill(attacker, SIGKILL);
      waitpid(attacker, &status, 0);
      EXPECT_GT(subject.stats().retries, 0U);
      // A fault that was cut off is nobody else's.
      subject.module.reset(subject.file.fd());
      ASSERT_EQ(fsync(subject.file.fd()), 0);
      subject.forget();
      subject.touch_all();
      expect_count(subject.stats().max_retries, 0, "of a later fault");
    }
    EXPECT_EQ(unload(), 0);
  }
}

TEST(Module, FreezeWhileAVictimRetries) {
  Subject subject(State::kHole, "sync_retry");
  const pid_t victim = fork();
  if (victim == 0) {
    for (;;) {
      subject.touch_all();
      if (fallocate(subject.file.fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                    kPages * kPageSize) != 0) {
        _exit(1);
      }
    }
  }
  const int folder = open(kMountPoint, O_RDONLY | O_CLOEXEC);
  for (int i = 0; i < 8; ++i) {
    usleep(3'000);
    EXPECT_EQ(ioctl(folder, FIFREEZE, 0), 0);
    usleep(3'000);
    EXPECT_EQ(ioctl(folder, FITHAW, 0), 0);
  }
  close(folder);
  kill(victim, SIGKILL);
  int status = 0;
  waitpid(victim, &status, 0);
  EXPECT_EQ(WTERMSIG(status), SIGKILL);
  EXPECT_GT(subject.stats().retries, 0U);
}

// Of mainline, and why a truncate in a loop stalls every strategy: whoever changes the size or
// punches a hole breaks the file's layout first, and that unmaps all of it
// (dax_layout_busy_page_range() calls unmap_mapping_pages() for the whole file: ext4_break_layouts,
// xfs_break_layouts). On XFS any fallocate does.
TEST(Mainline, WhichTouchesUnmapTheWholeFile) {
  const Subject subject(State::kWritten, nullptr, Order::kPte, 4 * kPages);
  const int other = open(path_of("subject").c_str(), O_RDWR | O_CLOEXEC);
  const off_t end = 4 * kPages * kPageSize;
  const off_t elsewhere = 3 * kPages * kPageSize;
  const bool xfs = std::strcmp(g_fs->type, "xfs") == 0;
  const uint64_t word = 1;
  const auto touch_all = [&] {
    const uint64_t before = faults_of(RUSAGE_SELF);
    for (uint64_t page = 0; page < kPages; ++page) {
      *reinterpret_cast<volatile uint64_t*>(subject.mapping.base() + page * kPageSize) = page;
    }
    return faults_of(RUSAGE_SELF) - before;
  };
  const auto expect = [&](const char* what, bool unmaps, long result) {
    EXPECT_GE(result, 0) << what << ": " << std::strerror(errno);
    EXPECT_EQ(touch_all(), unmaps ? kPages : 0U) << what;
  };
  touch_all();
  expect("nothing", false, 0);
  expect("truncate up", true, ftruncate(other, end + kPageSize));
  expect("truncate down", true, ftruncate(other, end));
  expect("fallocate behind the end", xfs,
         fallocate(other, FALLOC_FL_KEEP_SIZE, end + 8 * kPageSize, kPageSize));
  expect("punch elsewhere", true,
         fallocate(other, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, elsewhere, kPageSize));
  expect("pwrite elsewhere", false, pwrite(other, &word, sizeof word, elsewhere));
  expect("append", false, pwrite(other, &word, sizeof word, end + kPageSize));
  expect("chmod", false, fchmod(other, 0600));
  close(other);
}

// Last: the file system goes.
TEST(ModuleZ, UmountWithTheStrategySet) {
  {
    Subject subject(State::kHole, "sync_retry");
    EXPECT_EQ(error_of([] { return umount2(kMountPoint, 0); }), EBUSY);
    EXPECT_EQ(umount2(kMountPoint, MNT_DETACH), 0);
    subject.touch_all();
    expect_count(subject.stats().retries, kPages, "the file outlives its mount point");
  }
  EXPECT_EQ(unload(), 0);
}

// Collects what failed, for the host.
class Listener : public testing::EmptyTestEventListener {
 public:
  void OnTestPartResult(const testing::TestPartResult& result) override {
    if (result.failed()) {
      failures_.push_back(fmt::format("{}: {}:{}: {}", name_,
                                      result.file_name() ? result.file_name() : "",
                                      result.line_number(), result.summary()));
    }
  }
  void OnTestStart(const testing::TestInfo& info) override {
    name_ = info.name();
    std::printf("%s %s\n", g_fs->id, info.name());
  }
  [[nodiscard]] const std::vector<std::string>& failures() const { return failures_; }

 private:
  std::string name_;
  std::vector<std::string> failures_;
};

void serve(const FileSystem& fs) {
  g_fs = &fs;
  try {
    const Mounted mounted = make_and_mount(fs, kPmemDevice, kMountPoint);
    send_frame(wire::kReady, {{"mkfs", mounted.mkfs_line}, {"ticks", read_ticks()}});
    int argc = 1;
    char name[] = "module_guest_test";
    char* argv[] = {name, nullptr};
    testing::InitGoogleTest(&argc, argv);
    auto& listeners = testing::UnitTest::GetInstance()->listeners();
    delete listeners.Release(listeners.default_result_printer());
    auto* listener = new Listener;
    listeners.Append(listener);
    [[maybe_unused]] const int failed = RUN_ALL_TESTS();
    const testing::UnitTest& all = *testing::UnitTest::GetInstance();
    send_frame(wire::kResult, {{"tests", all.successful_test_count() + all.failed_test_count()},
                               {"failed", all.failed_test_count()},
                               {"failures", listener->failures()}});
  } catch (const Failure& failure) {
    send_failure("ready", failure);
  }
}

}  // namespace
}  // namespace faultline

int main() {
  if (getpid() != 1) {
    std::fprintf(stderr, "module_guest_test is a guest's process 1; cli_vm_test runs it\n");
    return 77;
  }
  faultline::run_guest(faultline::serve);
}
