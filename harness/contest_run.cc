// SPDX-License-Identifier: GPL-2.0-only
#include "harness/contest_run.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <latch>
#include <new>
#include <optional>
#include <thread>

#include "cell/failure.h"
#include "harness/clock.h"
#include "harness/mapping.h"
#include "harness/wait.h"

namespace faultline {
namespace {

constexpr uint64_t kWarmup = 16;  // stores on pages of their own, before the start
// Pages of the hole that each toucher has for itself.
constexpr uint64_t kRoomPages = 4096;
// Pages of the victim's extent behind its own, for a kind of touch that changes that extent.
constexpr uint64_t kSparePages = 4096;
// All runs start at the same phase of the clock tick, and no sooner than this after everybody is
// ready: whoever starts them must be awake before (waking_ns()), and the parties asleep.
constexpr uint64_t kStartNs = 16'000'000;
// How long after a clock tick a run starts, in ns.
constexpr uint64_t kPhaseNs = 500'000;
// So long after its parties are begun, which takes about 10 ms: counted from an instruction that no
// halt has moved, else two runs could start a tick apart. Where it takes longer, twice as long.
constexpr uint64_t kSetUpNs = 64'000'000;
// How often the parent looks whether a party is ready.
constexpr uint64_t kLookTicks = 20'000;
// A party that is not ready by then will not be.
constexpr int kReadyMs = 60'000;

// A deadline is looked at this long after it has passed, so that one look is enough.
constexpr uint64_t kPastDeadlineNs = 1000;

uint64_t now_ns() {
  timespec ts{};
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return static_cast<uint64_t>(ts.tv_sec) * 1'000'000'000U + static_cast<uint64_t>(ts.tv_nsec);
}

void sleep_until(uint64_t ns) {
  const timespec at{static_cast<time_t>(ns / 1'000'000'000U),
                    static_cast<long>(ns % 1'000'000'000U)};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, nullptr) == EINTR) {
  }
}

// Ends the run, or the party, with errno's words.
[[noreturn]] void fail(const std::string& what) {
  throw Failure(ExitCode::kRegression, fmt::format("{}: {}", what, std::strerror(errno)));
}

// What the parties of a run share: each writes its own part, and the parent reads it. All of it
// begins as zero.
struct Shared {
  // The victim's.
  std::atomic<uint64_t> begin;  // tick at which the open store began; 0: none is open
  std::atomic<uint64_t> done;
  std::atomic<uint64_t> first;  // tick of the first store
  std::atomic<uint64_t> last;   // tick at which the last was durable
  std::atomic<uint64_t> faults_before;
  std::atomic<uint64_t> faults;
  std::atomic<uint64_t> app_syncs;
  std::atomic<bool> map_sync;
  std::atomic<bool> finished;
  std::atomic<unsigned> started;  // parties that know their start and sleep until then
  std::atomic<int> error;         // errno of a sync that failed
  // Why a party that failed did.
  std::atomic<int> failure;  // an ExitCode; 0: none has failed
  std::array<char, 256> words;
  struct Party {
    std::atomic<uint64_t> count;
    std::atomic<uint64_t> begin;  // tick at which the open touch began; 0: none is open
    std::atomic<uint64_t> sum;
    std::atomic<uint64_t> longest;
    std::atomic<uint64_t> refused;
    std::atomic<int> refusal;
    std::array<uint64_t, kTouchesKept> ticks;
  };
  std::array<Party, kMaxTouchers> party;
  // The touches of each party that `ticks` has no room for. The parent reads it while the party may
  // be touching still, so of one touch in thousands it may see a part.
  std::array<Distribution, kMaxTouchers> beyond;
};

// Memory that outlives a party that is killed.
class SharedMemory {
 public:
  explicit SharedMemory(uint64_t stores) : bytes_(sizeof(Shared) + stores * sizeof(uint64_t)) {
    void* at = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) fail("mmap");
    shared_ = new (at) Shared;
    populate();
  }
  ~SharedMemory() { munmap(shared_, bytes_); }
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;

  [[nodiscard]] Shared& get() const { return *shared_; }
  // Ticks of each store of the victim.
  [[nodiscard]] uint64_t* stores() const { return reinterpret_cast<uint64_t*>(shared_ + 1); }
  // fork() leaves the entries of shared memory out: a child makes its own before it is measured.
  void populate() const {
    volatile char* const at = reinterpret_cast<char*>(shared_);
    for (uint64_t i = 0; i < bytes_; i += kPageSize) at[i] = at[i];
  }

 private:
  uint64_t bytes_;
  Shared* shared_;
};

class Pipe {
 public:
  Pipe() {
    if (pipe2(fds_.data(), O_CLOEXEC) != 0) fail("pipe");
  }
  ~Pipe() {
    close(fds_[0]);
    close(fds_[1]);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  template <typename T>
  void put(const T& value) const {
    if (write(fds_[1], &value, sizeof value) != static_cast<ssize_t>(sizeof value)) fail("pipe");
  }
  template <typename T>
  T take() const {
    T value{};
    if (read(fds_[0], &value, sizeof value) != static_cast<ssize_t>(sizeof value)) fail("pipe");
    return value;
  }
  [[nodiscard]] bool wait_ready(int ms) const {
    pollfd ready{fds_[0], POLLIN, 0};
    return poll(&ready, 1, ms) == 1;
  }

 private:
  std::array<int, 2> fds_{};
};

// Tells whether the touchers' room may be a hole.
bool has_room(const Strategy& strategy) { return !strategy.only_written && !strategy.no_holes; }

// The victim's file: its pages in the cell's state, then the touchers' parts.
struct Layout {
  uint64_t victim_bytes;
  uint64_t spare_bytes;  // in the same state, not mapped
  uint64_t room_bytes;   // of each toucher
  uint64_t written;      // where the touchers' parts begin
  uint64_t room;
  uint64_t end;

  explicit Layout(const ContestSpec& spec)
      : victim_bytes((kWarmup + spec.stores) * kPageSize),
        spare_bytes(spec.kind != nullptr && spec.kind->spare ? kSparePages * kPageSize : 0),
        // A file whose block map is to be frozen has no holes anywhere.
        room_bytes(has_room(*spec.strategy) ? kRoomPages * kPageSize : kWrittenBytes),
        written(victim_bytes + spare_bytes),
        room(written + kMaxTouchers * kWrittenBytes),
        end(room + std::max(1U, spec.touchers) * room_bytes) {}
};

void add_parts(const TestFile& file, const Layout& layout, bool room) {
  const std::vector<char> page(kPageSize, 'w');
  const uint64_t until = room ? layout.room : layout.end;
  for (uint64_t at = layout.written; at < until; at += kPageSize) {
    if (pwrite(file.fd(), page.data(), kPageSize, static_cast<off_t>(at)) != kPageSize) {
      fail("pwrite");
    }
  }
  if (ftruncate(file.fd(), static_cast<off_t>(layout.end)) != 0) fail("ftruncate");
  if (fsync(file.fd()) != 0) fail("fsync");
}

class ContestRun {
 public:
  explicit ContestRun(const ContestSpec& spec)
      : spec_(spec),
        path_(spec.directory + "/cell"),
        layout_(spec),
        memory_(spec.stores),
        shared_(memory_.get()),
        file_(path_, layout_.victim_bytes + layout_.spare_bytes, spec.state, false) {
    add_parts(file_, layout_, has_room(*spec.strategy));
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, &mask_);
  }
  ~ContestRun() {
    end_parties();
    sigprocmask(SIG_SETMASK, &mask_, nullptr);
  }
  ContestRun(const ContestRun&) = delete;
  ContestRun& operator=(const ContestRun&) = delete;

  ContestFigures run();

 private:
  [[nodiscard]] bool has_threads() const { return spec_.touchers > 0 && spec_.kind->in_process; }
  [[nodiscard]] uint64_t ticks_of(uint64_t ns) const {
    return static_cast<uint64_t>(static_cast<double>(ns) / spec_.ns_per_tick);
  }
  template <typename Body>
  pid_t fork_party(Body body);
  void await_ready();
  void sleep_until_start(uint64_t ns);
  void await_sleep() const;
  Toucher make_toucher(unsigned index) const;
  void touch(Toucher& toucher);
  void take_faults();
  void store_once(char* base, uint64_t page);
  void sync_stores(char* base, uint64_t from, uint64_t to);
  void await();
  void end_parties();
  void reap(pid_t pid, rusage* usage);

  const ContestSpec& spec_;
  std::optional<KeptAwake> awake_ = std::make_optional<KeptAwake>();  // but while there are parties
  std::string path_;
  Layout layout_;
  SharedMemory memory_;
  Shared& shared_;
  TestFile file_;
  Pipe ready_;
  Pipe start_;
  sigset_t mask_{};
  std::vector<pid_t> attackers_;
  pid_t victim_ = 0;
  bool starved_ = false;
  uint64_t end_ = 0;  // tick at which the run was ended
  rusage usage_{};    // of a victim that was killed
};

template <typename Body>
pid_t ContestRun::fork_party(Body body) {
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) fail("fork");
  if (pid != 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  // Else a party's timers may come 50 us late (kernel/fork.c, default timer slack), and the CPU
  // halts after the start. A party's threads inherit it.
  prctl(PR_SET_TIMERSLACK, 1);
  if (getppid() != parent) _exit(1);
  try {
    memory_.populate();
    body();
    _exit(0);
  } catch (const Failure& failure) {
    std::strncpy(shared_.words.data(), failure.what(), shared_.words.size() - 1);
    shared_.failure = static_cast<int>(failure.code());
  } catch (const std::exception& e) {
    std::strncpy(shared_.words.data(), e.what(), shared_.words.size() - 1);
    shared_.failure = static_cast<int>(ExitCode::kRegression);
  }
  ready_.put('f');
  _exit(1);
}

// The parent does not sleep while parties get ready where waits are exact: with nobody to run the
// CPU would halt. It runs as one of them instead, of no other class (KeptAwake).
void ContestRun::await_ready() {
  const uint64_t limit = read_ticks() + ticks_of(kReadyMs * 1'000'000ULL);
  bool ready = ready_.wait_ready(has_exact_waits() ? 0 : kReadyMs);
  while (!ready && has_exact_waits() && read_ticks() < limit) {
    wait_for_tick(read_ticks() + kLookTicks);
    ready = ready_.wait_ready(0);
  }
  if (!ready) {
    throw Failure(ExitCode::kRegression, "a party of the contest does not get ready");
  }
  if (ready_.take<char>() != 'r') {
    throw Failure(static_cast<ExitCode>(shared_.failure.load()), shared_.words.data());
  }
}

void ContestRun::sleep_until_start(uint64_t ns) {
  shared_.started.fetch_add(1);
  sleep_until(ns);
}

// Waits until every party sleeps for its start, so that it is not held from going to sleep by who
// holds the CPU from then on.
void ContestRun::await_sleep() const {
  if (!has_exact_waits()) return;
  std::vector<pid_t> parties = attackers_;
  parties.push_back(victim_);
  while (shared_.started < spec_.touchers + 1 ||
         !std::all_of(parties.begin(), parties.end(), is_asleep)) {
    sched_yield();
  }
}

Toucher ContestRun::make_toucher(unsigned index) const {
  Toucher toucher;
  toucher.directory = spec_.directory;
  toucher.path = path_;
  toucher.fd = open(path_.c_str(), O_RDWR | O_CLOEXEC);
  if (toucher.fd < 0) fail(path_);
  toucher.index = index;
  toucher.victim = static_cast<off_t>(kWarmup * kPageSize);
  toucher.victim_bytes = static_cast<off_t>(layout_.victim_bytes) - toucher.victim;
  toucher.spare = static_cast<off_t>(layout_.victim_bytes);
  toucher.spare_bytes = static_cast<off_t>(layout_.spare_bytes);
  toucher.done = &shared_.done;
  toucher.written = static_cast<off_t>(layout_.written) + index * kWrittenBytes;
  toucher.room_bytes = static_cast<off_t>(layout_.room_bytes);
  toucher.room = static_cast<off_t>(layout_.room + index * layout_.room_bytes);
  toucher.end = static_cast<off_t>(layout_.end);
  if (spec_.kind->code.prepare != nullptr && !spec_.kind->code.prepare(toucher)) {
    fail(fmt::format("touch {}", spec_.kind->id));
  }
  return toucher;
}

// Touches until the process is killed.
void ContestRun::touch(Toucher& toucher) {
  Shared::Party& party = shared_.party.at(toucher.index);
  const uint64_t start = start_.take<uint64_t>();
  uint64_t next = start + spec_.phase_ns + toucher.index * spec_.period_ns / spec_.touchers;
  sleep_until_start(std::max(next, start));
  for (uint64_t n = 0;; ++n) {
    if (spec_.period_ns != 0 && n != 0) {
      next += spec_.period_ns;
      // A timer that has run over fires at the next period, not at once: who never sleeps is never
      // woken, and it is the waking that gets ahead of the victim.
      const uint64_t now = now_ns();
      if (next <= now) next += ((now - next) / spec_.period_ns + 1) * spec_.period_ns;
      sleep_until(next);
    }
    const uint64_t begin = read_ticks();
    party.begin.store(begin, std::memory_order_relaxed);
    if (!spec_.kind->code.touch(toucher, n)) {
      if (party.refused.fetch_add(1, std::memory_order_relaxed) == 0) party.refusal = errno;
    } else {
      const uint64_t ticks = read_ticks() - begin;
      const uint64_t count = party.count.load(std::memory_order_relaxed);
      if (count < kTouchesKept) {
        party.ticks.at(count) = ticks;
      } else {
        shared_.beyond.at(toucher.index).add(ticks);
      }
      party.sum.fetch_add(ticks, std::memory_order_relaxed);
      if (ticks > party.longest) party.longest = ticks;
      party.count.store(count + 1, std::memory_order_relaxed);
    }
    party.begin.store(0, std::memory_order_relaxed);
  }
}

void ContestRun::sync_stores(char* base, uint64_t from, uint64_t to) {
  if (spec_.strategy->persist == Persist::kNothing) return;
  const int error = sync_pages(spec_.strategy->persist, file_.fd(), base + from * kPageSize,
                               (to - from) * kPageSize);
  if (error != 0 && shared_.error == 0) shared_.error = error;
  shared_.app_syncs.fetch_add(1, std::memory_order_relaxed);
}

void ContestRun::store_once(char* base, uint64_t page) {
  char* const at = base + page * kPageSize;
  if (spec_.store != nullptr) {
    spec_.store(at, page);
  } else {
    *reinterpret_cast<volatile uint64_t*>(at) = page;
  }
}

// The victim, in a process of its own.
void ContestRun::take_faults() {
  std::vector<std::thread> threads;
  std::latch prepared(static_cast<std::ptrdiff_t>(has_threads() ? spec_.touchers : 0));
  if (has_threads()) {
    for (unsigned i = 0; i < spec_.touchers; ++i) {
      threads.emplace_back([this, i, &prepared] {
        Toucher toucher = make_toucher(i);
        prepared.count_down();
        touch(toucher);
      });
    }
  }
  prepared.wait();
  const Mapping mapping(file_, layout_.victim_bytes, spec_.strategy->map_sync, Order::kPte);
  shared_.map_sync = mapping.is_map_sync();
  if (spec_.module != nullptr) spec_.module->set(file_.fd(), *spec_.strategy);
  char* const base = mapping.base();
  const bool lines = spec_.strategy->persist == Persist::kFlushLines;
  const LineFlush flush = best_line_flush();
  for (uint64_t i = 0; i < kWarmup; ++i) store_once(base, i);
  if (!lines) sync_stores(base, 0, kWarmup);
  shared_.app_syncs = 0;
  if (spec_.module != nullptr) spec_.module->reset(file_.fd());
  ready_.put('r');
  sleep_until_start(start_.take<uint64_t>());

  const int who = has_threads() ? RUSAGE_THREAD : RUSAGE_SELF;
  uint64_t synced = 0;
  shared_.faults_before = faults_of(who);
  shared_.first = read_ticks();
  for (uint64_t i = 0; i < spec_.stores; ++i) {
    const uint64_t begin = read_ticks();
    shared_.begin.store(begin, std::memory_order_relaxed);
    store_once(base, kWarmup + i);
    memory_.stores()[i] = read_ticks() - begin;
    shared_.begin.store(0, std::memory_order_relaxed);
    shared_.done.store(i + 1, std::memory_order_relaxed);
    if (lines) {
      write_back(base + (kWarmup + i) * kPageSize, flush);
    } else if (i + 1 - synced >= spec_.every || i + 1 == spec_.stores) {
      sync_stores(base, kWarmup + synced, kWarmup + i + 1);
      synced = i + 1;
    }
  }
  shared_.last = read_ticks();
  shared_.faults = faults_of(who) - shared_.faults_before;
  shared_.finished = true;
  _exit(0);  // threads and all
}

// Waits until the victim is done or a deadline has passed. The parent sleeps meanwhile: it wakes
// for the deadline or for the victim's end.
void ContestRun::await() {
  const uint64_t begun = read_ticks();
  const uint64_t limit =
      ticks_of(kSetUpNs + kStartNs + 2 * clock_tick_ns() + spec_.run_deadline_ns);
  const uint64_t fault_limit = ticks_of(spec_.fault_deadline_ns);
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  for (;;) {
    if (shared_.finished) break;
    const uint64_t begin = shared_.begin.load();
    const uint64_t first = shared_.first.load();
    const uint64_t now = read_ticks();
    end_ = now;
    if (begin != 0 && now > begin && now - begin >= fault_limit) {
      starved_ = true;
      break;
    }
    const uint64_t over = first != 0 ? first + ticks_of(spec_.run_deadline_ns) : begun + limit;
    if (now >= over) break;
    // A store that has not begun yet cannot be over sooner.
    const uint64_t due = std::min(over, (begin != 0 ? begin : now) + fault_limit);
    const auto ns =
        static_cast<uint64_t>(static_cast<double>(due - now) * spec_.ns_per_tick) + kPastDeadlineNs;
    const timespec wait{static_cast<time_t>(ns / 1'000'000'000U),
                        static_cast<long>(ns % 1'000'000'000U)};
    if (sigtimedwait(&child, nullptr, &wait) != SIGCHLD) continue;
    for (const pid_t pid : attackers_) {
      siginfo_t info{};
      if (waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
          info.si_pid == pid) {
        throw Failure(ExitCode::kRegression,
                      fmt::format("an attacker ended by itself ({})", info.si_status));
      }
    }
    siginfo_t info{};
    if (waitid(P_PID, static_cast<id_t>(victim_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
        info.si_pid == victim_ && !shared_.finished) {
      if (shared_.failure != 0) {
        throw Failure(static_cast<ExitCode>(shared_.failure.load()), shared_.words.data());
      }
      throw Failure(ExitCode::kRegression,
                    fmt::format("the victim died of signal {}", info.si_status));
    }
  }
}

void ContestRun::reap(pid_t pid, rusage* usage) {
  kill(pid, SIGKILL);
  int status = 0;
  while (wait4(pid, &status, 0, usage) < 0 && errno == EINTR) {
  }
}

void ContestRun::end_parties() {
  for (const pid_t pid : attackers_) reap(pid, nullptr);
  attackers_.clear();
  // Whatever a killed toucher left behind could keep the victim from dying.
  if (spec_.kind != nullptr && spec_.kind->code.release != nullptr)
    spec_.kind->code.release(spec_.directory);
  if (victim_ != 0) reap(victim_, &usage_);
  victim_ = 0;
}

ContestFigures ContestRun::run() {
  awake_.reset();
  const uint64_t begun = read_ticks();
  if (spec_.touchers > 0 && !has_threads()) {
    for (unsigned i = 0; i < spec_.touchers; ++i) {
      attackers_.push_back(fork_party([&] {
        Toucher toucher = make_toucher(i);
        ready_.put('r');
        touch(toucher);
      }));
      await_ready();
    }
  }
  victim_ = fork_party([&] { take_faults(); });
  await_ready();
  const uint64_t tick = clock_tick_ns();
  uint64_t due = begun + ticks_of(kSetUpNs);
  while (due < read_ticks() + ticks_of(kStartNs)) due += ticks_of(kSetUpNs);
  const auto left =
      static_cast<uint64_t>(static_cast<double>(due - read_ticks()) * spec_.ns_per_tick);
  const uint64_t start = (now_ns() + left) / tick * tick + tick + kPhaseNs;
  for (unsigned i = 0; i < spec_.touchers + 1; ++i) start_.put(start);
  await_sleep();
  hold_cpu_until(read_ticks() + (start - now_ns()));
  await();
  awake_.emplace();
  const bool finished = shared_.finished;
  ContestFigures figures;
  figures.starved = starved_;
  const uint64_t open = finished ? 0 : shared_.begin.load();
  const uint64_t done = shared_.done;
  figures.faults.assign(memory_.stores(), memory_.stores() + done);
  const uint64_t end = finished ? shared_.last.load() : end_;
  figures.open = open != 0 && end > open ? end - open : 0;
  figures.elapsed = shared_.first != 0 && end > shared_.first ? end - shared_.first : 0;
  for (unsigned i = 0; i < spec_.touchers; ++i) {
    const Shared::Party& party = shared_.party.at(i);
    const uint64_t count = party.count;
    figures.touches += count;
    figures.refused += party.refused;
    if (figures.refusal == 0) figures.refusal = party.refusal;
    figures.touch_ticks.insert(figures.touch_ticks.end(), party.ticks.begin(),
                               party.ticks.begin() + std::min(count, kTouchesKept));
    figures.touches_beyond.add(shared_.beyond.at(i));
    figures.touch_sum += party.sum;
    figures.touch_longest = std::max<uint64_t>(figures.touch_longest, party.longest);
    const uint64_t began = party.begin;
    if (began != 0 && end > began) {
      figures.touch_longest = std::max(figures.touch_longest, end - began);
    }
  }
  if (spec_.module != nullptr) figures.module = spec_.module->stats(file_.fd());
  end_parties();
  figures.app_syncs = shared_.app_syncs;
  figures.map_sync = shared_.map_sync;
  figures.dax = file_.is_dax();
  if (shared_.error != 0) {
    throw Failure(ExitCode::kRegression,
                  fmt::format("a sync failed: {}", std::strerror(shared_.error)));
  }
  if (finished) {
    figures.kernel_faults = shared_.faults;
  } else if (!has_threads()) {
    figures.kernel_faults = static_cast<uint64_t>(usage_.ru_minflt) +
                            static_cast<uint64_t>(usage_.ru_majflt) - shared_.faults_before;
  }
  return figures;
}

}  // namespace

double ContestFigures::per_store() const {
  const uint64_t stores = faults.size() + (open != 0 ? 1 : 0);
  return stores == 0 ? 0 : static_cast<double>(elapsed) / static_cast<double>(stores);
}

uint64_t ContestFigures::longest() const {
  const auto longest = std::max_element(faults.begin(), faults.end());
  return std::max(open, longest == faults.end() ? 0 : *longest);
}

ContestFigures run_contest(const ContestSpec& spec) { return ContestRun(spec).run(); }
double ns_per_tick(bool virtual_time) {
  if (virtual_time) return 1;
  constexpr uint64_t kSpanNs = 20'000'000;
  const uint64_t ns = now_ns();
  const uint64_t ticks = read_ticks();
  sleep_until(ns + kSpanNs);
  return static_cast<double>(now_ns() - ns) / static_cast<double>(read_ticks() - ticks);
}

}  // namespace faultline
