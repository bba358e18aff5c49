// SPDX-License-Identifier: GPL-2.0-only
#include "vm/packages/guest_root.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string_view>

#include "cell/failure.h"
#include "vm/cache/entry.h"
#include "vm/files.h"
#include "vm/packages/apt.h"
#include "vm/packages/unpack.h"

namespace faultline {
namespace fs = std::filesystem;

namespace {

// The tools and what they load, and what our own binary is linked with. Named one by one, since
// what xfsprogs depends on holds Python.
std::vector<std::string> wanted_packages() {
  return {"e2fsprogs",   "libblkid1",  "libc6",
          "libcom-err2", "libext2fs2", "libfmt9",
          "libgcc-s1",   "libinih1",   "libbenchmark1debian",
          "libstdc++6",  "liburcu8",   "libuuid1",
          "xfsprogs",    "zlib1g"};
}

constexpr UnpackOptions kUnpack = {.executables = true, .links = true, .rooted = true};
constexpr int kRootLayout = 1;  // of what is unpacked where; another one is fetched anew

constexpr std::string_view kLibraries = "usr/lib/x86_64-linux-gnu/";

fs::path loader_in(const fs::path& root) { return root / kLibraries / "ld-linux-x86-64.so.2"; }

}  // namespace

std::string guest_place_of(const std::string& member) {
  std::string path = merged_place(member);
  const std::string_view whole = path;
  if (whole.starts_with("usr/sbin/")) return path;
  if (!whole.starts_with(kLibraries)) return "";
  const std::string_view name = whole.substr(kLibraries.size());
  // Folders below it hold what is loaded by name at run time, which no tool of ours does.
  return name.find('/') == std::string_view::npos && name.find(".so") != std::string_view::npos
             ? path
             : "";
}

namespace {

// The newest version of each of `names`.
std::vector<AptPackage> newest_of(const AptLists& lists, const std::vector<std::string>& names) {
  const std::vector<AptPackage> offered = apt_show(lists.apt(), names);
  std::vector<AptPackage> packages;
  for (const std::string& name : names) {
    const auto newest = std::find_if(offered.begin(), offered.end(),
                                     [&](const AptPackage& p) { return p.name == name; });
    if (newest == offered.end()) {
      throw Failure(ExitCode::kVmFailed,
                    fmt::format("no mirror of this machine's apt offers {} of {}; add a line for "
                                "{} to /etc/apt/sources.list",
                                name, kGuestSuite, kGuestSuite));
    }
    packages.push_back(*newest);
  }
  return packages;
}

// Like guest_place_of(), but nothing is left out that a build may read.
std::string compiler_place_of(const std::string& member) {
  std::string path = merged_place(member);
  for (const std::string_view unused : {"usr/share/doc/", "usr/share/man/", "usr/share/locale/",
                                        "usr/share/info/", "usr/share/lintian/", "var/", "etc/"}) {
    if (path.starts_with(unused)) return "";
  }
  return path;
}

// What the packages' scripts would have made.
void furnish_compiler(const fs::path& root) {
  link_merged(root);
  link_to(root / "usr/bin/sh", "dash");
  link_to(root / "usr/bin/c++", "g++-12");
  link_to(root / "usr/bin/cc", "gcc-12");
  for (const char* folder : {"dev", "etc", "faultline", "build", "proc", "root", "tmp"}) {
    make_dirs(root / folder);
  }
}

}  // namespace

GuestRoot fetch_guest_root(const fs::path& cache, const Progress& progress,
                           const FetchOptions& options) {
  const Progress tell = [&](const std::string& what) {
    if (progress) progress(fmt::format("the guest's tools ({}): {}", kGuestSuite, what));
  };
  const CacheEntry entry(cache, {.kind = "guest",
                                 .name = kGuestSuite,
                                 .from = {{"layout", kRootLayout}, {"wanted", wanted_packages()}}});
  const auto load = [&](const nlohmann::json& stamp) -> std::optional<GuestRoot> {
    std::error_code ignored;
    if (!fs::exists(loader_in(entry.folder()), ignored)) return std::nullopt;
    return GuestRoot{.root = entry.folder(), .packages = stamp.at("packages")};
  };
  const auto make = [&](const CacheEntry::Making& making) -> std::optional<nlohmann::json> {
    const std::string suite = kGuestSuite;
    // The packages are of the suite itself, which changes with point releases alone, and not of its
    // security part, which may change at any time.
    const AptLists lists(cache, {suite}, options.etc_apt, tell);
    return nlohmann::json{
        {"packages", unpack_all(lists, newest_of(lists, wanted_packages()), making.scratch,
                                making.folder, guest_place_of, kUnpack, tell)}};
  };
  return entry
      .obtain<GuestRoot>({.load = load,
                          .make = make,
                          .on_wait = [&] { tell("waiting for another command that fetches them"); },
                          .refresh = options.refresh})
      .value;
}

fs::path fetch_guest_compiler(const fs::path& cache, const Progress& progress,
                              const FetchOptions& options) {
  const Progress tell = [&](const std::string& what) {
    if (progress) progress(fmt::format("the guest's compiler ({}): {}", kGuestSuite, what));
  };
  const std::vector<std::string> wanted = {
      "dash",       "coreutils",         "sed",        "cmake",        "ninja-build",
      "g++-12",     "libc6-dev",         "clang-14",   "bpftool",      "libbpf-dev",
      "libelf-dev", "zlib1g-dev",        "libfmt-dev", "libcli11-dev", "libbenchmark-dev",
      "pkg-config", "nlohmann-json3-dev"};
  const CacheEntry entry(cache, {.kind = "compiler",
                                 .name = kGuestSuite,
                                 .from = {{"layout", kRootLayout}, {"wanted", wanted}}});
  const auto load = [&](const nlohmann::json&) -> std::optional<fs::path> {
    std::error_code ignored;
    if (!fs::exists(entry.folder() / "usr/bin/g++-12", ignored)) return std::nullopt;
    return entry.folder();
  };
  const auto make = [&](const CacheEntry::Making& making) -> std::optional<nlohmann::json> {
    const std::string suite = kGuestSuite;
    const AptLists lists(cache, {suite}, options.etc_apt, tell);
    const nlohmann::json sums = unpack_all(lists, apt_closure(lists.apt(), wanted), making.scratch,
                                           making.folder, compiler_place_of, kUnpack, tell);
    furnish_compiler(making.folder);
    return nlohmann::json{{"packages", sums}};
  };
  return entry
      .obtain<fs::path>({.load = load,
                         .make = make,
                         .on_wait = [&] { tell("waiting for another command that fetches it"); },
                         .refresh = options.refresh})
      .value;
}

fs::path tool_of(const GuestRoot& guest, const std::string& name) {
  fs::path tool = guest.root / "usr/sbin" / name;
  std::error_code ignored;
  if (fs::exists(tool, ignored)) return tool;
  throw Failure(ExitCode::kUsage,
                fmt::format("{}: no package of the guest's tools has it; vm/packages/guest_root.cc "
                            "has their list",
                            name));
}

std::vector<std::string> command_in(const GuestRoot& guest, const fs::path& program) {
  return {loader_in(guest.root).string(), "--library-path", (guest.root / kLibraries).string(),
          program.string()};
}

}  // namespace faultline
