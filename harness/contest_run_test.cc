// SPDX-License-Identifier: GPL-2.0-only
#include "harness/contest_run.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <chrono>
#include <string_view>
#include <thread>

#include "harness/clock.h"
#include "harness/mapping.h"
#include "harness/testing.h"

namespace faultline {

extern const WorkloadCode k_dos;
extern const WorkloadCode k_bystander;

namespace {

constexpr uint64_t kMs = 1'000'000;

double host_ns_per_tick() {
  const auto begin = std::chrono::steady_clock::now();
  const uint64_t ticks = read_ticks();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const std::chrono::duration<double, std::nano> ns = std::chrono::steady_clock::now() - begin;
  return ns.count() / static_cast<double>(read_ticks() - ticks);
}

const TouchKind& kind_named(const WorkloadCode& code, std::string_view id) {
  for (const TouchKind& kind : code.kinds) {
    if (id == kind.id) return kind;
  }
  throw std::runtime_error(fmt::format("no kind {}", id));
}

// A file as an attacker finds it: the victim's pages, its own written part, a hole.
class Attacked {
 public:
  Attacked() : file_(path(), kVictimBytes, State::kHole, false) {
    toucher.directory = folder_.path();
    toucher.path = path();
    toucher.fd = file_.fd();
    toucher.victim_bytes = kVictimBytes;
    toucher.spare = 8 * kPageSize;
    toucher.spare_bytes = 8 * kPageSize;
    toucher.written = kVictimBytes;
    toucher.room = toucher.written + kWrittenBytes;
    toucher.room_bytes = 64 * kPageSize;
    toucher.end = toucher.room + toucher.room_bytes;
    const std::string block(kWrittenBytes, 'w');
    EXPECT_EQ(pwrite(file_.fd(), block.data(), block.size(), toucher.written),
              static_cast<ssize_t>(block.size()));
    EXPECT_EQ(ftruncate(file_.fd(), toucher.end), 0);
    EXPECT_EQ(fsync(file_.fd()), 0);
  }
  [[nodiscard]] struct stat stat() const {
    struct stat st {};
    fstat(file_.fd(), &st);
    return st;
  }
  // The n-th touch, and what the file is after it.
  struct stat after(const TouchKind& kind, uint64_t n) {
    EXPECT_TRUE(kind.code.touch(toucher, n)) << kind.id << ": " << std::strerror(errno);
    fsync(file_.fd());
    return stat();
  }
  [[nodiscard]] std::string path() const { return folder_.path() + "/cell"; }
  [[nodiscard]] uint64_t at(off_t at) const {
    uint64_t value = 0;
    EXPECT_EQ(pread(file_.fd(), &value, sizeof value, at), 8);
    return value;
  }

  Toucher toucher;

