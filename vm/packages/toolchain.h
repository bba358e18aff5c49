// SPDX-License-Identifier: GPL-2.0-only
// A compiler from another Debian suite, for kernels newer than this machine. It is unpacked into
// the cache and runs through its own loader and libraries: no root, no chroot, nothing installed.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "vm/packages/fetch.h"

namespace faultline {

struct Toolchain {
  std::filesystem::path root = {};    // what its packages call /
  std::filesystem::path loader = {};  // ld-linux-x86-64.so.2
  std::filesystem::path libraries = {};
  std::filesystem::path compiler = {};
};

// `compiler` (gcc-14) and binutils of `suite`, with the libraries that `libs` (packages) hold.
// Those already in `cache`/toolchain are returned without touching the network. Safe with other
// commands that use the same cache; whatever interrupts it, the cache holds a whole one or none.
// Failure(kSkipped) if what the suite offers is no such compiler; else as fetch_kernel().
Toolchain fetch_toolchain(const std::string& suite, const std::string& compiler,
                          const std::vector<std::string>& libs, const std::filesystem::path& cache,
                          const Progress& progress = {}, const FetchOptions& options = {});

// The suite that a suite builds on: "trixie" for "trixie-backports". Pure.
std::string base_suite(const std::string& suite);

// The command that runs `program` of the toolchain: its own loader comes first.
std::vector<std::string> command_of(const Toolchain& toolchain,
                                    const std::filesystem::path& program);

// A shell script that runs `program` in this way, with the script's own arguments. Pure.
std::string front_script(const Toolchain& toolchain, const std::filesystem::path& program);

// Writes into `folder` (which must exist) a script for the compiler and each program of binutils,
// and returns the variables by which make takes them.
std::vector<std::string> write_fronts(const Toolchain& toolchain,
                                      const std::filesystem::path& folder);

}  // namespace faultline
