// SPDX-License-Identifier: GPL-2.0-only
// One guest from start to end, and what became of it.
//
// Thread safety: functions may be called from any number of threads at once, each for a guest of
// its own. The guest dies with the thread that runs it.
#pragma once

#include <atomic>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/failure.h"
#include "harness/wire.h"
#include "vm/process.h"
#include "vm/qemu.h"

namespace faultline {

// How far a guest came.
enum class Stage {
  kStart,     // QEMU is started
  kBoot,      // until the `hello` frame
  kReady,     // until the `ready` frame
  kPark,      // until the guest stops itself
  kSave,      // its state is written
  kRestore,   // a state is read
  kCell,      // until the `done` frame
  kPowerOff,  // until QEMU is gone
};
std::string_view stage_name(Stage stage);

// What became of it. All but kOk and kCancelled are the VM's failures, or the guest's.
enum class Verdict {
  kOk,
  kCancelled,
  kKernelPanic,
  kKernelOops,  // an oops, a BUG, or a WARNING that the guest was told to die of
  kInitDied,    // the guest's first process ended or was killed
  kOutOfMemory,
  kHang,
  kGuestFailed,   // it sent a `fail` frame
  kNoDone,        // it went away without `done`
  kDamagedFrame,  // a frame's length or checksum was wrong
  kHalfFrame,     // the results end within a frame
  kQemuNotFound,
  kQemuFailed,     // QEMU ended with an error
  kQemuKilled,     // a signal ended QEMU
  kKvmRefused,     // QEMU may not use KVM, or there is none
  kStateUnusable,  // QEMU cannot start from the saved state
  kSaveFailed,     // QEMU cannot save the guest
};
std::string_view verdict_name(Verdict verdict);

enum class Mode {
  kBootAndPark,  // boot, stop at the guest's park, save it to a file
  kRestore,      // start from that file, run the cell
  kBootAndRun,   // boot, run the cell
};

// Seconds of real time.
struct Deadlines {
  double boot_s = 120;      // from the start to `ready`
  double cell_s = 600;      // between one frame and the next after `ready`
  double power_off_s = 30;  // from `done` until QEMU is gone; also for QEMU's own answers
  double total_s = 0;       // everything; 0: no limit
};

struct GuestJob {
  VmSpec spec = {};
  Mode mode = Mode::kBootAndRun;
  std::filesystem::path state = {};  // written by kBootAndPark, read by kRestore
  // Called while the guest, having sent a `wait` frame, stands still; then it goes on. What it
  // throws ends the guest and goes to the caller.
  std::function<void()> on_wait = {};
  std::string cell = {};  // up to wire::kCellSize bytes; unused by kBootAndPark
  Deadlines deadlines = {};
};

struct GuestOutcome {
  Verdict verdict = Verdict::kOk;
  Stage stage = Stage::kStart;                     // where it ended
  bool restored = false;                           // it came from a saved state, and did not boot
  ExitCode exit_code = ExitCode::kPass;            // kVmFailed, or what a `fail` frame said
  std::string message = {};                        // one line; empty when ok
  std::string console = {};                        // all that the guest printed
  std::vector<std::string> console_tail = {};      // its last 20 lines, unless ok
  std::vector<std::string> console_warnings = {};  // what a healthy kernel does not print
  double boot_s = 0;     // from the start to `ready`, real time; 0 when it did not happen
  double save_s = 0;     // from the park until the state was written
  double restore_s = 0;  // from the start until the guest ran
  double cell_s = 0;     // from then, or from `ready`, until QEMU was gone

  [[nodiscard]] bool ok() const { return verdict == Verdict::kOk; }
};

using FrameCallback = std::function<void(const wire::Frame&)>;

// Runs the guest to its end. `on_frame` is called in this thread for each whole frame as it comes;
// what it throws ends the guest and goes to the caller. Setting `cancel` ends it within 0.1 s. No
// process and no file but the wanted state is left, whatever happens. What befalls the VM is in the
// outcome; Failure(kUsage) when the job itself cannot be (see qemu_arguments, a cell too long, a
// state file that cannot be written).
GuestOutcome run_guest(const GuestJob& job, const FrameCallback& on_frame,
                       const std::atomic<bool>& cancel);

// Runs jobs 0 to `count`-1, `workers` at a time, each in a thread of its own. `done` is called
// under a lock in the order in which they end. Once `cancel` is set no further job starts. If
// `run` or `done` throws, the rest is cancelled (by setting `cancel`) and the first exception is
// thrown when all have ended.
void run_many(std::size_t count, unsigned workers,
              const std::function<GuestOutcome(std::size_t)>& run,
              const std::function<void(std::size_t, GuestOutcome)>& done,
              std::atomic<bool>& cancel);

// How many guests may run side by side without touching each other's figures: the host's cores
// where guest time does not see the host, else 1.
unsigned workers_for(Accel accel);

// The parts that judge; pure.

// Everything known about a guest that has ended.
struct Evidence {
  Mode mode = Mode::kBootAndRun;
  Stage stage = Stage::kStart;
  bool cancelled = false;
  double overdue_s = 0;              // the deadline that it missed; 0: none
  bool done = false;                 // the `done` frame came
  bool saved = false;                // the state was written
  std::string shutdown_reason = {};  // as QEMU calls it; `guest-shutdown`: the guest powered off
  std::optional<wire::Frame> fail = std::nullopt;
  std::size_t damaged_frames = 0;
  std::size_t half_frame_bytes = 0;
  bool panic_reported = false;                    // by the pvpanic device, and not as a park
  std::optional<ExitStatus> exit = std::nullopt;  // when QEMU ended by itself
  std::string qemu_output = {};
  std::string qmp_error = {};  // why saving failed
  std::string console = {};
};
// Sets verdict, stage, exit_code, message, console, console_tail and console_warnings.
GuestOutcome judge(const Evidence& evidence);

// Lines that a healthy kernel does not print, at most 20.
std::vector<std::string> kernel_warnings(std::string_view console);
// The last `count` lines that are not empty, without carriage returns or control characters.
std::vector<std::string> last_lines(std::string_view text, std::size_t count);

}  // namespace faultline
