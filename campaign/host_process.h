// SPDX-License-Identifier: GPL-2.0-only
// Cells on the running kernel: each in a process of its own, in a folder that this run has made on
// the user's mount.
#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "campaign/context.h"
#include "vm/files.h"
#include "vm/guest.h"

namespace faultline {

// What a row's `kernel` says, and --on.
inline constexpr char kHostKernel[] = "host";

class HostProcess {
 public:
  // Makes the folder in `dir`, which must be there; it goes with this object and all that is in it.
  // Failure(kUsage) when that cannot be.
  HostProcess(const CommandContext& context, const std::string& dir);
  ~HostProcess();
  HostProcess(const HostProcess&) = delete;
  HostProcess& operator=(const HostProcess&) = delete;

  // Runs one cell (JSON; empty: only looks) to its end, which is told as a guest's is: a crash is a
  // failure of the cell. `on_frame` gets the frames when it has ended. No process is left.
  GuestOutcome run(const std::string& cell, double deadline_s, const FrameCallback& on_frame,
                   const std::atomic<bool>& cancel) const;

 private:
  const CommandContext& context_;
  std::filesystem::path dir_;
  std::unique_ptr<TempDir> folder_;
};

// The part of a result's `context.kernels.host` that no cell tells.
nlohmann::json host_kernel();

// What is known of the end of a cell's process; judge_cell() says what it means, and is pure.
// `output` is what the process printed.
struct CellEnd {
  bool cancelled = false;
  double overdue_s = 0;  // 0: in time
  int exit_code = 0;
  int signal = 0;
  bool done = false;      // the `done` frame came
  std::string fail = {};  // payload of a `fail` frame
  std::string output = {};
};
GuestOutcome judge_cell(const CellEnd& end);

}  // namespace faultline
