// SPDX-License-Identifier: GPL-2.0-only
// The kernels that can be booted: the table, fetching Debian's packages into the cache, and
// kernels of the user's own.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace faultline {

// One row per kernel. A new Debian kernel is one more row.
struct KernelRow {
  std::string id = {};
  std::vector<std::string> aliases = {};
  std::vector<std::string> suites = {};  // of Debian
  // Extended regular expression (POSIX) for the whole name; its first group is the release.
  std::string package = {};
  // The files are in PREFIX-RELEASE for each of these prefixes; all must be on offer.
  std::vector<std::string> parts = {};
  std::string note = {};
  // Debian's version of a point release; empty in the table, whose rows are the newest.
  std::string version = {};
};

// The table; the first row is the default kernel.
const std::vector<KernelRow>& kernel_table();

// The row whose id or alias is `name`; the rows for which `glob` (as in a shell) matches one.
// Failure(kUsage) if there is none, with the near names.
const KernelRow& find_kernel(const std::string& name);
std::vector<KernelRow> find_kernels(const std::string& glob);

// The `candidates` that one may have meant by `word`, nearest first, at most three. Pure.
std::vector<std::string> near_names(std::string_view word,
                                    const std::vector<std::string>& candidates);

// The release that `pattern` (KernelRow::package) finds in a package's name; empty if it does not
// match. Failure(kUsage) if the pattern is malformed. Pure.
std::string release_in(const std::string& package, const std::string& pattern);

// A kernel that can be booted.
struct FetchedKernel {
  std::string id = {};                     // of the row, or the path that the user gave
  std::string release = {};                // uname -r
  std::string build = {};                  // the whole version string in the bzImage
  std::string package = {};                // Debian's name; empty for the user's own
  std::string version = {};                // Debian's version; empty for the user's own
  std::filesystem::path vmlinuz = {};      // a bzImage
  std::filesystem::path modules_dir = {};  // what the kernel calls /lib/modules/RELEASE
  std::filesystem::path config = {};       // empty if not known
  std::vector<std::string> suites = {};    // of Debian; empty for the user's own
  std::uint64_t delay = 0;  // instructions planted in each fault; `id` ends in +delay
};

// One line for the user about a step that takes time.
using Progress = std::function<void(const std::string&)>;

struct FetchOptions {
  bool refresh = false;                        // look for a newer one than the cache has
  std::filesystem::path etc_apt = "/etc/apt";  // where this machine's apt sources are
};

// A kernel's name and the delay planted in it: "bookworm+200" is "bookworm" and 200. Pure.
struct PlantedName {
  std::string name = {};
  std::uint64_t delay = 0;
};
PlantedName planted_name(const std::string& text);

// The point releases of a row that have these versions, which are sorted: called by the kernel's
// own version (6.1.192), and where Debian has built that more than once, all but the last by
// Debian's too (6.1.192-1). Pure.
std::vector<KernelRow> releases_of(const KernelRow& row, const std::vector<std::string>& versions);

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

// A kernel of the user's own. `modules_dir` may be the modules folder itself, or the place given
// to `make modules_install` as INSTALL_MOD_PATH. Failure(kUsage), naming what is wrong, if the
// file is no bzImage or the folder has no modules of that release.
FetchedKernel kernel_from_path(const std::filesystem::path& bzimage,
                               const std::filesystem::path& modules_dir);

// The version string ("6.1.0-56-cloud-amd64 (debian-kernel@...) #1 SMP ...") in a bzImage's first
// 64 KiB or more. Failure(kUsage) naming `where` if the bytes are no bzImage. Pure.
std::string bzimage_version(std::string_view bytes, const std::string& where);

// [{id, aliases, suites, fetched, release, package, version, note, default}] of `rows`, in their
// order; release, package and version are null for what is not in `cache`. No network.
nlohmann::json kernels_json(const std::filesystem::path& cache,
                            const std::vector<KernelRow>& rows = kernel_table());

}  // namespace faultline
