// SPDX-License-Identifier: GPL-2.0-only
// What became of a guest, judged from all that is known once it has ended. All functions here are
// pure, so any thread may call them.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cell/failure.h"
#include "harness/wire.h"
#include "vm/process.h"

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

// What became of a guest. All but kOk and kCancelled are the VM's failures, or the guest's.
enum class Verdict {
  kOk,
  kCancelled,
  kKernelPanic,
  kKernelOops,  // an oops, a BUG, or a WARNING that the guest was told to die of
  kInitDied,    // the guest's first process ended or was killed
  kOutOfMemory,
  kHang,
  kTooMuchSaid,   // its console or its results outgrew what any guest has to say
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

// What a guest is started for.
enum class GuestMode {
  kBootAndPark,  // boot, stop at the guest's park, save it to a file
  kRestore,      // start from that file, run the cell
  kBootAndRun,   // boot, run the cell
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
  double cell_s = 0;     // from when it ran again, or from `ready`, until QEMU was gone

  [[nodiscard]] bool ok() const { return verdict == Verdict::kOk; }
};

// Everything known about a guest that has ended.
struct Evidence {
  GuestMode mode = GuestMode::kBootAndRun;
  Stage stage = Stage::kStart;
  bool cancelled = false;
  double overdue_s = 0;              // the limit in seconds that it has exceeded; 0 if none
  std::string outgrown = {};         // which of its channels held too much, in words; "": none
  bool done = false;                 // the `done` frame came
  bool saved = false;                // the state was written
  bool released = false;             // it waited, and was not needed any more
  std::string shutdown_reason = {};  // as QEMU calls it: `guest-shutdown` if the guest powered off
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

// Why QEMU ended, in its own words: the last line of its output that is no warning.
std::string qemu_reason(std::string_view output);

// Lines that a healthy kernel does not print, at most 20.
std::vector<std::string> kernel_warnings(std::string_view console);
// The last `count` lines that are not empty, without carriage returns or control characters.
std::vector<std::string> last_lines(std::string_view text, std::size_t count);

}  // namespace faultline
