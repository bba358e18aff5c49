// SPDX-License-Identifier: GPL-2.0-only
// The QEMU that guests run in. Two versions of it give figures that differ by up to 0.6 %, since a
// boot takes another time in each and so the kernel's own timers fall elsewhere; so one version is
// that of all figures, whatever the host has.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "vm/packages/fetch.h"

namespace faultline {

struct QemuProgram {
  std::filesystem::path program = {};  // what is started
  std::filesystem::path binary = {};   // the ELF file behind it
  std::string version = {};            // first line of --version
  bool fetched = false;                // of the guest's suite, and not this machine's
  // Tells whether it can filter its own system calls: it is linked with libseccomp.
  [[nodiscard]] bool has_sandbox() const;
};

// Finds or fetches that QEMU. FAULTLINE_QEMU may name it: `system` is this machine's, else it is a
// path. If it is not set, this machine's is taken if it is of the version of the guest's suite
// (kGuestSuite); else that suite's own, which is fetched into `cache`/qemu once and runs through
// its own loader. Failure(kUsage) if it is not installed, or FAULTLINE_QEMU names none; else as
// fetch_kernel().
QemuProgram guest_qemu(const std::filesystem::path& cache, const Progress& progress = {},
                       const FetchOptions& options = {});

// Finds that QEMU without the network; nothing where it would have to be fetched.
std::optional<QemuProgram> find_guest_qemu(const std::filesystem::path& cache);

// Tells whether `qemu-system-x86_64 --version` said a version whose figures are those of the
// guest's suite. Pure.
bool is_of_guest_suite(const std::string& version);

// Where a package's file goes below the root of the fetched QEMU: the program, shared libraries,
// firmware; empty: it is left out. Pure.
std::string qemu_place_of(const std::string& member);

}  // namespace faultline
