// SPDX-License-Identifier: GPL-2.0-only
#include "vm/kernels.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fnmatch.h>
#include <regex.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <utility>

#include "harness/failure.h"
#include "vm/cache/entry.h"
#include "vm/files.h"
#include "vm/modules.h"
#include "vm/packages/apt.h"
#include "vm/packages/package.h"

namespace faultline {
namespace fs = std::filesystem;

namespace {

void tell(const Progress& progress, const KernelRow& row, std::string_view what) {
  if (progress) progress(fmt::format("kernel {}: {}", row.id, what));
}

CacheEntry entry_of(const KernelRow& row, const fs::path& cache) {
  const bool newest = row.version.empty();
  return {cache,
          {.kind = "kernels",
           .name = newest ? row.id : row.version,
           .from = newest ? nlohmann::json::object() : nlohmann::json{{"version", row.version}}}};
}

// The kernel in `folder`, if the folder holds all that its stamp promises.
std::optional<FetchedKernel> load_fetched(const KernelRow& row, const fs::path& folder,
                                          const nlohmann::json& stamp) {
  const auto release = stamp.at("release").get<std::string>();
  FetchedKernel kernel = {.id = row.id,
                          .release = release,
                          .build = stamp.at("build").get<std::string>(),
                          .package = stamp.at("package").get<std::string>(),
                          .version = stamp.at("version").get<std::string>(),
                          .vmlinuz = folder / "vmlinuz",
                          .modules_dir = folder / "modules" / release,
                          .config = folder / "config",
                          .suites = row.suites};
  std::error_code ignored;
  if (fs::file_size(kernel.vmlinuz, ignored) != stamp.at("vmlinuz_bytes").get<std::uint64_t>() ||
      !fs::exists(kernel.modules_dir / "modules.dep", ignored) ||
      !fs::exists(kernel.config, ignored)) {
    return std::nullopt;
  }
  return kernel;
}

std::optional<FetchedKernel> find_fetched(const KernelRow& row, const fs::path& cache) {
  const CacheEntry entry = entry_of(row, cache);
  return entry.find<FetchedKernel>(
      [&](const nlohmann::json& stamp) { return load_fetched(row, entry.folder(), stamp); });
}

// What a row resolves to: the packages to fetch, the one that gives the name first.
struct Resolved {
  std::string release;
  std::vector<AptPackage> packages;
};

const AptPackage* newest(const std::vector<AptPackage>& packages, const std::string& name) {
  const auto first = std::find_if(packages.begin(), packages.end(),
                                  [&](const AptPackage& package) { return package.name == name; });
  return first == packages.end() ? nullptr : &*first;
}

// Every version of the row that is on offer with all its parts.
std::vector<Resolved> on_offer(const KernelRow& row, const Apt& apt) {
  std::map<std::string, std::string> releases;  // package name to release
  std::vector<std::string> names;
  for (const std::string& name : apt_names(apt, "linux-")) {
    const std::string release = release_in(name, row.package);
    if (release.empty()) continue;
    releases[name] = release;
    for (const std::string& part : row.parts) names.push_back(part + release);
    names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  const std::vector<AptPackage> offered = apt_show(apt, names);

  std::vector<Resolved> all;
  for (const auto& [name, release] : releases) {
    const AptPackage* image = newest(offered, name);
    if (image == nullptr) continue;
    Resolved candidate = {release, {*image}};
    for (const std::string& part : row.parts) {
      const AptPackage* package = newest(offered, part + release);
      if (package != nullptr) candidate.packages.push_back(*package);
    }
    if (candidate.packages.size() == row.parts.size() + 1) all.push_back(std::move(candidate));
  }
  return all;
}

Resolved resolve(const KernelRow& row, const Apt& apt) {
  std::map<std::string, Resolved> by_version;
  std::vector<std::string> versions;
  for (Resolved& candidate : on_offer(row, apt)) {
    const std::string version = candidate.packages.front().version;
    versions.push_back(version);
    by_version[version] = std::move(candidate);
  }
  const std::string wanted =
      !row.version.empty() || versions.empty() ? row.version : sorted_versions(versions).back();
  if (const auto found = by_version.find(wanted); found != by_version.end()) return found->second;
  throw Failure(ExitCode::kVmFailed,
                fmt::format("kernel {}: the Debian mirror offers no complete {} {}in {}; choose "
                            "another kernel, or give your own with --kernel",
                            row.id, row.package, row.version.empty() ? "" : row.version + " ",
                            fmt::join(row.suites, ", ")));
}

// Where a package's file goes in the kernel's folder. Both layouts that Debian has used:
// /boot/NAME-RELEASE, and everything in /usr/lib/modules/RELEASE.
std::string place_of(const std::string& member, const std::string& release) {
  std::string_view rest = member;
  if (rest.starts_with("boot/")) {
    rest.remove_prefix(5);
    for (const std::string_view name : {"vmlinuz", "config", "System.map"}) {
      if (rest == fmt::format("{}-{}", name, release)) return std::string(name);
    }
    return "";
  }
  if (rest.starts_with("usr/")) rest.remove_prefix(4);
  const std::string tree = "lib/modules/" + release + "/";
  if (!rest.starts_with(tree)) return "";
  rest.remove_prefix(tree.size());
  for (const std::string_view name : {"vmlinuz", "config", "System.map"}) {
    if (rest == name) return std::string(name);
  }
  return fmt::format("modules/{}/{}", release, rest);
}

std::string bzimage_version_of_file(const fs::path& bzimage) {
  std::error_code error;
  const fs::file_status status = fs::status(bzimage, error);
  if (!fs::exists(status)) {
    throw Failure(ExitCode::kUsage,
                  fmt::format("no such kernel file: {}; check --kernel", bzimage.string()));
  }
  if (!fs::is_regular_file(status)) {
    throw Failure(ExitCode::kUsage,
                  fmt::format("{} is no file; give --kernel a bzImage", bzimage.string()));
  }
  std::ifstream stream(bzimage, std::ios::binary);
  if (!stream) throw_io_failure("cannot read", bzimage, EACCES);
  // The setup code, at most 64 sectors and the header, holds the version string.
  std::string bytes(1 << 17, '\0');
  stream.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<std::size_t>(stream.gcount()));
  return bzimage_version(bytes, bzimage.string());
}

// Unpacks into `folder`, and returns what its stamp says of it.
nlohmann::json unpack_kernel(const Resolved& resolved, const std::vector<fs::path>& debs,
                             const fs::path& folder) {
  for (const fs::path& deb : debs) {
    unpack_deb(deb, folder,
               [&](const std::string& member) { return place_of(member, resolved.release); });
  }
  const fs::path modules = folder / "modules" / resolved.release;
  for (const fs::path& needed : {folder / "vmlinuz", folder / "config", modules / "kernel"}) {
    if (fs::exists(needed)) continue;
    throw Failure(ExitCode::kVmFailed,
                  fmt::format("package {} {} holds no {}; choose another kernel",
                              resolved.packages.front().name, resolved.packages.front().version,
                              needed.filename().string()));
  }
  write_module_index(modules);

  nlohmann::json sums = nlohmann::json::object();
  for (const AptPackage& package : resolved.packages) sums[package.name] = package.sha256;
  const std::string build = bzimage_version_of_file(folder / "vmlinuz");
  return {{"package", resolved.packages.front().name},
          {"version", resolved.packages.front().version},
          {"release", resolved.release},
          {"build", build},
          {"vmlinuz_bytes", fs::file_size(folder / "vmlinuz")},
          {"deb_sha256", sums}};
}

// The versions that the mirrors hold of a row; read once, until asked to refresh.
std::vector<std::string> versions_on_offer(const KernelRow& row, const fs::path& cache,
                                           const Progress& progress, const FetchOptions& options) {
  using Versions = std::vector<std::string>;
  const CacheEntry entry(cache, {.kind = "releases", .name = row.id});
  const CacheEntry::Recipe<Versions> recipe = {
      .load = [](const nlohmann::json& stamp) -> std::optional<Versions> {
        return stamp.at("versions").get<Versions>();
      },
      .make = [&](const CacheEntry::Making&) -> std::optional<nlohmann::json> {
        const AptLists lists(cache, row.suites, options.etc_apt,
                             [&](const std::string& what) { tell(progress, row, what); });
        Versions versions;
        for (const Resolved& one : on_offer(row, lists.apt())) {
          versions.push_back(one.packages.front().version);
        }
        return nlohmann::json{{"versions", versions}};
      },
      .on_wait = [&] { tell(progress, row, "waiting for another command that lists them"); },
      .refresh = options.refresh};
  return entry.obtain(recipe).value;
}

// Those of `rows` whose id or an alias the glob matches.
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

std::vector<std::string> all_names() {
  std::vector<std::string> names;
  for (const KernelRow& row : kernel_table()) {
    names.push_back(row.id);
    names.insert(names.end(), row.aliases.begin(), row.aliases.end());
  }
  return names;
}

[[noreturn]] void throw_unknown(const std::string& name) {
  std::vector<std::string> ids;
  for (const KernelRow& row : kernel_table()) ids.push_back(row.id);
  const std::vector<std::string> near = near_names(name, all_names());
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

// The modules folder of `release` at or below what the user gave.
fs::path find_modules(const fs::path& given, const std::string& release) {
  std::error_code ignored;
  if (!fs::is_directory(given, ignored)) {
    throw Failure(ExitCode::kUsage,
                  fmt::format("no modules folder {}; check --modules", given.string()));
  }
  for (const fs::path& below : {fs::path("lib/modules"), fs::path("usr/lib/modules"), fs::path()}) {
    if (fs::is_directory(given / below / release, ignored)) return given / below / release;
  }
  const bool holds_modules =
      fs::exists(given / "modules.dep", ignored) || fs::exists(given / "modules.order", ignored);
  fs::path plain = given.has_filename() ? given : given.parent_path();
  const std::string name = plain.filename().string();
  const bool named_by_release = !name.empty() && name.front() >= '0' && name.front() <= '9';
  if (holds_modules && (!named_by_release || name == release)) return plain;
  throw Failure(ExitCode::kUsage,
                fmt::format("{} holds no modules of {}, the kernel given; give the folder that "
                            "this kernel calls /lib/modules/{}",
                            given.string(), release, release));
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

const KernelRow& find_kernel(const std::string& name) {
  for (const KernelRow& row : kernel_table()) {
    if (row.id == name) return row;
    if (std::find(row.aliases.begin(), row.aliases.end(), name) != row.aliases.end()) return row;
  }
  throw_unknown(name);
}

std::vector<KernelRow> find_kernels(const std::string& glob) {
  const std::vector<KernelRow> rows = rows_matching(glob, kernel_table());
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

std::vector<KernelRow> point_releases(const fs::path& cache, const Progress& progress,
                                      const FetchOptions& options) {
  std::map<std::string, const KernelRow*> row_of;  // by version
  std::vector<std::string> versions;
  for (const KernelRow& row : kernel_table()) {
    for (std::string& version : versions_on_offer(row, cache, progress, options)) {
      row_of[version] = &row;
      versions.push_back(std::move(version));
    }
  }
  // All at once, because each sort is a process. What is sorted together stays so by rows.
  versions = sorted_versions(versions);
  std::map<std::string, KernelRow> release_of;  // by version
  for (const KernelRow& row : kernel_table()) {
    std::vector<std::string> own;
    std::copy_if(versions.begin(), versions.end(), std::back_inserter(own),
                 [&](const std::string& version) { return row_of.at(version) == &row; });
    for (KernelRow& release : releases_of(row, own)) {
      release_of[release.version] = std::move(release);
    }
  }
  std::vector<KernelRow> all;
  for (const std::string& version : versions) all.push_back(std::move(release_of.at(version)));
  return all;
}

std::vector<KernelRow> kernels_named(const std::string& name, const fs::path& cache,
                                     const Progress& progress, const FetchOptions& options) {
  if (name == "all") return kernel_table();
  std::vector<KernelRow> rows = rows_matching(name, kernel_table());
  // Only what looks like a version is worth a question to the mirror.
  const bool version = !name.empty() && name.front() >= '0' && name.front() <= '9';
  if (!rows.empty() || (!version && name != "releases")) {
    return rows.empty() ? find_kernels(name) : rows;
  }
  rows = point_releases(cache, progress, options);
  if (name == "releases") return rows;
  std::vector<KernelRow> found = rows_matching(name, rows);
  if (!found.empty()) return found;
  std::vector<std::string> ids = all_names();
  for (const KernelRow& row : rows) ids.push_back(row.id);
  const std::vector<std::string> near = near_names(name, ids);
  throw Failure(
      ExitCode::kUsage,
      fmt::format("no kernel {}{}; `faultline kernels list --releases` prints what the "
                  "mirrors hold, with --refresh what they hold now",
                  name,
                  near.empty() ? "" : fmt::format("; did you mean {}?", fmt::join(near, " or "))));
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

FetchedKernel fetch_kernel(const KernelRow& row, const fs::path& cache, const Progress& progress,
                           const FetchOptions& options) {
  const CacheEntry entry = entry_of(row, cache);
  const auto make = [&](const CacheEntry::Making& making) -> std::optional<nlohmann::json> {
    if (making.again) {
      tell(progress, row, "an earlier fetch was interrupted or damaged; fetching it again");
    }
    const AptLists lists(cache, row.suites, options.etc_apt,
                         [&](const std::string& what) { tell(progress, row, what); });
    const Resolved resolved = resolve(row, lists.apt());
    const AptPackage& image = resolved.packages.front();
    const std::optional<FetchedKernel> present = find_fetched(row, cache);
    if (present && present->package == image.name && present->version == image.version) {
      tell(progress, row, "already the newest: " + image.name + " " + image.version);
      return std::nullopt;
    }
    tell(progress, row,
         fmt::format("fetching {} {} ({})", image.name, image.version,
                     download_size(resolved.packages)));
    std::vector<fs::path> debs;
    for (const AptPackage& package : resolved.packages) {
      debs.push_back(apt_download(lists.apt(), package, making.scratch));
    }
    tell(progress, row, "unpacking");
    return unpack_kernel(resolved, debs, making.folder);
  };
  return entry
      .obtain<FetchedKernel>(
          {.load =
               [&](const nlohmann::json& stamp) {
                 return load_fetched(row, entry.folder(), stamp);
               },
           .make = make,
           .on_wait = [&] { tell(progress, row, "waiting for another command that fetches it"); },
           .refresh = options.refresh})
      .value;
}

FetchedKernel kernel_from_path(const fs::path& bzimage, const fs::path& modules_dir) {
  const std::string build = bzimage_version_of_file(bzimage);
  const std::string release = build.substr(0, build.find(' '));
  const fs::path modules = find_modules(modules_dir, release);
  fs::path config;
  std::error_code ignored;
  for (const fs::path& candidate : {bzimage.parent_path() / ("config-" + release),
                                    modules / "config", modules / "build" / ".config"}) {
    if (config.empty() && fs::is_regular_file(candidate, ignored)) config = candidate;
  }
  return {.id = bzimage.string(),
          .release = release,
          .build = build,
          .vmlinuz = bzimage,
          .modules_dir = modules,
          .config = config};
}

std::string bzimage_version(std::string_view bytes, const std::string& where) {
  // Offsets: the kernel's Documentation/arch/x86/boot.rst.
  constexpr std::size_t kBootFlag = 0x1fe;
  constexpr std::size_t kMagic = 0x202;
  constexpr std::size_t kVersionPointer = 0x20e;
  const auto word = [&](std::size_t offset) {
    return static_cast<unsigned char>(bytes[offset]) |
           static_cast<unsigned>(static_cast<unsigned char>(bytes[offset + 1])) << 8;
  };
  if (bytes.starts_with("\x7f"
                        "ELF")) {
    throw Failure(ExitCode::kUsage,
                  fmt::format("{} is an ELF file (a vmlinux?); give --kernel the bzImage, which "
                              "the build leaves in arch/x86/boot",
                              where));
  }
  if (bytes.size() < kVersionPointer + 2 || word(kBootFlag) != 0xaa55 ||
      bytes.substr(kMagic, 4) != "HdrS") {
    throw Failure(ExitCode::kUsage,
                  fmt::format("{} is no x86 kernel; give --kernel a bzImage", where));
  }
  const std::size_t start = word(kVersionPointer) + 0x200U;
  const std::size_t end = start < bytes.size() ? bytes.find('\0', start) : std::string_view::npos;
  if (start == 0x200 || end == std::string_view::npos || end == start || bytes[start] == ' ') {
    throw Failure(ExitCode::kUsage,
                  fmt::format("{} is a kernel that does not say its version, or is cut short; "
                              "give --kernel a whole bzImage",
                              where));
  }
  return std::string(bytes.substr(start, end - start));
}

nlohmann::json kernels_json(const fs::path& cache, const std::vector<KernelRow>& of) {
  nlohmann::json rows = nlohmann::json::array();
  for (const KernelRow& row : of) {
    const std::optional<FetchedKernel> kernel = find_fetched(row, cache);
    const auto known = [&](std::string FetchedKernel::*member) {
      return kernel ? nlohmann::json(*kernel.*member) : nlohmann::json();
    };
    rows.push_back({{"id", row.id},
                    {"aliases", row.aliases},
                    {"default", row.id == kernel_table().front().id},
                    {"suites", row.suites},
                    {"note", row.note},
                    {"fetched", kernel.has_value()},
                    {"release", known(&FetchedKernel::release)},
                    {"package", known(&FetchedKernel::package)},
                    {"version", known(&FetchedKernel::version)}});
  }
  return rows;
}

}  // namespace faultline
