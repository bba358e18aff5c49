// SPDX-License-Identifier: GPL-2.0-only
// Debian's kernels: which there are, and fetching them into the cache.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "vm/kernel.h"
#include "vm/kernel_table.h"
#include "vm/packages/fetch.h"

namespace faultline {

// All point releases that the mirrors hold, oldest first. What was read once is kept in `cache`
// until asked to refresh. Failure as fetch_kernel().
std::vector<KernelRow> point_releases(const std::filesystem::path& cache,
                                      const Progress& progress = {},
                                      const FetchOptions& options = {});

// The rows that a name stands for: a row's id or alias, or a glob of these; `all` of them; else a
// point release or a glob of these; `releases`: all of these. Failure(kUsage) if there is none.
std::vector<KernelRow> kernels_named(const std::string& name, const std::filesystem::path& cache,
                                     const Progress& progress = {},
                                     const FetchOptions& options = {});

// The kernel of the row, the newest if it names no version. One already in `cache` is returned
// without touching the network, unless asked to refresh. Safe with other commands that use the same
// cache; whatever interrupts it, the cache holds a whole kernel or none. Failure(kUsage) if this
// machine has no apt, no Debian mirror, or the cache cannot be written; Failure(kVmFailed) if
// fetching fails.
FetchedKernel fetch_kernel(const KernelRow& row, const std::filesystem::path& cache,
                           const Progress& progress = {}, const FetchOptions& options = {});

// The list [{id, aliases, suites, fetched, release, package, version, note, default}] of `rows`, in
// their order; release, package and version are null for what is not in `cache`. No network.
nlohmann::json kernels_json(const std::filesystem::path& cache,
                            const std::vector<KernelRow>& rows = kernel_table());

}  // namespace faultline
