// SPDX-License-Identifier: GPL-2.0-only
// A session (harness/wire.h) from the host's side: what the guest is given, its bytes to and from
// the user, and what became of it.
#pragma once

#include <atomic>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "campaign/context.h"
#include "campaign/machine.h"
#include "vm/guest.h"
#include "vm/kernel_table.h"
#include "vm/qemu.h"

namespace faultline {

struct SessionSpec {
  std::string kernel = {};                     // its id
  VmSpec vm = {};                              // kernel, initrd, accelerator, memory
  std::filesystem::path tools = {};            // disk of tools
  std::vector<std::string> fs = {};            // one pmem device each
  std::vector<std::string> command = {};       // empty: a shell
  std::vector<std::filesystem::path> in = {};  // for /in
  std::filesystem::path out = {};              // where /out goes; empty: nowhere
  bool keep_output = false;                    // into SessionEnd instead of to stdout and stderr
  double boot_s = 120;
};

struct SessionEnd {
  GuestOutcome guest = {};
  std::optional<int> code = std::nullopt;  // of the command; none: the guest ended before it
  std::string out = {};                    // with keep_output
  std::string err = {};
};

// What a session is made of, by the names that a user gives.
struct SessionWishes {
  std::string kernel = kernel_table().front().id;
  std::string modules = {};  // of a kernel given by its path
  std::vector<std::string> fs = {"ext4", "ext4-fc", "xfs"};
  std::string accel = "tcg-icount";
  // Idle time passes as on the host's clock (for a person), or is skipped (for a program).
  bool idle_waits = false;
};
// Makes a session of what is wished for; fetches and builds what is missing. Failure as of its
// parts.
SessionSpec make_session(const CommandContext& context, const SessionWishes& wishes,
                         const std::filesystem::path& cache, const std::atomic<bool>& cancel,
                         const Say& say);

// Runs the session on this process's stdin, stdout and stderr: as a terminal where stdin and stdout
// are one, which is then raw until the end and as it was after it. Setting `cancel` ends the guest.
// Failure(kUsage) for files that cannot be read or written.
SessionEnd run_session(const SessionSpec& spec, const std::atomic<bool>& cancel);
// The exit code of the session's command. Of a guest that ended before the command it is kVmFailed
// or what the guest said, and stderr says why.
ExitCode exit_code_of(const SessionEnd& end);

}  // namespace faultline
