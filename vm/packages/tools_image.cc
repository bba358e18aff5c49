// SPDX-License-Identifier: GPL-2.0-only
#include "vm/packages/tools_image.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "cell/failure.h"
#include "vm/cache/entry.h"
#include "vm/command.h"
#include "vm/files.h"
#include "vm/packages/apt.h"
#include "vm/packages/toolchain.h"
#include "vm/packages/unpack.h"
#include "vm/qemu.h"

namespace faultline {
namespace fs = std::filesystem;

namespace {

// Raised when the same packages shall give another image.
constexpr int kToolsLayout = 2;
constexpr const char* kImage = "tools.squashfs";

const std::vector<std::string>& wanted_packages() {
  static const std::vector<std::string> wanted = {
      "bash",     "bpftrace", "coreutils", "diffutils",  "findutils",     "gawk",
      "grep",     "gzip",     "less",      "linux-perf", "mount",         "ncurses-base",
      "procps",   "sed",      "strace",    "tar",        "trace-cmd",     "util-linux",
      "xfsprogs", "xxd",      "e2fsprogs", "libc-bin",   "linux-libc-dev"};  // which bpftrace 0.11
                                                                             // includes
  return wanted;
}

// A suite of Debian that has tools, and the newest kernel (major, minor) that it was made for.
struct Suite {
  std::string_view name;
  unsigned major;
  unsigned minor;
};
constexpr std::array kSuites = {Suite{.name = "bullseye", .major = 5, .minor = 10},
                                Suite{.name = "bookworm", .major = 6, .minor = 1},
                                Suite{.name = "trixie", .major = 6, .minor = 12}};

std::pair<unsigned, unsigned> version_of(const std::string& release) {
  std::pair<unsigned, unsigned> version{0, 0};
  const char* const end = release.data() + release.size();
  const auto [dot, error] = std::from_chars(release.data(), end, version.first);
  if (error == std::errc() && dot != end) std::from_chars(dot + 1, end, version.second);
  return version;
}

// bpftrace before 0.13 writes the fields of tracepoints as C, and knows only what this header, the
// one for programs, defines.
void teach_kernel_types(const fs::path& root) {
  const fs::path header = root / "usr/include/linux/types.h";
  write_file(header, read_file(header) + R"(
typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __u32 dev_t;
typedef int pid_t;
typedef unsigned long ino_t;
typedef long long loff_t;
typedef unsigned short umode_t;
typedef __u64 sector_t;
typedef unsigned int gfp_t;
)");
}

// Makes the links, folders and files of /etc that the packages' scripts would have made, as far as
// the programs need them: these scripts are not run.
void furnish(const fs::path& root) {
  link_merged(root);
  link_to(root / "usr/bin/awk", "gawk");
  link_to(root / "usr/bin/sh", "bash");
  // In bullseye the script that chooses the perf for a kernel is in a package with much else, which
  // is not taken.
  for (const fs::directory_entry& entry : fs::directory_iterator(root / "usr/bin")) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("perf_")) link_to(root / "usr/bin/perf", name);
  }
  link_to(root / "var/run", "../run");
  link_to(root / "var/tmp", "../tmp");
  link_to(root / "etc/mtab", "../proc/self/mounts");
  for (const char* folder :
       {"dev", "in", "mnt", "opt/faultline", "out", "proc", "root", "run", "sys", "tmp"}) {
    make_dirs(root / folder);
  }
  // The strategy module is looked for here, and lies in the guest's own image.
  link_to(root / "usr/lib/faultline", "../../opt/faultline/lib/faultline");
  write_file(root / "etc/passwd", "root:x:0:0:root:/root:/bin/bash\n");
  write_file(root / "etc/group", "root:x:0:\n");
  write_file(root / "etc/nsswitch.conf", "passwd: files\ngroup: files\n");
  write_file(root / "etc/hosts", "127.0.0.1 localhost\n");
}

// Sets every mode, so that the image's bytes do not depend on the umask of whoever makes it.
void settle_modes(const fs::path& root) {
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root)) {
    if (entry.is_symlink()) continue;
    const bool open = entry.is_directory() ||
                      (entry.status().permissions() & fs::perms::owner_exec) != fs::perms::none;
    fs::permissions(entry.path(), static_cast<fs::perms>(open ? 0755 : 0644));
  }
  fs::permissions(root, static_cast<fs::perms>(0755));
}

void require_mksquashfs() {
  if (!find_program("mksquashfs").empty()) return;
  throw Failure(ExitCode::kUsage, not_installed("mksquashfs", "squashfs-tools"));
}

// The image is not compressed: the host has it in its page cache, and to unpack it would be work of
// the guest.
void make_squashfs(const std::vector<std::string>& from, const fs::path& image,
                   const std::vector<std::string>& more) {
  std::vector<std::string> argv = {"mksquashfs"};
  argv.insert(argv.end(), from.begin(), from.end());
  for (const char* argument :
       {"-noappend", "-no-progress", "-all-root", "-no-xattrs", "-noI", "-noD", "-noF", "-noX"}) {
    argv.emplace_back(argument);
    if (argument == std::string_view("-noappend")) argv.insert(argv.end() - 1, image.string());
  }
  argv.insert(argv.end(), more.begin(), more.end());
  require_mksquashfs();
  const CommandOutput output = run_command(argv);
  if (output.status == 0) return;
  const std::string complaint = output.error.empty() ? output.out : output.error;
  throw Failure(ExitCode::kVmFailed,
                fmt::format("mksquashfs ended with status {}: {}; is the disk full?", output.status,
                            complaint.substr(0, complaint.find('\n'))));
}

}  // namespace

