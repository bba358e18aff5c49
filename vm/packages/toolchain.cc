// SPDX-License-Identifier: GPL-2.0-only
#include "vm/packages/toolchain.h"

#include <fmt/format.h>

#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "cell/failure.h"
#include "vm/cache/entry.h"
#include "vm/command.h"
#include "vm/files.h"
#include "vm/packages/apt.h"
#include "vm/packages/unpack.h"

namespace faultline {
namespace fs = std::filesystem;

namespace {

constexpr std::string_view kTriplet = "x86_64-linux-gnu";

Toolchain toolchain_in(const fs::path& root, const std::string& compiler) {
  const fs::path libraries = root / "usr" / "lib" / kTriplet;
  return {.root = root,
          .loader = libraries / "ld-linux-x86-64.so.2",
          .libraries = libraries,
          .compiler = root / "usr" / "bin" / fmt::format("{}-{}", kTriplet, compiler)};
}

// Where a package's file goes; empty for all but programs, what the compiler runs and includes, and
// shared libraries. Packages have /lib beside /usr/lib, or all in /usr.
std::string toolchain_place_of(const std::string& member) {
  const std::string path = member.starts_with("lib/") ? "usr/" + member : member;
  const std::string_view whole = path;
  const std::string_view name = whole.substr(whole.rfind('/') + 1);
  const std::string_view folder = whole.substr(0, whole.size() - name.size());
  // lto-dump is left out: it is the largest program and no build needs it.
  const bool program =
      name.starts_with(kTriplet) && name.find("lto-dump") == std::string_view::npos;
  if (folder == "usr/bin/") return program ? path : "";
  if (folder == fmt::format("usr/lib/{}/", kTriplet)) {
    const bool sanitizer = name.find("san.so") != std::string_view::npos;
    return !sanitizer && name.find(".so") != std::string_view::npos ? path : "";
  }
  for (const std::string_view below : {"usr/lib/gcc/", "usr/libexec/gcc/"}) {
    if (!whole.starts_with(below)) continue;
    const bool wanted =
        name == "cc1" || name == "collect2" || whole.find("/include/") != std::string_view::npos;
    return wanted ? path : "";
  }
  return "";
}

}  // namespace

std::string base_suite(const std::string& suite) { return suite.substr(0, suite.find('-')); }

Toolchain fetch_toolchain(const std::string& suite, const std::string& compiler,
                          const std::vector<std::string>& libs, const fs::path& cache,
                          const Progress& progress, const FetchOptions& options) {
  const std::string name = suite + "-" + compiler;
  const auto tell = [&](const std::string& what) {
    if (progress) progress(fmt::format("compiler {} of {}: {}", compiler, suite, what));
  };
  std::vector<std::string> wanted = {compiler, "binutils", "libc6"};
  wanted.insert(wanted.end(), libs.begin(), libs.end());
  const CacheEntry entry(cache, {.kind = "toolchain", .name = name, .from = {{"wanted", wanted}}});
  const auto load = [&](const nlohmann::json&) -> std::optional<Toolchain> {
    Toolchain toolchain = toolchain_in(entry.folder(), compiler);
    std::error_code ignored;
    if (!fs::exists(toolchain.loader, ignored) || !fs::exists(toolchain.compiler, ignored)) {
      return std::nullopt;
    }
    return toolchain;
  };
  const auto make = [&](const CacheEntry::Making& making) -> std::optional<nlohmann::json> {
    const AptLists lists(cache, {suite}, options.etc_apt, tell);
    const std::vector<AptPackage> packages = apt_closure(lists.apt(), wanted);
    const nlohmann::json sums =
        unpack_all(lists, packages, making.scratch, making.folder, toolchain_place_of,
                   {.executables = true, .links = true}, tell);
    const Toolchain toolchain = toolchain_in(making.folder, compiler);
    std::vector<std::string> version = command_of(toolchain, toolchain.compiler);
    version.emplace_back("--version");
    std::error_code ignored;
    if (!fs::exists(toolchain.loader, ignored) || run_command(version).status != 0) {
      throw Failure(ExitCode::kSkipped,
                    fmt::format("the {} that Debian's {} offers does not run here; choose another "
                                "kernel",
                                compiler, suite));
    }
    return nlohmann::json{{"packages", sums}};
  };
  return entry
      .obtain<Toolchain>({.load = load,
                          .make = make,
                          .on_wait = [&] { tell("waiting for another command that fetches it"); }})
      .value;
}

std::vector<std::string> command_of(const Toolchain& toolchain, const fs::path& program) {
  return {toolchain.loader.string(), "--library-path", toolchain.libraries.string(),
          program.string()};
}

std::string front_script(const Toolchain& toolchain, const fs::path& program) {
  return fmt::format("#!/bin/sh\nexec {} --library-path {} {} \"$@\"\n",
                     shell_quoted(toolchain.loader), shell_quoted(toolchain.libraries),
                     shell_quoted(program));
}

std::vector<std::string> write_fronts(const Toolchain& toolchain, const fs::path& folder) {
  const fs::path bin = toolchain.root / "usr" / "bin";
  // With -wrapper, what the compiler starts (cc1, as) goes through the same loader. With -B it
  // starts the assembler of the toolchain and not that of this machine.
  std::string compiler = front_script(toolchain, toolchain.compiler);
  compiler.insert(
      compiler.find(" \"$@\""),
      fmt::format(" -wrapper {},--library-path,{} -B{}/{}-", shell_quoted(toolchain.loader),
                  shell_quoted(toolchain.libraries), shell_quoted(bin), kTriplet));
  write_file(folder / "cc", compiler, 0755);
  std::vector<std::string> variables = {"CC=" + (folder / "cc").string()};
  struct Program {
    const char* variable;  // the variable of make
    const char* name;
  };
  constexpr std::array kPrograms = {Program{.variable = "LD", .name = "ld"},
                                    Program{.variable = "AR", .name = "ar"},
                                    Program{.variable = "NM", .name = "nm"},
                                    Program{.variable = "OBJCOPY", .name = "objcopy"},
                                    Program{.variable = "OBJDUMP", .name = "objdump"},
                                    Program{.variable = "READELF", .name = "readelf"},
                                    Program{.variable = "STRIP", .name = "strip"}};
  for (const auto& [variable, program] : kPrograms) {
    write_file(folder / program,
               front_script(toolchain, bin / fmt::format("{}-{}", kTriplet, program)), 0755);
    variables.push_back(fmt::format("{}={}", variable, (folder / program).string()));
  }
  return variables;
}

}  // namespace faultline
