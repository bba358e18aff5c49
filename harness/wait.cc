// SPDX-License-Identifier: GPL-2.0-only
#include "harness/wait.h"

#include <fmt/format.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

#include "cell/failure.h"
#include "harness/clock.h"

namespace faultline {
namespace {

bool g_exact = false;

// Timer slack is 50 us (kernel/fork.c), the rest is the way out.
constexpr uint64_t kWayOutNs = 1'000'000;
constexpr uint64_t kHeldNs = 2000;
// How long the CPU is held at a time from those who have work to do.
constexpr uint64_t kTurnNs = 1'000'000;
constexpr uint64_t kNoOps = 4096;

void run_no_ops() { asm volatile(".rept %c0\n\tnop\n\t.endr" ::"i"(kNoOps)); }

// Runs as many no-ops as are left: rdtsc ends a block of QEMU's, so that what it reads is exact,
// and from there to the end of the no-ops every instruction is one tick.
void run_up_to(uint64_t tick) {
  asm volatile(
      "rdtsc\n\t"
      "shl $32, %%rdx\n\t"
      "or %%rdx, %%rax\n\t"
      "sub %%rax, %[left]\n\t"
      "jle 1f\n\t"
      "cmp %[most], %[left]\n\t"
      "ja 1f\n\t"
      "lea 1f(%%rip), %%rax\n\t"
      "sub %[left], %%rax\n\t"
      "jmp *%%rax\n\t"
      ".rept %c[most]\n\tnop\n\t.endr\n"
      "1:"
      : [left] "+r"(tick)
      : [most] "i"(kNoOps)
      : "rax", "rdx", "cc");
}

void sleep_ns(uint64_t ns) {
  const timespec span{static_cast<time_t>(ns / 1'000'000'000U),
                      static_cast<long>(ns % 1'000'000'000U)};
  clock_nanosleep(CLOCK_MONOTONIC, 0, &span, nullptr);
}

[[noreturn]] void fail(const char* call) {
  throw Failure(ExitCode::kVmFailed, fmt::format("{}: {}", call, std::strerror(errno)));
}

void set_policy(int policy) {
  const sched_param priority{.sched_priority = policy == SCHED_FIFO ? 1 : 0};
  if (sched_setscheduler(0, policy, &priority) != 0) fail("sched_setscheduler");
}

int keep_busy(void* /*unused*/) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const sched_param none{};
  if (sched_setscheduler(0, SCHED_IDLE, &none) != 0) return 1;
  for (;;) run_no_ops();
}

}  // namespace

void make_waits_exact() {
  g_exact = true;
  // Else a real-time task starts a timer of a second (kernel/sched/rt.c, start_rt_bandwidth()),
  // which would fall into a measurement.
  std::ofstream("/proc/sys/kernel/sched_rt_runtime_us") << "-1";
}

bool has_exact_waits() { return g_exact; }

uint64_t waking_ns() { return clock_tick_ns() + kWayOutNs; }

void wait_ns(uint64_t ns) {
  const uint64_t begin = read_ticks();
  sleep_ns(ns);
  if (g_exact) wait_for_tick(begin + ns + waking_ns());
}

void wait_past_tick() {
  const uint64_t ns = 2 * clock_tick_ns() + 1'000'000;
  if (g_exact) {
    wait_for_tick(read_ticks() + ns);
  } else {
    sleep_ns(ns);
  }
}

KeptAwake::KeptAwake() {
  if (!g_exact) return;
  // In this one's memory: after a fork(), each page that is stored to would be copied, some of them
  // in the measurement (29 faults beside the 23 of a cell).
  alignas(16) static std::array<char, 16384> stack;
  pid_ = clone(keep_busy, stack.data() + stack.size(), CLONE_VM | SIGCHLD, nullptr);
  if (pid_ < 0) fail("clone");
}

KeptAwake::~KeptAwake() {
  if (pid_ == 0) return;
  kill(pid_, SIGKILL);
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

void wait_for_tick(uint64_t tick) {
  while (read_ticks() + 2 * kNoOps < tick) run_no_ops();
  while (read_ticks() + kNoOps - 64 < tick) asm volatile(".rept 256\n\tnop\n\t.endr");
  run_up_to(tick);
}

void hold_cpu_until(uint64_t tick) {
  if (!g_exact) return;
  // The waiting process is of the real-time class, which leaves the others' shares as they are.
  for (uint64_t turn = read_ticks() + kTurnNs; turn + waking_ns() < tick; turn += kTurnNs) {
    set_policy(SCHED_FIFO);
    wait_for_tick(turn);
    set_policy(SCHED_OTHER);
    sched_yield();
  }
  set_policy(SCHED_FIFO);
  wait_for_tick(tick + kHeldNs);
  set_policy(SCHED_OTHER);
}

bool is_asleep(pid_t pid) {
  std::error_code gone;
  for (const auto& task :
       std::filesystem::directory_iterator(fmt::format("/proc/{}/task", pid), gone)) {
    std::ifstream file(task.path() / "stat");
    std::string stat;
    std::getline(file, stat);
    // Behind the name in brackets, which may hold anything.
    const size_t end = stat.rfind(')');
    if (end == std::string::npos || stat.compare(end, 3, ") S") != 0) return false;
  }
  return !gone;
}

}  // namespace faultline
