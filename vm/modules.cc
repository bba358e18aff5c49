// SPDX-License-Identifier: GPL-2.0-only
#include "vm/modules.h"

#include <archive.h>
#include <archive_entry.h>
#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <sstream>
#include <utility>

#include "cell/failure.h"
#include "vm/archive_handles.h"
#include "vm/command.h"
#include "vm/files.h"

namespace faultline {
namespace fs = std::filesystem;

namespace {

constexpr std::array<std::string_view, 4> kSuffixes = {".ko", ".ko.xz", ".ko.zst", ".ko.gz"};

// What depmod writes and modprobe reads; without one of the first three it finds nothing.
constexpr std::array<std::string_view, 3> kNeededIndex = {"modules.dep.bin", "modules.alias.bin",
                                                          "modules.builtin.bin"};
constexpr std::array<std::string_view, 5> kTextIndex = {
    "modules.dep", "modules.alias", "modules.symbols", "modules.softdep", "modules.devname"};
constexpr std::string_view kSoftdeps = "modules.softdep";

// What depmod takes for a release; the folder itself may have any name.
constexpr const char* kRelease = "0.0";

// Runs a program of kmod.
CommandOutput run_kmod(const std::string& program, const std::vector<std::string>& arguments) {
  const fs::path found = find_program(program);
  if (found.empty()) {
    throw Failure(ExitCode::kUsage, not_installed(program, "kmod"));
  }
  std::vector<std::string> argv = {found.string()};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  return run_command(argv);
}

// The first of kmod's complaints, without its own name and its warnings; empty if there is none.
std::string complaint_of(const CommandOutput& output) {
  std::istringstream lines(output.error);
  for (std::string line; std::getline(lines, line);) {
    for (const std::string_view kind : {"ERROR: ", "FATAL: "}) {
      const std::size_t at = line.find(kind);
      if (at == std::string::npos) continue;
      // The end of "libkmod-module.c:191 function() ctx=0x55ba path=FILE error=REASON" says it.
      const std::size_t path = line.find("path=", at);
      return line.substr(path != std::string::npos ? path : at + kind.size());
    }
  }
  return output.status == 0 ? "" : fmt::format("it ended with status {}", output.status);
}

bool is_indexed(const fs::path& modules_dir) {
  std::error_code ignored;
  return std::all_of(kNeededIndex.begin(), kNeededIndex.end(), [&](std::string_view name) {
    return fs::exists(modules_dir / name, ignored);
  });
}

bool is_index_file(const std::string& name) {
  return (name.starts_with("modules.") && name.ends_with(".bin")) ||
         std::find(kTextIndex.begin(), kTextIndex.end(), name) != kTextIndex.end();
}

// Makes `place` a folder of links to all that is in `folder` and that `wanted` takes.
template <typename Wanted>
void link_all(const fs::path& folder, const fs::path& place, Wanted wanted) {
  make_dirs(place);
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (!wanted(name)) continue;
    fs::create_symlink(entry.path(), place / name, error);
    if (error) break;
  }
  if (error) throw_io_failure("cannot link to what is in", folder, error.value());
}

// A modules folder under the two names that modprobe can be asked about: as it is, and as if no
// module had a softdep, which is how those that a module cannot do without are told from the rest.
// The folders hold links, and depmod's index files where the modules folder has none.
class ModuleTree {
 public:
  explicit ModuleTree(const fs::path& modules_dir) : modules_dir_(modules_dir), root_(temp_dir()) {
    std::error_code error;
    if (!fs::is_directory(modules_dir, error)) {
      throw Failure(ExitCode::kUsage, fmt::format("no modules folder {}; give the folder that the "
                                                  "kernel calls /lib/modules/RELEASE",
                                                  modules_dir.string()));
    }
    const bool indexed = is_indexed(modules_dir);
    // `build` and `source` lead to the kernel's sources, where depmod has nothing to look for.
    link_all(fs::absolute(modules_dir), whole(), [&](const std::string& name) {
      return name != "build" && name != "source" && (indexed || !is_index_file(name));
    });
    if (!indexed) {
      const CommandOutput output =
          run_kmod("depmod", {"-b", (root_.path() / "whole").string(), kRelease});
      if (output.status != 0) {
        throw Failure(ExitCode::kUsage, fmt::format("depmod cannot index {}: {}; install the "
                                                    "kernel's modules again",
                                                    modules_dir.string(), complaint_of(output)));
      }
    }
    const std::uintmax_t bytes = fs::file_size(whole() / "modules.dep", error);
    if ((error || bytes == 0) && !fs::exists(modules_dir / "modules.builtin", error)) {
      throw Failure(ExitCode::kUsage,
                    fmt::format("no modules in {}; give the folder that the kernel calls "
                                "/lib/modules/RELEASE",
                                modules_dir.string()));
    }
    link_all(whole(), hard(), [](const std::string& name) { return name != kSoftdeps; });
    make_dirs(no_configuration());
  }

