// SPDX-License-Identifier: GPL-2.0-only
// The kernels that are known by name.
#pragma once

#include <cstdint>
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

// The rows of which `glob` (as in a shell) matches the id or an alias. Failure(kUsage) if there is
// none, with the near names.
std::vector<KernelRow> find_kernels(const std::string& glob);

// The release that `pattern` (KernelRow::package) finds in a package's name; empty if it does not
// match. Failure(kUsage) if the pattern is malformed. Pure.
std::string release_in(const std::string& package, const std::string& pattern);

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

// The rows among `rows` of which the glob matches the id or an alias. Pure.
std::vector<KernelRow> rows_matching(const std::string& glob, const std::vector<KernelRow>& rows);

// Every id and alias of the table.
std::vector<std::string> all_kernel_names();

}  // namespace faultline
