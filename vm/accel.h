// SPDX-License-Identifier: GPL-2.0-only
// Which accelerators work here. The presence of /dev/kvm proves nothing: there are hosts where a
// stock kernel hangs in it. An accelerator counts once a guest's first process has spoken.
#pragma once

#include <atomic>
#include <filesystem>
#include <string>

#include "vm/qemu.h"

namespace faultline {

struct AccelProbe {
  bool works = false;
  double seconds = 0;       // how long the probe took, or was waited for
  std::string reason = {};  // why it does not work, one line; empty if it works
  bool cached = false;      // the answer is one that a former probe has left in the cache
};

// How long a guest may take to say something: 10 s for kvm, 120 s for an emulator.
double default_probe_deadline(Accel accel);

// Boots `kernel` with a first process of 200 bytes that says `hello` and powers off. The answer is
// kept in `cache` for a day for this kernel, QEMU and boot of the host. Any thread may call it.
// Failure(kUsage) if the kernel or the cache cannot be used. If it is cancelled, `works` is false
// and nothing is kept.
AccelProbe probe_accel(Accel accel, const std::filesystem::path& kernel,
                       const std::filesystem::path& cache, const std::atomic<bool>& cancel,
                       double deadline_s = 0, const std::string& qemu = "qemu-system-x86_64");

// An x86-64 executable without libraries that writes `text` to wire::kResultPort and powers off.
// Pure.
std::string probe_program(const std::string& text);

}  // namespace faultline
