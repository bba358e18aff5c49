// SPDX-License-Identifier: GPL-2.0-only
#include "vm/packages/guest_qemu.h"

#include <fmt/format.h>

#include <cstdlib>
#include <optional>
#include <string_view>

#include "cell/failure.h"
#include "vm/cache/entry.h"
#include "vm/command.h"
#include "vm/files.h"
#include "vm/packages/apt.h"
#include "vm/packages/guest_root.h"
#include "vm/packages/unpack.h"

namespace faultline {
namespace fs = std::filesystem;

namespace {

constexpr char kName[] = "qemu-system-x86_64";
constexpr char kVersion[] = "QEMU emulator version 7.2.";  // of kGuestSuite, all point releases
constexpr int kQemuLayout = 2;

std::string version_of(const fs::path& program) {
  const std::string said = run_command({program.string(), "--version"}).out;
  return said.substr(0, said.find('\n'));
}

// Through its own loader; -L says where its firmware lies, the variable where its modules do (one
// is TCG). It may be moved.
std::string front(const std::string& sha256) {
  return fmt::format(
      "#!/bin/sh\n"
      "# The program's SHA-256: {}\n"
      "here=${{0%/*}}\n"
      "export QEMU_MODULE_DIR=\"$here/usr/lib/x86_64-linux-gnu/qemu\"\n"
      "exec \"$here/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2\" \\\n"
      "  --library-path \"$here/usr/lib/x86_64-linux-gnu\" \"$here/usr/bin/{}\" \\\n"
      "  -L \"$here/usr/share/seabios\" -L \"$here/usr/share/qemu\" \"$@\"\n",
      sha256, kName);
}

CacheEntry entry_in(const fs::path& cache) {
  return {cache, {.kind = "qemu", .name = kGuestSuite, .from = {{"layout", kQemuLayout}}}};
}

std::optional<QemuProgram> load_qemu(const CacheEntry& entry, const nlohmann::json& stamp) {
  QemuProgram qemu = {.program = entry.folder() / kName,
                      .binary = entry.folder() / "usr/bin" / kName,
                      .version = stamp.at("version").get<std::string>(),
                      .fetched = true};
  std::error_code ignored;
  if (!fs::exists(qemu.program, ignored) || !fs::exists(qemu.binary, ignored)) return std::nullopt;
  return qemu;
}

QemuProgram fetch_qemu(const fs::path& cache, const Progress& progress,
                       const FetchOptions& options) {
  const Progress tell = [&](const std::string& what) {
    if (progress) progress(fmt::format("QEMU of {}: {}", kGuestSuite, what));
  };
  const CacheEntry entry = entry_in(cache);
  const auto make = [&](const CacheEntry::Making& making) -> std::optional<nlohmann::json> {
    const AptLists lists(cache, {kGuestSuite}, options.etc_apt, tell);
    nlohmann::json facts = {
        {"packages", unpack_all(lists, apt_closure(lists.apt(), {"qemu-system-x86"}),
                                making.scratch, making.folder, qemu_place_of,
                                {.executables = true, .links = true, .rooted = true}, tell)}};
    const fs::path program = making.folder / kName;
    write_file(program, front(sha256_of_file(making.folder / "usr/bin" / kName)), 0755);
    facts["version"] = version_of(program);
    if (!is_of_guest_suite(facts["version"].get<std::string>())) {
      throw Failure(ExitCode::kVmFailed,
                    fmt::format("the QEMU that Debian's {} offers does not run here; "
                                "FAULTLINE_QEMU=system takes this machine's, whose figures are "
                                "its own",
                                kGuestSuite));
    }
    return facts;
  };
  return entry
      .obtain<QemuProgram>({.load = [&](const auto& stamp) { return load_qemu(entry, stamp); },
                            .make = make,
                            .on_wait = [&] { tell("waiting for another command that fetches it"); },
                            .refresh = options.refresh})
      .value;
}

}  // namespace

bool QemuProgram::has_sandbox() const {
  return read_file(binary).find("libseccomp.so") != std::string::npos;
}

bool is_of_guest_suite(const std::string& version) { return version.starts_with(kVersion); }

std::string qemu_place_of(const std::string& member) {
  std::string path = merged_place(member);
  const std::string_view whole = path;
  if (whole == fmt::format("usr/bin/{}", kName)) return path;
  for (const std::string_view below : {"usr/share/qemu/", "usr/share/seabios/"}) {
    if (whole.starts_with(below)) return path;
  }
  constexpr std::string_view kLibraries = "usr/lib/x86_64-linux-gnu/";
  if (!whole.starts_with(kLibraries)) return "";
  const std::string_view name = whole.substr(kLibraries.size());
  if (name.starts_with("qemu/")) return path;  // its own modules
  return name.find(".so") == std::string_view::npos ? "" : path;
}

std::optional<QemuProgram> find_guest_qemu(const fs::path& cache) {
  const char* wish = std::getenv("FAULTLINE_QEMU");
  const bool system = wish != nullptr && std::string_view(wish) == "system";
  const bool named = wish != nullptr && !system && *wish != '\0';
  const fs::path here = find_program(named ? wish : kName);
  if (!here.empty()) {
    QemuProgram qemu = {.program = here, .binary = here, .version = version_of(here)};
    if (named || system || is_of_guest_suite(qemu.version)) return qemu;
  } else if (named) {
    throw Failure(ExitCode::kUsage,
                  fmt::format("FAULTLINE_QEMU: {} is no program; give the path of a {}, `system`, "
                              "or unset it",
                              wish, kName));
  } else if (system) {
    throw Failure(ExitCode::kUsage, not_installed(kName, "qemu-system-x86"));
  }
  const CacheEntry entry = entry_in(cache);
  return entry.find<QemuProgram>([&](const auto& stamp) { return load_qemu(entry, stamp); });
}

QemuProgram guest_qemu(const fs::path& cache, const Progress& progress,
                       const FetchOptions& options) {
  const std::optional<QemuProgram> found = find_guest_qemu(cache);
  if (found && !(found->fetched && options.refresh)) return *found;
  return fetch_qemu(cache, progress, options);
}

}  // namespace faultline
