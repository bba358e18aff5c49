// SPDX-License-Identifier: GPL-2.0-only
// What modules are built against: the headers of a kernel, and the tools of its build that come
// with them. Nothing is installed on the host.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "vm/kernel.h"
#include "vm/packages/fetch.h"

namespace faultline {

struct KernelHeaders {
  std::filesystem::path build = {};    // for `make -C`
  std::filesystem::path root = {};     // what the packages call /; empty for the user's own
  std::string version = {};            // Debian's; empty for the user's own
  std::string compiler = {};           // that the kernel was built with: gcc-12; empty if not known
  int compiler_major = 0;              // 12; 0 if not known
  std::vector<std::string> libs = {};  // packages of the libraries that the build's tools need
};

// The headers of exactly this kernel: same release, same version of the packages. Those already in
// `cache`/headers/RELEASE are returned without touching the network. For a kernel of the user's
// own, what its modules folder calls `build`. Safe with other commands that use the same cache;
// whatever interrupts it, the cache holds whole headers or none.
// Failure(kSkipped) if there are none, on the mirror or in the modules folder; else as
// fetch_kernel().
KernelHeaders fetch_headers(const FetchedKernel& kernel, const std::filesystem::path& cache,
                            const Progress& progress = {}, const FetchOptions& options = {});

// Tells whether fetch_headers() would need no network.
bool have_headers(const FetchedKernel& kernel, const std::filesystem::path& cache);

// The text of a Makefile that Debian's headers hold, with its absolute paths below /usr/src made
// relative to the Makefile itself. Pure.
std::string relative_makefile(const std::string& text);

// The compiler (gcc-12) and its major version (12) in a kernel's .config. Pure.
struct ConfiguredCompiler {
  std::string name = {};
  int major = 0;
};
ConfiguredCompiler compiler_in(const std::string& config);

}  // namespace faultline