  // With depmod's index files, if those of the modules folder were not there.
  [[nodiscard]] fs::path whole() const { return folder_of("whole"); }

  struct LoadList {
    bool found = false;
    std::vector<std::string> files = {};  // in load order, relative to the modules folder
  };
  // What to load for a module or alias; no files if it is built in.
  [[nodiscard]] LoadList ask(const std::string& name) const { return ask_in("whole", name); }
  [[nodiscard]] LoadList ask_without_softdeps(const std::string& name) const {
    return ask_in("hard", name);
  }

 private:
  [[nodiscard]] fs::path folder_of(const char* tree) const {
    return root_.path() / tree / "lib" / "modules" / kRelease;
  }
  [[nodiscard]] fs::path hard() const { return folder_of("hard"); }
  // In place of this machine's modprobe.d.
  [[nodiscard]] fs::path no_configuration() const { return root_.path() / "conf"; }

  [[nodiscard]] LoadList ask_in(const char* tree, const std::string& name) const {
    const CommandOutput output =
        run_kmod("modprobe", {"--show-depends", "-C", no_configuration().string(), "-d",
                              (root_.path() / tree).string(), "-S", kRelease, name});
    if (output.error.find("not found in directory") != std::string::npos) return {};
    // A file that the index names and that is gone is an error, and yet a status of 0.
    std::string complaint = complaint_of(output);
    if (!complaint.empty()) {
      const std::string folder = folder_of(tree).string();
      if (const std::size_t at = complaint.find(folder); at != std::string::npos) {
        complaint.replace(at, folder.size(), modules_dir_.string());
      }
      throw Failure(ExitCode::kUsage,
                    fmt::format("modprobe cannot tell all that module {} needs: {}; the modules "
                                "are incomplete, install them again",
                                name, complaint));
    }
    LoadList answer = {.found = true};
    const std::string start = fmt::format("insmod {}/", folder_of(tree).string());
    std::istringstream lines(output.out);
    for (std::string line; std::getline(lines, line);) {
      if (!line.starts_with(start)) continue;  // "builtin NAME"
      line.erase(0, start.size());
      answer.files.push_back(line.substr(0, line.find(' ')));  // options may follow
    }
    return answer;
  }

  fs::path modules_dir_;
  TempDir root_;
};

// A path without the '/' that may be at its end.
fs::path plain(const fs::path& folder) {
  return folder.has_filename() ? folder : folder.parent_path();
}

}  // namespace

std::string module_name(std::string_view file_or_name) {
  file_or_name.remove_prefix(file_or_name.find_last_of('/') + 1);
  for (const std::string_view suffix : kSuffixes) {
    if (!file_or_name.ends_with(suffix)) continue;
    file_or_name.remove_suffix(suffix.size());
    break;
  }
  std::string name(file_or_name);
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

std::string read_module(const fs::path& file) {
  const ArchiveReader reader(archive_read_new());
  support_packed(reader.get());
  archive_read_support_format_raw(reader.get());
  archive_entry* entry = nullptr;
  std::string bytes;
  if (archive_read_open_filename(reader.get(), file.c_str(), 1 << 16) == ARCHIVE_OK &&
      archive_read_next_header(reader.get(), &entry) == ARCHIVE_OK) {
    std::array<char, 1 << 16> buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init)
    la_ssize_t count = 0;
    while ((count = archive_read_data(reader.get(), buffer.data(), buffer.size())) > 0) {
      bytes.append(buffer.data(), static_cast<std::size_t>(count));
    }
    if (count == 0 && bytes.starts_with(ELFMAG)) return bytes;
  }
  const char* error = archive_error_string(reader.get());
  throw Failure(ExitCode::kUsage,
                fmt::format("cannot read module {}: {}; install the kernel's modules again",
                            file.string(), error != nullptr ? error : "it is no ELF file"));
}

