// SPDX-License-Identifier: GPL-2.0-only
// The raw clock of a cell.
#pragma once

#include <x86intrin.h>

#include <cstdint>
#include <ctime>

namespace faultline {

// The time stamp counter. Under `-icount shift=0` it advances by one per guest instruction
// (QEMU 7.2, accel/tcg/icount-common.c), so a difference is a count of instructions: unit `instr`.
// Elsewhere it is ticks of an unknown rate.
inline uint64_t read_ticks() { return __rdtsc(); }

// Reads the time stamp counter by one instruction, as read_ticks() does, but with a prefix that no
// CPU heeds here: the observer knows by it where the measured loop begins and ends
// (wire::kMarkBegin and those beside it).
template <uint8_t Mark>
uint64_t read_ticks_marked() {
  uint64_t low = 0;
  uint64_t high = 0;
  asm volatile(".byte %c2\n\trdtsc" : "=a"(low), "=d"(high) : "i"(Mark));
  return high << 32U | low;
}

// Reads the counter's lower half, for spans below 2^32 ticks: that saves the instruction that puts
// the halves together.
inline uint32_t read_short_ticks() {
  uint32_t low = 0;
  asm volatile("rdtsc" : "=a"(low) : : "edx");
  return low;
}

// The kernel's clock tick, 1/CONFIG_HZ, in ns: the grain of the coarse clock (TICK_NSEC;
// kernel/time/posix-timers.c, posix_get_coarse_res(), 5.10 to 7.3).
inline uint64_t clock_tick_ns() {
  timespec grain{};
  clock_getres(CLOCK_MONOTONIC_COARSE, &grain);
  return static_cast<uint64_t>(grain.tv_sec) * 1'000'000'000U +
         static_cast<uint64_t>(grain.tv_nsec);
}

}  // namespace faultline
