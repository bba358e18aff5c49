// SPDX-License-Identifier: GPL-2.0-only
// Many guests, some of them side by side.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>

#include "vm/qemu.h"
#include "vm/verdict.h"

namespace faultline {

// Runs jobs 0 to `count`-1, `workers` at a time, each in a thread of its own. `done` is called
// under a lock in the order in which they end. Once `cancel` is set no further job starts. If
// `run` or `done` throws, the rest is cancelled (by setting `cancel`) and the first exception is
// thrown when all have ended.
void run_many(std::size_t count, unsigned workers,
              const std::function<GuestOutcome(std::size_t)>& run,
              const std::function<void(std::size_t, GuestOutcome)>& done,
              std::atomic<bool>& cancel);

// How many guests may run side by side without changing each other's figures: as many as the host
// has cores where guest time is a count of instructions, else 1.
unsigned workers_for(Accel accel);

// This machine's memory, in MiB.
unsigned memory_of_machine_mib();
// How many guests of `guest_mib` a user may ask for side by side: what the memory holds, and
// always one per core. Pure.
unsigned most_guests(unsigned memory_mib, unsigned guest_mib, unsigned cores);

}  // namespace faultline