std::string tools_suite(const FetchedKernel& kernel) {
  for (const std::string& suite : kernel.suites) {
    std::string base = base_suite(suite);
    for (const Suite& known : kSuites) {
      if (known.name == base) return base;
    }
  }
  for (const Suite& known : kSuites) {
    if (version_of(kernel.release) <= std::pair{known.major, known.minor}) {
      return std::string(known.name);
    }
  }
  return std::string(kSuites.back().name);
}

std::string tools_place_of(const std::string& member) {
  std::string path = merged_place(member);
  for (const std::string_view kept :
       {"usr/include/linux/", "usr/include/asm-generic/", "usr/include/x86_64-linux-gnu/asm/"}) {
    if (path.starts_with(kept)) return path;
  }
  for (const std::string_view unused : {"usr/share/doc/",
                                        "usr/share/man/",
                                        "usr/share/locale/",
                                        "usr/share/info/",
                                        "usr/share/lintian/",
                                        "usr/share/bug/",
                                        "usr/share/i18n/",
                                        "usr/include/",
                                        "usr/lib64/",
                                        "usr/share/bash-completion/",
                                        "usr/share/doc-base/",
                                        "usr/lib/systemd/",
                                        "usr/share/gdb/",
                                        "usr/lib/x86_64-linux-gnu/gconv/",
                                        "usr/lib/x86_64-linux-gnu/perl",
                                        "usr/share/perl",
                                        "usr/lib/python3",
                                        "usr/share/python3",
                                        "usr/share/zoneinfo/",
                                        "var/",
                                        "run/"}) {
    if (path.starts_with(unused)) return "";
  }
  return path.ends_with(".a") || path.ends_with("/lto-dump") ? "" : path;
}

ToolsImage fetch_tools_image(const std::string& suite, const fs::path& cache,
                             const Progress& progress, const FetchOptions& options) {
  const auto tell = [&](const std::string& what) {
    if (progress) progress(fmt::format("tools of {}: {}", suite, what));
  };
  const CacheEntry entry(cache,
                         {.kind = "tools",
                          .name = suite,
                          .from = {{"layout", kToolsLayout}, {"wanted", wanted_packages()}}});
  const auto load = [&](const nlohmann::json& stamp) -> std::optional<ToolsImage> {
    ToolsImage image = {.file = entry.folder() / kImage,
                        .suite = suite,
                        .sha256 = stamp.at("sha256").get<std::string>()};
    std::error_code error;
    const std::uintmax_t bytes = fs::file_size(image.file, error);
    if (error || bytes != stamp.at("bytes").get<std::uintmax_t>()) return std::nullopt;
    return image;
  };
  const auto make = [&](const CacheEntry::Making& making) -> std::optional<nlohmann::json> {
    require_mksquashfs();
    const AptLists lists(cache, {suite, suite + "-security"}, options.etc_apt, tell);
    const std::vector<AptPackage> packages = apt_closure(lists.apt(), wanted_packages());
    const fs::path root = making.scratch / "root";
    make_dirs(root);
    const nlohmann::json sums =
        unpack_all(lists, packages, making.scratch, root, tools_place_of,
                   {.executables = true, .links = true, .rooted = true}, tell);
    tell("packing the image");
    furnish(root);
    if (suite == kSuites.front().name) teach_kernel_types(root);
    settle_modes(root);
    const fs::path file = making.folder / kImage;
    make_squashfs({root.string()}, file,
                  {"-mkfs-time", "1577836800", "-all-time", "1577836800", "-processors", "1"});
    return nlohmann::json{
        {"packages", sums}, {"bytes", fs::file_size(file)}, {"sha256", sha256_of_file(file)}};
  };
  auto [image, made_now] = entry.obtain<ToolsImage>(
      {.load = load,
       .make = make,
       .on_wait = [&] { tell("waiting for another command that makes them"); },
       .refresh = options.refresh});
  image.made_now = made_now;
  return image;
}

std::vector<WantedModule> disk_modules() {
  return {{.name = "virtio_pci"}, {.name = "virtio_blk"}, {.name = "squashfs"}};
}

std::vector<std::string> disk_arguments(const std::string& id, const fs::path& file,
                                        bool read_only) {
  return {"-drive",
          fmt::format("if=none,id={},format=raw,readonly={},file={}", id, read_only ? "on" : "off",
                      option_value(file.string())),
          "-device", fmt::format("virtio-blk-pci,drive={}", id)};
}

void pack_files(const std::vector<fs::path>& files, const fs::path& image) {
  std::set<std::string> names;
  std::vector<std::string> from;
  for (const fs::path& file : files) {
    std::error_code error;
    const fs::path whole = fs::canonical(file, error);
    if (error) throw_io_failure("cannot read", file, error.value());
    if (!names.insert(whole.filename().string()).second) {
      throw Failure(ExitCode::kUsage,
                    fmt::format("two files are called {}; rename one, or give the folder they "
                                "are in",
                                whole.filename().string()));
    }
    from.push_back(whole.string());
  }
  make_squashfs(from, image, {"-keep-as-directory"});
}

}  // namespace faultline
