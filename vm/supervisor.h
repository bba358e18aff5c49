// SPDX-License-Identifier: GPL-2.0-only
// One guest from start to end.
//
// Thread safety: run_guest() may be called from any number of threads at once, each for a guest of
// its own. The guest dies with the thread that runs it.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "harness/wire.h"
#include "vm/qemu.h"
#include "vm/verdict.h"

namespace faultline {

// Seconds of real time.
struct Deadlines {
  double boot_s = 120;      // from the start to `ready`
  double cell_s = 600;      // between one frame and the next after `ready`
  double power_off_s = 30;  // from `done` until QEMU is gone; also the limit of QEMU's own answers
  double total_s = 0;       // from the start to the end; 0 is no limit
};

// A guest that stands still, as two files.
struct StateFiles {
  std::filesystem::path devices = {};  // QEMU's migration stream, without the memory
  std::filesystem::path memory = {};   // RAM and pmem; a hole where a page is zero
};

struct GuestJob {
  VmSpec spec = {};
  GuestMode mode = GuestMode::kBootAndRun;
  // Written by kBootAndPark, read by kRestore. A restored guest stores into pages of its own; where
  // spec.memory_file is set, that file is made to hold the memory.
  StateFiles state = {};
  // Called when the guest has sent a `wait` frame and stands still. True: it goes on; false: it is
  // not needed any more, and all was well. What it throws ends the guest and goes to the caller of
  // run_guest().
  std::function<bool()> on_wait = {};
  std::string cell = {};  // less than wire::kCellSize bytes; unused by kBootAndPark
  bool symbols = false;   // the guest is to send its kernel's, after its row
  // A guest that says more is ended: it would fill the host's memory. The results of a session are
  // what its user is to see, and nobody keeps them: 0 is no limit.
  std::uint64_t most_console = std::uint64_t{64} << 20;
  std::uint64_t most_results = std::uint64_t{1} << 30;
  Deadlines deadlines = {};
};

using FrameCallback = std::function<void(const wire::Frame&)>;

// Runs the guest to its end. `on_frame` is called in this thread for each whole frame as it comes;
// what it throws ends the guest and goes to the caller. Setting `cancel` ends it within 0.1 s. No
// process and no file but the wanted state is left, whatever happens. What befalls the VM is in the
// outcome; Failure(kUsage) when the job itself is wrong: a spec that qemu_arguments() refuses, a
// cell that is too long, a state file that cannot be opened.
GuestOutcome run_guest(const GuestJob& job, const FrameCallback& on_frame,
                       const std::atomic<bool>& cancel);

}  // namespace faultline
