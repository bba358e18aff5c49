// SPDX-License-Identifier: GPL-2.0-only
// Waits that end at an instruction which no host decides. In virtual time QEMU moves the clock of a
// halted CPU on to the next timer (`-icount sleep=off`), from its main loop; where that loop is
// awake for another reason just as the CPU halts, it reads a clock that lacks the instructions run
// since the last accounting, and moves it too far by as many (7.2: softmmu/icount.c,
// icount_start_warp_timer(); cpu_thread_is_idle() sees `halted` before icount_process_data() has
// counted). One contest of 50 differed so on a loaded host, and every second one beside a monitor
// that was kept busy. A wake that comes late leaves more than its lateness: the kernel sets the
// timer of its next tick in steps of 16 ns from the instruction at which it does (APIC_DIVISOR,
// arch/x86/kernel/apic/apic.c), so that every later tick comes some instructions sooner or later.
// So the CPU does not halt until a measurement begins (KeptAwake; once where the guest parks,
// harness/init.h), and among a contest's parties whoever has slept runs no-ops up to an
// instruction that was set before.
#pragma once

#include <sys/types.h>

#include <cstdint>

namespace faultline {

// Process 1 calls this in a guest of virtual time with one vCPU. Without it the waits below sleep
// and no more.
void make_waits_exact();
bool has_exact_waits();

// Who has slept until a tick is awake so many ns after it at the latest. QEMU accounts for
// instructions whenever a timer runs over, so that a halt moves the clock too far by a clock tick
// at most.
uint64_t waking_ns();

// Sleeps for so long and, where waits are exact, waking_ns() more; ends at the same instruction
// however the clock was moved.
void wait_ns(uint64_t ns);
// Waits for two clock ticks and a bit: the coarse clock, which stamps mtime (fs/inode.c,
// current_time()), has then moved for certain. An exact one does not sleep, for a measurement goes
// on: of 128 waits that slept beside a monitor that was kept busy, one moved a figure by 3
// instructions.
void wait_past_tick();
// While it lives, the CPU does not halt: a process of the idle class runs no-ops when nobody else
// runs. Of measurements only `unrelated`'s has one, nor is there one while a contest's parties get
// ready: what it runs moves the scheduler's clock on (cfs_rq->min_vruntime), and who sleeps longest
// is no longer ahead. Does nothing where waits are not exact.
class KeptAwake {
 public:
  KeptAwake();
  ~KeptAwake();
  KeptAwake(const KeptAwake&) = delete;
  KeptAwake& operator=(const KeptAwake&) = delete;

 private:
  pid_t pid_ = 0;
};
// Returns at that very tick of read_ticks(), unless an interrupt falls into the last 4
// microseconds. Runs no-ops: QEMU translates 512 of them to one block.
void wait_for_tick(uint64_t tick);
// Keeps the CPU from whoever wakes up at that tick, for some microseconds past it: they are woken
// by a CPU that was running. Until shortly before, those who have work to do get the CPU once a
// millisecond. The CPU does not halt meanwhile. Does nothing where waits are not exact.
void hold_cpu_until(uint64_t tick);
// Tells whether all threads of a process sleep (proc(5), state S).
bool is_asleep(pid_t pid);

}  // namespace faultline