std::vector<std::string> module_field(const fs::path& file, const std::string& field) {
  const CommandOutput output = run_kmod("modinfo", {"-F", field, fs::absolute(file).string()});
  if (output.status != 0) {
    throw Failure(ExitCode::kUsage, fmt::format("{} is no kernel module ({}); check the modules "
                                                "folder",
                                                file.string(), complaint_of(output)));
  }
  std::vector<std::string> values;
  std::istringstream lines(output.out);
  for (std::string line; std::getline(lines, line);) values.push_back(line);
  return values;
}

std::vector<std::string> needs_of_module(const fs::path& file, const std::string& release) {
  // The kernel compares all of it before it takes a module; its first word is the release.
  const std::vector<std::string> vermagic = module_field(file, "vermagic");
  const std::string made_for =
      vermagic.empty() ? "" : vermagic.front().substr(0, vermagic.front().find(' '));
  if (made_for != release) {
    throw Failure(
        ExitCode::kUsage,
        fmt::format("module {} was built for kernel {}, and this one is {}; build it "
                    "against the tree of this one",
                    file.string(), made_for.empty() ? "(none: no vermagic)" : made_for, release));
  }
  std::vector<std::string> needs;
  for (const std::string& line : module_field(file, "depends")) {
    std::istringstream names(line);
    for (std::string name; std::getline(names, name, ',');) {
      if (!name.empty()) needs.push_back(module_name(name));
    }
  }
  return needs;
}

void write_module_index(const fs::path& modules_dir) {
  if (is_indexed(modules_dir)) return;
  const ModuleTree tree(modules_dir);
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(tree.whole())) {
    if (entry.is_symlink()) continue;
    const fs::path place = modules_dir / entry.path().filename();
    fs::copy_file(entry.path(), place, fs::copy_options::overwrite_existing, error);
    if (error) throw_io_failure("cannot write", place, error.value());
  }
}

std::vector<ModuleToLoad> load_order(const fs::path& modules_dir,
                                     const std::vector<WantedModule>& wanted,
                                     std::set<std::string>* lacks) {
  if (modules_dir.empty()) return {};
  const fs::path folder = plain(modules_dir);
  const ModuleTree tree(folder);
  std::vector<ModuleToLoad> order;
  const auto in_order = [&](const std::string& file) {
    return std::find_if(order.begin(), order.end(),
                        [&](const ModuleToLoad& module) { return module.file == folder / file; });
  };
  for (const WantedModule& wish : wanted) {
    const std::string name = module_name(wish.name);
    const ModuleTree::LoadList all = tree.ask(name);
    if (!all.found) {
      if (wish.lacking && lacks != nullptr) lacks->insert(wish.name);
      if (wish.optional || wish.lacking) continue;
      throw Failure(ExitCode::kUsage,
                    fmt::format("kernel {} has no module {} (looked in {}); choose a kernel that "
                                "has it, or check --modules",
                                folder.filename().string(), name, folder.string()));
    }
    for (const std::string& file : all.files) {
      if (in_order(file) != order.end()) continue;
      order.push_back({.name = module_name(file), .file = folder / file, .required = false});
    }
    if (wish.optional) continue;
    const ModuleTree::LoadList needed = tree.ask_without_softdeps(name);
    // An alias gives modules of other names, of which it is enough that some load.
    if (needed.files.empty() || module_name(needed.files.back()) != name) continue;
    for (const std::string& file : needed.files) {
      if (const auto found = in_order(file); found != order.end()) found->required = true;
    }
  }
  return order;
}

}  // namespace faultline
