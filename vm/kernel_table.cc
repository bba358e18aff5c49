// SPDX-License-Identifier: GPL-2.0-only
#include "vm/kernel_table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fnmatch.h>
#include <regex.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <numeric>
#include <utility>

#include "cell/failure.h"
#include "cell/words.h"

namespace faultline {
namespace {

[[noreturn]] void throw_unknown(const std::string& name) {
  std::vector<std::string> ids;
  for (const KernelRow& row : kernel_table()) ids.push_back(row.id);
  const std::vector<std::string> near = near_names(name, all_kernel_names());
  throw Failure(ExitCode::kUsage,
                near.empty() ? fmt::format("no kernel {}; there are {}", name, fmt::join(ids, ", "))
                             : fmt::format("no kernel {}; did you mean {}? There are {}", name,
                                           fmt::join(near, " or "), fmt::join(ids, ", ")));
}

}  // namespace

const std::vector<KernelRow>& kernel_table() {
  static const std::vector<KernelRow> table = {
      {.id = "bookworm",
       .aliases = {"6.1"},
       .suites = {"bookworm", "bookworm-security"},
       .package = R"(linux-image-(6\.1\.0-[0-9]+-cloud-amd64))",
       .parts = {},
       .note = "Debian 12; the default"},
      {.id = "bullseye",
       .aliases = {"5.10"},
       .suites = {"bullseye", "bullseye-security"},
       .package = R"(linux-image-(5\.10\.0-[0-9]+-cloud-amd64))",
       .parts = {},
       .note = "Debian 11; no BTF for modules, so fewer probes"},
      {.id = "bookworm-backports",
       .aliases = {"6.12"},
       .suites = {"bookworm-backports"},
       .package = R"(linux-image-(6\.12\.[0-9]+\+deb12-cloud-amd64))",
       .parts = {},
       .note = "Debian 12 backports"},
      {.id = "7.2",
       .aliases = {"trixie-backports-7.2"},
       .suites = {"trixie-backports"},
       .package = R"(linux-image-(7\.2\.[0-9]+\+deb13-cloud-amd64))",
       .parts = {"linux-base-", "linux-binary-", "linux-modules-"},
       .note = "Debian 13 backports"},
      {.id = "7.3",
       .aliases = {"trixie-backports-7.3", "trixie-backports"},
       .suites = {"trixie-backports"},
       .package = R"(linux-image-(7\.3\.[0-9]+\+deb13-cloud-amd64))",
       .parts = {"linux-base-", "linux-binary-", "linux-modules-"},
       .note = "Debian 13 backports"},
  };
  return table;
}

std::vector<KernelRow> find_kernels(const std::string& glob) {
  std::vector<KernelRow> rows = rows_matching(glob, kernel_table());
  if (rows.empty()) throw_unknown(glob);
  return rows;
}

PlantedName planted_name(const std::string& text) {
  const std::size_t plus = text.rfind('+');
  PlantedName planted = {text, 0};
  if (plus == std::string::npos || plus == 0) return planted;
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data() + plus + 1, end, planted.delay);
  if (error != std::errc() || at != end) return {text, 0};
  planted.name = text.substr(0, plus);
  return planted;
}

std::vector<KernelRow> releases_of(const KernelRow& row, const std::vector<std::string>& versions) {
  const auto upstream = [](const std::string& version) {
    return version.substr(0, version.rfind('-'));
  };
  std::vector<KernelRow> releases;
  for (std::size_t i = 0; i < versions.size(); ++i) {
    const bool last =
        i + 1 == versions.size() || upstream(versions[i + 1]) != upstream(versions[i]);
    KernelRow release = row;
    release.id = last ? upstream(versions[i]) : versions[i].substr(0, versions[i].find('~'));
    release.aliases = {};
    release.version = versions[i];
    releases.push_back(std::move(release));
  }
  return releases;
}

// Not std::regex: GCC 12 warns of the library's own code under the sanitizers.
std::string release_in(const std::string& package, const std::string& pattern) {
  regex_t compiled = {};
  if (::regcomp(&compiled, ("^" + pattern + "$").c_str(), REG_EXTENDED) != 0) {
    throw Failure(ExitCode::kUsage,
                  fmt::format("{} is no regular expression; correct the kernel's row", pattern));
  }
  std::array<regmatch_t, 2> groups = {};
  const bool found = ::regexec(&compiled, package.c_str(), groups.size(), groups.data(), 0) == 0;
  ::regfree(&compiled);
  if (!found || groups[1].rm_so < 0) return "";
  return package.substr(groups[1].rm_so, groups[1].rm_eo - groups[1].rm_so);
}

std::vector<KernelRow> rows_matching(const std::string& glob, const std::vector<KernelRow>& rows) {
  std::vector<KernelRow> found;
  for (const KernelRow& row : rows) {
    std::vector<std::string> names = row.aliases;
    names.push_back(row.id);
    if (std::any_of(names.begin(), names.end(), [&](const std::string& name) {
          return ::fnmatch(glob.c_str(), name.c_str(), 0) == 0;
        })) {
      found.push_back(row);
    }
  }
  return found;
}

std::vector<std::string> all_kernel_names() {
  std::vector<std::string> names;
  for (const KernelRow& row : kernel_table()) {
    names.push_back(row.id);
    names.insert(names.end(), row.aliases.begin(), row.aliases.end());
  }
  return names;
}

}  // namespace faultline
