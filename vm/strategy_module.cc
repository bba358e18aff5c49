// SPDX-License-Identifier: GPL-2.0-only
#include "vm/strategy_module.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <initializer_list>
#include <optional>
#include <sstream>
#include <string_view>

#include "cell/failure.h"
#include "cell/words.h"
#include "vm/cache/entry.h"
#include "vm/command.h"
#include "vm/files.h"
#include "vm/image.h"
#include "vm/modules.h"
#include "vm/packages/headers.h"
#include "vm/packages/toolchain.h"

namespace faultline {
namespace fs = std::filesystem;

namespace {

constexpr const char* kModule = "faultline.ko";
constexpr const char* kLog = "build.log";

void tell(const Progress& progress, const FetchedKernel& kernel, std::string_view what) {
  if (progress) progress(fmt::format("module {}: {}", kernel.id, what));
}

[[noreturn]] void skip(const FetchedKernel& kernel, const std::string& why) {
  throw Failure(ExitCode::kSkipped,
                fmt::format("no strategy module for {}: {}", kernel.release, why));
}

// The programs of a build: this machine's compiler, or one of the kernel's own suite with its own C
// library, through which the build's tools then run too.
struct BuildTools {
  std::string version;  // the first line of the compiler's --version
  fs::path compiler;
  std::optional<Toolchain> toolchain;
};

// The first of these files that the headers hold. Debian has put a front before the tools of
// several machines; what does the work is behind it.
fs::path tool_of(const KernelHeaders& headers, std::initializer_list<const char*> names) {
  std::error_code ignored;
  for (const char* name : names) {
    if (fs::exists(headers.build / name, ignored)) return headers.build / name;
  }
  return {};
}

fs::path modpost_of(const KernelHeaders& headers) {
  return tool_of(headers, {"scripts/mod/modpost.real-lsb-64", "scripts/mod/modpost"});
}

fs::path objtool_of(const KernelHeaders& headers) {
  return tool_of(headers, {"tools/objtool/objtool.real-x86", "tools/objtool/objtool"});
}

bool runs_here(const fs::path& program) {
  try {
    library_closure(program);
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

int major_version(const fs::path& compiler) {
  return std::atoi(run_command({compiler.string(), "-dumpversion"}).out.c_str());
}

// The host's compiler: the very one that built the kernel, else one no older.
std::optional<fs::path> host_compiler(const KernelHeaders& headers) {
  if (!headers.compiler.empty()) {
    if (const fs::path same = find_program(headers.compiler); !same.empty()) return same;
  }
  const fs::path gcc = find_program("gcc");
  if (gcc.empty() || major_version(gcc) < headers.compiler_major) return std::nullopt;
  return gcc;
}

BuildTools choose_tools(const FetchedKernel& kernel, const KernelHeaders& headers,
                        const fs::path& cache, const Progress& progress,
                        const FetchOptions& options) {
  const fs::path objtool = objtool_of(headers);
  const std::optional<fs::path> own = host_compiler(headers);
  if (own && runs_here(modpost_of(headers)) && (objtool.empty() || runs_here(objtool))) {
    return {first_line(run_command({own->string(), "--version"}).out), *own, std::nullopt};
  }
  if (kernel.suites.empty() || headers.compiler.empty()) {
    skip(kernel, fmt::format("it needs {}, and a C library that the tools of its build run with",
                             headers.compiler.empty() ? "gcc" : headers.compiler));
  }
  const Toolchain toolchain = fetch_toolchain(base_suite(kernel.suites.front()), headers.compiler,
                                              headers.libs, cache, progress, options);
  std::vector<std::string> version = command_of(toolchain, toolchain.compiler);
  version.emplace_back("--version");
  return {first_line(run_command(version).out), toolchain.compiler, toolchain};
}

// make's variables for these programs; `folder` is for scripts.
std::vector<std::string> variables_for(const BuildTools& tools, const KernelHeaders& headers,
                                       const fs::path& folder) {
  if (!tools.toolchain) return {"CC=" + tools.compiler.string()};
  std::vector<std::string> variables = write_fronts(*tools.toolchain, folder);
  for (const auto& [variable, program] :
       {std::pair{"MODPOST", modpost_of(headers)}, std::pair{"objtool", objtool_of(headers)}}) {
    if (program.empty()) continue;
    write_file(folder / variable, front_script(*tools.toolchain, program), 0755);
    variables.push_back(fmt::format("{}={}", variable, (folder / variable).string()));
  }
  return variables;
}

// Flags that keep the folders of this machine and debugging information out of the module.
std::string compiler_flags(const KernelHeaders& headers, const BuildTools& tools,
                           const fs::path& sources) {
  std::string flags = "-g0";
  const auto map = [&](const fs::path& folder, const char* to) {
    flags += fmt::format(" -ffile-prefix-map={}/={}", folder.string(), to);
  };
  map(sources, "");
  if (!headers.root.empty()) map(headers.root, "/");
  if (tools.toolchain) map(tools.toolchain->root, "/");
  return flags;
}

std::string key_of(const FetchedKernel& kernel, const KernelHeaders& headers,
                   const BuildTools& tools,
                   const std::vector<std::pair<std::string, std::string>>& sources) {
  constexpr std::string_view kRecipe = "faultline module 1";  // counts changes of make's arguments
  Sha256 digest;
  const auto add = [&](std::string_view text) {
    digest.update(fmt::format("{}\n", text.size()));
    digest.update(text);
  };
  add(kRecipe);
  add(kernel.release);
  add(headers.version);
  add(sha256_of_file(headers.build / "Module.symvers"));
  add(sha256_of_file(headers.build / "include/generated/autoconf.h"));
  add(tools.version);
  for (const auto& [name, content] : sources) {
    add(name);
    add(content);
  }
  return digest.hex();
}

std::optional<BuiltModule> load_built(const FetchedKernel& kernel, const fs::path& folder,
                                      const nlohmann::json& stamp) {
  std::error_code ignored;
  if (!fs::is_regular_file(folder / kModule, ignored)) return std::nullopt;
  BuiltModule built = {.release = kernel.release,
                       .compiler = stamp.at("compiler").get<std::string>(),
                       .path = folder / kModule,
                       .sha256 = stamp.at("sha256").get<std::string>(),
                       .made_now = false,
                       .seconds = stamp.at("seconds").get<double>()};
  if (sha256_of_file(built.path) != built.sha256) return std::nullopt;
  return built;
}

// The kernel compares the vermagic before it takes a module; its first word is the release.
void check_vermagic(const FetchedKernel& kernel, const fs::path& module) {
  const std::vector<std::string> vermagic = module_field(module, "vermagic");
  if (vermagic.empty()) skip(kernel, fmt::format("{} says no vermagic", kModule));
  const std::string release = vermagic.front().substr(0, vermagic.front().find(' '));
  if (release != kernel.release) {
    skip(kernel, fmt::format("its headers make modules for {}", release));
  }
}

// Nothing of the environment reaches the build, which a make that calls us fills with its own.
std::vector<std::string> make_argv(const KernelHeaders& headers, const BuildTools& tools,
                                   const fs::path& make, const fs::path& scratch) {
  const char* path = std::getenv("PATH");  // NOLINT(concurrency-mt-unsafe)
  const fs::path sources = scratch / "source";
  std::vector<std::string> argv = {
      "env", "-i", fmt::format("PATH={}", path != nullptr ? path : "/usr/bin:/bin"), "LC_ALL=C",
      "TMPDIR=" + (scratch / "tmp").string(), make.string(), "-C", headers.build.string(),
      "M=" + sources.string(), "KCFLAGS=" + compiler_flags(headers, tools, sources),
      // BTF of modules would need pahole, and that of the kernel itself.
      "CONFIG_DEBUG_INFO_BTF_MODULES=",
      // Without these a Makefile of Debian asks dpkg, or takes this for a cross build.
      "DEB_BUILD_ARCH=amd64", "DEB_HOST_ARCH=amd64"};
  const std::vector<std::string> variables = variables_for(tools, headers, scratch / "tools");
  argv.insert(argv.end(), variables.begin(), variables.end());
  argv.emplace_back("modules");
  return argv;
}

void build_in(const fs::path& scratch, const FetchedKernel& kernel, const KernelHeaders& headers,
              const BuildTools& tools,
              const std::vector<std::pair<std::string, std::string>>& sources,
              const fs::path& failed_log, const fs::path& made, const Progress& progress) {
  const fs::path folder = scratch / "source";
  for (const fs::path& dir : {folder, scratch / "tmp", scratch / "tools", made}) make_dirs(dir);
  for (const auto& [name, content] : sources) {
    make_dirs((folder / name).parent_path());
    write_file(folder / name, content, 0755);  // a script among them may be run
  }
  const fs::path make = find_program("make");
  if (make.empty()) skip(kernel, not_installed("make", "faultline-module or make"));
  const CommandOutput output = run_command(make_argv(headers, tools, make, scratch));
  const std::string log = output.error + output.out;
  std::error_code ignored;
  if (output.status != 0 || !fs::is_regular_file(folder / kModule, ignored)) {
    write_file(failed_log, log);
    tell(progress, kernel, "the build failed; all that it said: " + failed_log.string());
    skip(kernel, output.status == 0
                     ? fmt::format("its sources make no {}", kModule)
                     : first_build_error(log, {folder.string(), headers.root.string()}));
  }
  check_vermagic(kernel, folder / kModule);
  write_file(made / kModule, read_file(folder / kModule));
  write_file(made / kLog, log);
}

}  // namespace

std::vector<std::pair<std::string, std::string>> module_sources(const fs::path& source_dir) {
  constexpr std::array<std::string_view, 5> kMade = {".o", ".ko", ".mod", ".mod.c", ".symvers"};
  std::vector<std::pair<std::string, std::string>> sources;
  std::error_code error;
  for (const auto& entry : fs::recursive_directory_iterator(source_dir, error)) {
    const std::string name = entry.path().lexically_relative(source_dir).generic_string();
    const bool made = std::any_of(kMade.begin(), kMade.end(),
                                  [&](std::string_view suffix) { return name.ends_with(suffix); });
    if (!entry.is_regular_file() || made || name.starts_with('.') ||
        name.find("/.") != std::string::npos || name.ends_with("modules.order")) {
      continue;
    }
    sources.emplace_back(name, read_file(entry.path(), 16 << 20));
  }
  std::sort(sources.begin(), sources.end());
  return sources;
}

std::string first_build_error(const std::string& output, const std::vector<std::string>& folders) {
  constexpr std::size_t kLongest = 300;
  // The best sign first: what a compiler says, the linker's last step, make itself.
  constexpr std::array<std::string_view, 4> kSigns = {"error: ", "ERROR: ", "Error: ", "*** "};
  std::string found;
  std::size_t best = kSigns.size();
  std::string last;
  std::istringstream lines(output);
  for (std::string line; std::getline(lines, line);) {
    if (line.find_first_not_of(" \t") == std::string::npos) continue;
    last = line;
    for (std::size_t i = 0; i < best; ++i) {
      if (line.find(kSigns.at(i)) == std::string::npos) continue;
      best = i;
      found = line;
    }
  }
  if (found.empty()) found = last;
  for (const std::string& folder : folders) {
    for (std::size_t at = 0; (at = found.find(folder + "/", at)) != std::string::npos;) {
      found.erase(at, folder.size() + 1);
    }
  }
  found.erase(0, found.find_first_not_of(" \t"));
  if (found.size() > kLongest) found = found.substr(0, kLongest) + "...";
  return found.empty() ? "the build failed and said nothing" : found;
}

BuiltModule build_strategy_module(const FetchedKernel& kernel, const fs::path& source_dir,
                                  const fs::path& cache, const Progress& progress,
                                  const FetchOptions& options) {
  const auto sources = module_sources(source_dir);
  if (std::none_of(sources.begin(), sources.end(), [](const auto& source) {
        return source.first == "Kbuild" || source.first == "Makefile";
      })) {
    skip(kernel, fmt::format("its sources are not there (no Kbuild in {})",
                             source_dir.empty() ? "kmod" : source_dir.filename().string()));
  }
  if (cache.string().find_first_of(" \t:") != std::string::npos) {
    skip(kernel, "kbuild takes no path with a blank or a colon; set FAULTLINE_CACHE to another");
  }
  const KernelHeaders headers = fetch_headers(kernel, cache, progress, options);
  const BuildTools tools = choose_tools(kernel, headers, cache, progress, options);
  const CacheEntry entry(cache, {.kind = "kmod",
                                 .name = key_of(kernel, headers, tools, sources),
                                 .from = {{"release", kernel.release},
                                          {"headers", headers.version},
                                          {"compiler", tools.version}}});
  const auto make = [&](const CacheEntry::Making& making) -> std::optional<nlohmann::json> {
    tell(progress, kernel, "building with " + tools.version);
    const auto begin = std::chrono::steady_clock::now();
    make_dirs(cache / "kmod");
    build_in(making.scratch, kernel, headers, tools, sources,
             cache / "kmod" / ("failed-" + kernel.release + ".log"), making.folder, progress);
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    return nlohmann::json{{"sha256", sha256_of_file(making.folder / kModule)},
                          {"seconds", std::round(seconds * 10) / 10}};
  };
  auto [built, made_now] = entry.obtain<BuiltModule>(
      {.load =
           [&](const nlohmann::json& stamp) { return load_built(kernel, entry.folder(), stamp); },
       .make = make,
       .on_wait = [&] { tell(progress, kernel, "waiting for another command that builds it"); }});
  built.made_now = made_now;
  return built;
}

}  // namespace faultline
