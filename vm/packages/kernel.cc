// SPDX-License-Identifier: GPL-2.0-only
#include "vm/packages/kernel.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <utility>

#include "cell/failure.h"
#include "cell/words.h"
#include "vm/bzimage.h"
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

// Where a package's file goes in the kernel's folder; empty if it is left out. Debian has used two
// layouts: /boot/NAME-RELEASE, and everything in /usr/lib/modules/RELEASE.
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

}  // namespace

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
  // All are sorted at once, because each sort is a process; the versions of one row are then sorted
  // too.
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
  all.reserve(versions.size());
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
  std::vector<std::string> ids = all_kernel_names();
  for (const KernelRow& row : rows) ids.push_back(row.id);
  const std::vector<std::string> near = near_names(name, ids);
  throw Failure(
      ExitCode::kUsage,
      fmt::format("no kernel {}{}; `faultline kernels list --releases` prints what the "
                  "mirrors hold, with --refresh what they hold now",
                  name,
                  near.empty() ? "" : fmt::format("; did you mean {}?", fmt::join(near, " or "))));
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