 private:
  static constexpr off_t kVictimBytes = 16 * kPageSize;
  TempFolder folder_;
  TestFile file_;
};

constexpr off_t kPage = kPageSize;

TEST(Dos, TouchesDoWhatTheirNamesSay) {
  {
    Attacked file;
    const auto& kind = kind_named(k_dos, "store");
    ASSERT_TRUE(kind.code.prepare(file.toucher));
    file.after(kind, 3);
    EXPECT_EQ(file.at(file.toucher.room + 3 * kPage), 3U);
  }
  {
    Attacked file;
    const auto& kind = kind_named(k_dos, "utimens");
    const auto first = file.after(kind, 1).st_mtim;
    const auto second = file.after(kind, 2).st_mtim;
    EXPECT_NE(first.tv_nsec, second.tv_nsec);
  }
  {
    Attacked file;
    const auto before = file.stat();
    const auto after = file.after(kind_named(k_dos, "pwrite"), 17);
    EXPECT_EQ(file.at(file.toucher.written + kPage), 17U);
    EXPECT_EQ(after.st_size, before.st_size);
    EXPECT_EQ(after.st_blocks, before.st_blocks);
  }
  {
    Attacked file;
    const auto& kind = kind_named(k_dos, "append");
    EXPECT_EQ(file.after(kind, 0).st_size, file.toucher.end + 8);
    EXPECT_EQ(file.after(kind, 1).st_size, file.toucher.end + kPage + 8);
  }
  {
    Attacked file;
    const auto& kind = kind_named(k_dos, "truncate");
    EXPECT_EQ(file.after(kind, 0).st_size, file.toucher.end + kPage);
    EXPECT_EQ(file.after(kind, 1).st_size, file.toucher.end);
  }
  {
    Attacked file;
    const auto before = file.stat();
    const auto after = file.after(kind_named(k_dos, "fallocate"), 0);
    EXPECT_EQ(after.st_size, before.st_size);
    EXPECT_EQ(after.st_blocks, before.st_blocks + 8);
  }
  {
    Attacked file;
    const auto before = file.stat();
    const auto& kind = kind_named(k_dos, "punch");
    EXPECT_EQ(file.after(kind, 0).st_blocks, before.st_blocks - 8);
    EXPECT_EQ(file.after(kind, 1).st_blocks, before.st_blocks);
    EXPECT_EQ(file.at(file.toucher.written), 1U);
  }
  {
    Attacked file;
    const std::string block(kPageSize, 'v');
    EXPECT_EQ(pwrite(file.toucher.fd, block.data(), block.size(), 5 * kPage), kPage);
    const std::atomic<uint64_t> done = 5;
    file.toucher.done = &done;
    const auto before = file.stat();
    EXPECT_EQ(file.after(kind_named(k_dos, "punch_same"), 7).st_blocks, before.st_blocks - 8);
    EXPECT_EQ(file.at(5 * kPage), 0U);
    const std::atomic<uint64_t> beyond = 1000;
    file.toucher.done = &beyond;  // the last page, and none of others
    EXPECT_EQ(file.after(kind_named(k_dos, "punch_same"), 7).st_blocks, before.st_blocks - 8);
  }
  {
    Attacked file;
    const auto before = file.stat();
    const auto after = file.after(kind_named(k_dos, "extend"), 3);
    EXPECT_EQ(file.at(file.toucher.room + 3 * kPage), 3U);
    EXPECT_EQ(after.st_size, before.st_size);
  }
  {
    Attacked file;
    const auto& kind = kind_named(k_dos, "convert");
    file.toucher.index = 1;
    file.after(kind, 4);
    EXPECT_EQ(file.at(13 * kPage), 4U);  // (4 * 4 + 1) % 4: the second odd page from the end
    file.toucher.index = 0;
    file.after(kind, 5);  // 20 % 4: the last
    EXPECT_EQ(file.at(15 * kPage), 5U);
    EXPECT_EQ(file.at(14 * kPage), 0U);
  }
  {
    Attacked file;
    const auto& kind = kind_named(k_dos, "chmod");
    EXPECT_EQ(file.after(kind, 0).st_mode & 0777U, 0600U);
    EXPECT_EQ(file.after(kind, 1).st_mode & 0777U, 0644U);
  }
  {
    Attacked file;
    file.after(kind_named(k_dos, "xattr"), 5);
    uint64_t value = 0;
    EXPECT_EQ(fgetxattr(file.toucher.fd, "user.faultline", &value, sizeof value), 8);
    EXPECT_EQ(value, 5U);
  }
}

TEST(Dos, OthersLeavesTheVictimAlone) {
  Attacked file;
  const auto& kind = kind_named(k_dos, "others");
  ASSERT_TRUE(kind.code.setup(file.toucher.directory));
  const auto before = file.stat();
  for (uint64_t n = 0; n < 500; ++n) ASSERT_TRUE(kind.code.touch(file.toucher, n));
  const auto after = file.stat();
  EXPECT_EQ(after.st_ctim.tv_nsec, before.st_ctim.tv_nsec);
  struct stat other {};
  for (const int which : {0, 4, 1996}) {
    ASSERT_EQ(stat(fmt::format("{}/others/{}", file.toucher.directory, which).c_str(), &other), 0);
    EXPECT_GT(other.st_size, 0) << which;
  }
}

ContestSpec small(const TempFolder& folder) {
  ContestSpec spec;
  spec.directory = folder.path();
  spec.state = State::kWritten;
  spec.strategy = find_strategy("volatile");
  spec.every = kEveryAll;
  spec.stores = 8;
  spec.fault_deadline_ns = 200 * kMs;
  spec.run_deadline_ns = 1000 * kMs;
  spec.ns_per_tick = host_ns_per_tick();
  return spec;
}

TEST(Contest, AVictimAlone) {
  const TempFolder folder;
  ContestSpec spec = small(folder);
  spec.strategy = find_strategy("fsync");
  spec.every = 3;
  const ContestFigures figures = run_contest(spec);
  EXPECT_EQ(figures.faults.size(), 8U);
  EXPECT_FALSE(figures.starved);
  EXPECT_EQ(figures.open, 0U);
  EXPECT_EQ(figures.app_syncs, 3U) << "3 + 3 + 2";
  EXPECT_EQ(figures.touches, 0U);
  // The page cache maps around a fault.
  EXPECT_GT(figures.kernel_faults.value_or(0), 0U);
  uint64_t sum = 0;
  for (const uint64_t fault : figures.faults) {
    EXPECT_GT(fault, 0U);
    sum += fault;
  }
  EXPECT_GE(figures.elapsed, sum);
  EXPECT_NE(access((folder.path() + "/cell").c_str(), F_OK), 0) << "removed";
}

TEST(Contest, AttackersTouchMeanwhile) {
  const TempFolder folder;
  ContestSpec spec = small(folder);
  spec.store = [](char* at, uint64_t value) {
    usleep(5'000);
    *reinterpret_cast<volatile uint64_t*>(at) = value;
  };
  spec.kind = &kind_named(k_dos, "chmod");
  spec.touchers = 2;
  spec.period_ns = kMs;
  const uint64_t begin = read_ticks();
  const ContestFigures figures = run_contest(spec);
  // A busy host may be late to end them: they touch within the call at most.
  const double whole_ms = static_cast<double>(read_ticks() - begin) * spec.ns_per_tick / kMs;
  EXPECT_EQ(figures.faults.size(), 8U);
  // Eight stores of 5 ms each; a touch per ms by each of two, on a busy machine fewer.
  EXPECT_GT(figures.touches, 4U);
  EXPECT_LE(static_cast<double>(figures.touches), 2 * (whole_ms + 1));
  EXPECT_EQ(figures.refused, 0U);
}

TEST(Contest, AVictimThatIsStuckIsEnded) {
  const TempFolder folder;
  ContestSpec spec = small(folder);
  spec.store = [](char* at, uint64_t value) {
    // 16 stores of the warm-up have come before.
    if (value == 16 + 5) pause();
    *reinterpret_cast<volatile uint64_t*>(at) = value;
  };
  const auto begin = std::chrono::steady_clock::now();
  const ContestFigures figures = run_contest(spec);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  EXPECT_TRUE(figures.starved);
  EXPECT_EQ(figures.faults.size(), 5U);
  EXPECT_GE(static_cast<double>(figures.open) * spec.ns_per_tick, 199.0 * kMs);
  EXPECT_EQ(figures.longest(), figures.open);
  EXPECT_LT(took.count(), 10.0);
}

TEST(Contest, RefusedTouchesAreCounted) {
  const TempFolder folder;
  ContestSpec spec = small(folder);
  spec.store = [](char* /*at*/, uint64_t /*value*/) { usleep(5'000); };
  constexpr TouchKind kRefused = {.id = "refused", .code = {.touch = [](Toucher&, uint64_t) {
                                                     errno = ETXTBSY;
                                                     return false;
                                                   }}};
  spec.kind = &kRefused;
  spec.touchers = 1;
  spec.period_ns = kMs;
  const ContestFigures figures = run_contest(spec);
  EXPECT_EQ(figures.touches, 0U);
  EXPECT_GT(figures.refused, 0U);
  EXPECT_EQ(figures.refusal, ETXTBSY);
}

TEST(Contest, EveryTouchIsKept) {
  const TempFolder folder;
  ContestSpec spec = small(folder);
  spec.store = [](char* /*at*/, uint64_t /*value*/) { usleep(5'000); };
  constexpr TouchKind kIdle = {.id = "idle",
                               .code = {.touch = [](Toucher&, uint64_t) { return true; }}};
  spec.kind = &kIdle;
  spec.touchers = 1;
  const ContestFigures figures = run_contest(spec);
  ASSERT_GT(figures.touches, 4096U) << "in a tight loop of 40 ms";
  EXPECT_EQ(figures.touch_ticks.size(), 4096U);
  EXPECT_GE(figures.touches_beyond.count, figures.touches - 4096);
}

TEST(Contest, ThePartiesEndsAreSeen) {
  const TempFolder folder;
  ContestSpec spec = small(folder);
  // However long a busy host keeps the CPU from them.
  spec.fault_deadline_ns = spec.run_deadline_ns = 600'000 * kMs;
  spec.store = [](char* /*at*/, uint64_t value) {
    if (value == 18) raise(SIGSEGV);
  };
  EXPECT_NE(message_of(ExitCode::kRegression, [&] { run_contest(spec); }).find("died of signal 11"),
            std::string::npos);
  spec.store = [](char* /*at*/, uint64_t value) {
    if (value >= 16) pause();
  };
  constexpr TouchKind kDies = {.id = "dies",
                               .code = {.touch = [](Toucher&, uint64_t) -> bool { _exit(3); }}};
  spec.kind = &kDies;
  spec.touchers = 1;
  EXPECT_EQ(message_of(ExitCode::kRegression, [&] { run_contest(spec); }),
            "an attacker ended by itself (3)");
}

TEST(Contest, ABystandersTouches) {
  for (const char* id : {"mmap", "anon", "read_fault", "other_file", "resize"}) {
    const TempFolder folder;
    ContestSpec spec = small(folder);
    spec.store = [](char* /*at*/, uint64_t /*value*/) { usleep(5'000); };
    spec.kind = &kind_named(k_bystander, id);
    spec.touchers = 1;
    spec.period_ns = kMs;
    const ContestFigures figures = run_contest(spec);
    EXPECT_GT(figures.touches, 0U) << id;
    EXPECT_EQ(figures.refused, 0U) << id;
    EXPECT_GT(figures.touch_sum, 0U) << id;
    EXPECT_GE(figures.touch_sum, figures.touch_longest) << id;
  }
}

}  // namespace
}  // namespace faultline
