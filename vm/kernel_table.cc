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

std::size_t edit_distance(std::string_view left, std::string_view right) {
  std::vector<std::size_t> row(right.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (std::size_t i = 0; i < left.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < right.size(); ++j) {
      const std::size_t changed = diagonal + (left[i] == right[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({changed, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
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

std::vector<std::string> near_names(std::string_view word,
                                    const std::vector<std::string>& candidates) {
  // Up to a third of the letters may be wrong.
  const std::size_t limit = std::max<std::size_t>(1, word.size() / 3);
  std::vector<std::pair<std::size_t, std::string>> near;
  for (const std::string& candidate : candidates) {
    const std::size_t distance = edit_distance(word, candidate);
    if (distance <= limit) near.emplace_back(distance, candidate);
  }
  std::stable_sort(near.begin(), near.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> names;
  for (const auto& [distance, name] : near) {
    if (names.size() < 3) names.push_back(name);
  }
  return names;
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
