// SPDX-License-Identifier: GPL-2.0-only
// Which module files of a kernel to load, and in which order.
//
// Names: a module's name has no suffix, and '-' and '_' are the same in it ("nd_pmem").
// A modules folder is what a kernel calls /lib/modules/RELEASE.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace faultline {

// What is known of one module file.
struct ModuleInfo {
  std::string file = {};                // relative to the modules folder
  std::vector<std::string> needs = {};  // names; must be loaded before
  std::vector<std::string> likes = {};  // names or aliases (softdep pre); before, if there are any
};

struct ModuleIndex {
  std::map<std::string, ModuleInfo> modules = {};                // by name
  std::set<std::string> built_in = {};                           // names
  std::map<std::string, std::vector<std::string>> aliases = {};  // plain aliases only, to names
};

// "kernel/fs/xfs/xfs.ko.xz" -> "xfs"; "nd-pmem" -> "nd_pmem".
std::string module_name(std::string_view file_or_name);

// Parsers of what depmod and the kernel's build write. Pure; what is not understood is left out.
void parse_modules_dep(const std::string& text, ModuleIndex& index);
void parse_modules_builtin(const std::string& text, ModuleIndex& index);
void parse_modules_softdep(const std::string& text, ModuleIndex& index);
void parse_modules_alias(const std::string& text, ModuleIndex& index);

// The .modinfo section of a module's bytes, as "key=value" strings. Pure.
// Failure(kUsage) naming `where` if the bytes are no 64-bit module.
std::vector<std::string> module_strings(const std::string& bytes, const std::string& where);

// The bytes of a module file, decompressed (.ko, .ko.xz, .ko.zst, .ko.gz).
// Failure(kUsage) if the file cannot be read or is no module.
std::string read_module(const std::filesystem::path& file);

// From modules.dep, modules.softdep and modules.alias, or, where modules.dep is absent (Debian
// packages have none), from the modules themselves, which takes seconds.
// Failure(kUsage) if the folder holds no modules.
ModuleIndex read_module_index(const std::filesystem::path& modules_dir);

// Writes modules.dep, modules.softdep and modules.alias from the modules themselves, where
// modules.dep is absent.
void write_module_index(const std::filesystem::path& modules_dir);

struct WantedModule {
  std::string name = {};  // or a plain alias ("crc32c"), for all that bear it and load
  bool optional = false;  // may be absent from this kernel
};

struct ModuleToLoad {
  std::string name = {};
  std::filesystem::path file = {};
  bool required = true;  // false: the guest carries on if it does not load
};

// The files to load, each once, what a module needs before it. Built-in ones are left out. Those
// that only a softdep or an optional wish asks for are not required. `release` is for messages.
// Failure(kUsage) for a required module that the kernel lacks, or for modules that need each other.
std::vector<ModuleToLoad> load_order(const ModuleIndex& index,
                                     const std::filesystem::path& modules_dir,
                                     const std::vector<WantedModule>& wanted,
                                     const std::string& release);
// The same for a modules folder, whose name is the release.
std::vector<ModuleToLoad> load_order(const std::filesystem::path& modules_dir,
                                     const std::vector<WantedModule>& wanted);

}  // namespace faultline
