// SPDX-License-Identifier: GPL-2.0-only
#include "vm/packages/headers.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <sstream>
#include <string_view>

#include "cell/failure.h"
#include "vm/cache/entry.h"
#include "vm/files.h"
#include "vm/packages/apt.h"
#include "vm/packages/package.h"

namespace faultline {
namespace fs = std::filesystem;

namespace {

void tell(const Progress& progress, const FetchedKernel& kernel, std::string_view what) {
  if (progress) progress(fmt::format("headers {}: {}", kernel.id, what));
}

fs::path build_folder(const fs::path& root, const std::string& release) {
  return root / "usr" / "src" / ("linux-headers-" + release);
}

constexpr std::string_view kTools = "linux-kbuild-";

KernelHeaders headers_in(const fs::path& build) {
  KernelHeaders headers = {.build = build};
  const ConfiguredCompiler compiler = compiler_in(read_file(build / ".config", 16 << 20));
  headers.compiler = compiler.name;
  headers.compiler_major = compiler.major;
  return headers;
}

// Tells whether the files are there that a build opens first, some of them through links to the
// folder of linux-kbuild.
bool is_whole(const fs::path& build) {
  std::error_code ignored;
  for (const char* file : {"Makefile", ".config", "Module.symvers", "include/generated/autoconf.h",
                           "scripts/basic/fixdep", "scripts/mod/modpost"}) {
    if (!fs::exists(build / file, ignored)) return false;
  }
  return true;
}

CacheEntry entry_of(const FetchedKernel& kernel, const fs::path& cache) {
  return {cache,
          {.kind = "headers", .name = kernel.release, .from = {{"version", kernel.version}}}};
}

std::optional<KernelHeaders> load_headers(const FetchedKernel& kernel, const fs::path& folder,
                                          const nlohmann::json& stamp) {
  const fs::path build = build_folder(folder, kernel.release);
  if (!is_whole(build)) return std::nullopt;
  KernelHeaders headers = headers_in(build);
  headers.root = folder;
  headers.version = kernel.version;
  headers.libs = stamp.at("libs").get<std::vector<std::string>>();
  return headers;
}

// The user's own kernel: what `make modules_install` leaves behind.
KernelHeaders own_headers(const FetchedKernel& kernel) {
  std::error_code error;
  if (kernel.modules_dir.empty()) {
    throw Failure(ExitCode::kSkipped,
                  fmt::format("no headers of {}: without a modules folder nothing says where it "
                              "was built; give --modules",
                              kernel.release));
  }
  const fs::path build = fs::canonical(kernel.modules_dir / "build", error);
  if (error || !is_whole(build)) {
    throw Failure(ExitCode::kSkipped,
                  fmt::format("no headers of {}: {} is no folder in which this kernel was built",
                              kernel.release, (kernel.modules_dir / "build").string()));
  }
  return headers_in(build);
}

// The tools of the build are those of a newer kernel while that waits to be signed: Debian's
// archive then has its packages but the image. A kernel's headers ask for tools of its own version
// or newer.
const AptPackage* tools_for(const std::vector<AptPackage>& offered, const std::string& name,
                            const std::string& version) {
  const AptPackage* same = find_package(offered, name, version);
  if (same != nullptr) return same;
  const auto newest = std::find_if(offered.begin(), offered.end(),
                                   [&](const AptPackage& package) { return package.name == name; });
  const bool newer =
      newest != offered.end() && sorted_versions({version, newest->version}).back() != version;
  return newer ? &*newest : nullptr;
}

// The packages to unpack: the headers of the release, those that all its flavours share, and the
// tools of the build.
std::vector<AptPackage> resolve(const FetchedKernel& kernel, const Apt& apt) {
  const std::string name = "linux-headers-" + kernel.release;
  const std::vector<AptPackage> offered = apt_show(apt, {name});
  const AptPackage* own = find_package(offered, name, kernel.version);
  std::string missing = name;
  if (own != nullptr) {
    missing.clear();
    std::vector<AptPackage> packages = {*own};
    std::vector<std::string> names;
    for (const std::string& other : own->depends) {
      if (other.starts_with("linux-headers-") || other.starts_with(kTools)) {
        names.push_back(other);
      }
    }
    const std::vector<AptPackage> others = apt_show(apt, names);
    for (const std::string& other : names) {
      const AptPackage* package = other.starts_with(kTools)
                                      ? tools_for(others, other, kernel.version)
                                      : find_package(others, other, kernel.version);
      if (package == nullptr) {
        missing = other;
      } else {
        packages.push_back(*package);
      }
    }
    if (missing.empty()) return packages;
  }
  throw Failure(ExitCode::kSkipped,
                fmt::format("no headers of {}: the Debian mirror offers no {} {}; `faultline "
                            "kernels fetch --refresh {}` takes a newer kernel",
                            kernel.release, missing, kernel.version, kernel.id));
}

// Where a package's file goes; empty for headers of other machines, and for the file vmlinux, which
// holds the kernel's BTF and is needed for that of modules only.
std::string place_of(const std::string& member, const std::string& release) {
  std::string_view rest = member;
  if (rest.starts_with("usr/lib/linux-kbuild-")) return member;
  constexpr std::string_view kSources = "usr/src/linux-headers-";
  if (!rest.starts_with(kSources)) return "";
  rest.remove_prefix(std::min(rest.size(), rest.find('/', kSources.size())));
  if (rest.starts_with("/arch/") && !rest.starts_with("/arch/x86/")) return "";
  if (rest == "/vmlinux" && member == fmt::format("{}{}/vmlinux", kSources, release)) return "";
  return member;
}

// Unpacks into `folder`, and returns what its stamp says of it.
nlohmann::json unpack_headers(const FetchedKernel& kernel, const std::vector<AptPackage>& packages,
                              const std::vector<fs::path>& debs, const fs::path& folder) {
  for (const fs::path& deb : debs) {
    unpack_deb(deb, folder,
               [&](const std::string& member) { return place_of(member, kernel.release); },
               {.executables = true, .links = true});
  }
  const fs::path build = build_folder(folder, kernel.release);
  if (!is_whole(build)) {
    throw Failure(ExitCode::kSkipped,
                  fmt::format("no headers of {}: package {} {} does not hold all that a module's "
                              "build needs",
                              kernel.release, packages.front().name, packages.front().version));
  }
  write_file(build / "Makefile", relative_makefile(read_file(build / "Makefile", 1 << 20)));

  nlohmann::json sums = nlohmann::json::object();
  std::vector<std::string> libs;
  for (const AptPackage& package : packages) {
    sums[package.name] = package.sha256;
    if (!package.name.starts_with(kTools)) continue;
    for (const std::string& name : package.depends) {
      if (name.starts_with("lib") || name.starts_with("zlib")) libs.push_back(name);
    }
  }
  return {{"libs", libs}, {"deb_sha256", sums}};
}

}  // namespace

bool have_headers(const FetchedKernel& kernel, const fs::path& cache) {
  if (kernel.package.empty()) {
    return !kernel.modules_dir.empty() && is_whole(kernel.modules_dir / "build");
  }
  const CacheEntry entry = entry_of(kernel, cache);
  return entry
      .find<KernelHeaders>(
          [&](const nlohmann::json& stamp) { return load_headers(kernel, entry.folder(), stamp); })
      .has_value();
}

KernelHeaders fetch_headers(const FetchedKernel& kernel, const fs::path& cache,
                            const Progress& progress, const FetchOptions& options) {
  if (kernel.package.empty()) return own_headers(kernel);
  const CacheEntry entry = entry_of(kernel, cache);
  const auto make = [&](const CacheEntry::Making& making) -> std::optional<nlohmann::json> {
    const AptLists lists(cache, kernel.suites, options.etc_apt,
                         [&](const std::string& what) { tell(progress, kernel, what); });
    const std::vector<AptPackage> packages = resolve(kernel, lists.apt());
    tell(progress, kernel,
         fmt::format("fetching {} {} ({})", packages.front().name, kernel.version,
                     download_size(packages)));
    std::vector<fs::path> debs;
    debs.reserve(packages.size());
    for (const AptPackage& package : packages) {
      debs.push_back(apt_download(lists.apt(), package, making.scratch));
    }
    tell(progress, kernel, "unpacking");
    return unpack_headers(kernel, packages, debs, making.folder);
  };
  return entry
      .obtain<KernelHeaders>(
          {.load =
               [&](const nlohmann::json& stamp) {
                 return load_headers(kernel, entry.folder(), stamp);
               },
           .make = make,
           .on_wait =
               [&] { tell(progress, kernel, "waiting for another command that fetches them"); }})
      .value;
}

std::string relative_makefile(const std::string& text) {
  constexpr std::string_view kAbsolute = "/usr/src/";
  if (text.find(kAbsolute) == std::string::npos) return text;
  // Assigned with := because MAKEFILE_LIST grows with each file that is included later.
  std::string relative =
      "faultline_src := $(dir $(realpath $(lastword $(MAKEFILE_LIST))))../\n" + text;
  for (std::size_t at = 0; (at = relative.find(kAbsolute, at)) != std::string::npos;) {
    relative.replace(at, kAbsolute.size(), "$(faultline_src)");
  }
  return relative;
}

ConfiguredCompiler compiler_in(const std::string& config) {
  ConfiguredCompiler compiler;
  std::istringstream lines(config);
  for (std::string line; std::getline(lines, line);) {
    constexpr std::string_view kText = "CONFIG_CC_VERSION_TEXT=\"";
    constexpr std::string_view kVersion = "CONFIG_GCC_VERSION=";  // 120200
    if (line.starts_with(kText)) {
      compiler.name = line.substr(kText.size(), line.find(' ') - kText.size());
      // A cross compiler's name is the same compiler's with the triplet before it.
      constexpr std::string_view kTriplet = "x86_64-linux-gnu-";
      if (compiler.name.starts_with(kTriplet)) compiler.name.erase(0, kTriplet.size());
    } else if (line.starts_with(kVersion)) {
      compiler.major = std::atoi(line.c_str() + kVersion.size()) / 10000;
    }
  }
  return compiler;
}

}  // namespace faultline
