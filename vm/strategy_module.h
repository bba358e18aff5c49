// SPDX-License-Identifier: GPL-2.0-only
// The strategy module (kmod/), built for one kernel against its own headers, without root. The
// image's bytes steer the guest's time, so the same sources, headers and compiler give the same
// bytes, in whatever folder they are built.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "vm/kernel.h"
#include "vm/packages/fetch.h"

namespace faultline {

struct BuiltModule {
  std::string release = {};
  std::string compiler = {};        // the first line of its --version
  std::filesystem::path path = {};  // faultline.ko, in the cache
  std::string sha256 = {};
  bool made_now = false;  // false: it was in the cache
  double seconds = 0;     // that the build took
};

// Builds `source_dir` as an external module for `kernel`, or returns what `cache`/kmod has for the
// same sources, headers and compiler. The headers are fetched if need be. Safe with other commands
// that use the same cache.
// Failure(kSkipped), its message a reason for a row, if there are no sources, headers or compiler,
// or the build fails: then it names the compiler's first error.
BuiltModule build_strategy_module(const FetchedKernel& kernel,
                                  const std::filesystem::path& source_dir,
                                  const std::filesystem::path& cache, const Progress& progress = {},
                                  const FetchOptions& options = {});

// The files of `source_dir` that a build reads, by name: paths relative to it, and contents. What
// an earlier build left there is passed over.
std::vector<std::pair<std::string, std::string>> module_sources(
    const std::filesystem::path& source_dir);

// The first error in what make and its compilers said, one line, with `folders` taken out of its
// paths; the last line if none looks like an error. Pure.
std::string first_build_error(const std::string& output, const std::vector<std::string>& folders);

}  // namespace faultline
