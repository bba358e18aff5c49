// SPDX-License-Identifier: GPL-2.0-only
// Which module files of a kernel to load, and in which order: what kmod's modprobe answers, asked
// about a folder of modules instead of the running kernel.
//
// A module's name has no suffix, and '-' and '_' are the same in it ("nd_pmem"). A modules folder
// is what a kernel calls /lib/modules/RELEASE. It may have any name, and is never written to but by
// write_module_index().
//
// Errors of every function here: Failure(kUsage) where kmod is not installed, too.
#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace faultline {

// A module's name: "xfs" of "kernel/fs/xfs/xfs.ko.xz", "nd_pmem" of "nd-pmem".
std::string module_name(std::string_view file_or_name);

// The bytes of a module file, decompressed (.ko, .ko.xz, .ko.zst, .ko.gz).
// Failure(kUsage) if the file cannot be read or is no module.
std::string read_module(const std::filesystem::path& file);

// The values of `field` ("vermagic") in a module file. Failure(kUsage) if it is no module.
std::vector<std::string> module_field(const std::filesystem::path& file, const std::string& field);

// The names of what a module of the user's depends on, in its own order. Failure(kUsage), one line,
// if it was made for another release than `release`.
std::vector<std::string> needs_of_module(const std::filesystem::path& file,
                                         const std::string& release);

// Writes depmod's index files into the folder, unless they are there. Takes seconds.
// Failure(kUsage) with depmod's complaint if it refuses the modules.
void write_module_index(const std::filesystem::path& modules_dir);

struct WantedModule {
  std::string name = {};  // or an alias ("crc32c"), for all that bear it and load
  bool optional = false;  // may be absent from this kernel
  bool lacking = false;   // may be absent too, which is then told; where it is there it must load
};

struct ModuleToLoad {
  std::string name = {};
  std::filesystem::path file = {};
  bool required = true;  // false: the guest carries on if it does not load
};

// The files to load, each once, after what it needs. Modules that are built in are left out. Those
// that only a softdep, an alias or an optional wish asks for are not required. Without a folder
// there are none: all is built in. Those `lacking` that the kernel does not have are added to
// `lacks`. The folder's name is the release in messages. A folder without depmod's index files is
// indexed aside, which takes seconds. Failure(kUsage) if the kernel lacks a module that is not
// optional or a file that the index names, if the folder holds no modules, or if depmod or modprobe
// refuses it.
std::vector<ModuleToLoad> load_order(const std::filesystem::path& modules_dir,
                                     const std::vector<WantedModule>& wanted,
                                     std::set<std::string>* lacks = nullptr);

}  // namespace faultline
