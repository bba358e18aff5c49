// SPDX-License-Identifier: GPL-2.0-only
// The table of file systems, and how one is made and mounted on the pmem device.
#pragma once

#include <array>
#include <span>
#include <string>

namespace faultline {

// A kernel function that a probe may hook, and how many arguments it has (fexit finds the return
// value behind them; there must be at most three).
struct Hook {
  const char* function = nullptr;
  unsigned arguments = 0;
};

// Of each list the first that the kernel has is used.
using Hooks = std::array<Hook, 3>;

// Whose commits and waits the probes look at.
enum class Journal { kNone, kJbd2, kXfsLog };

struct FileSystem {
  const char* id = "";
  const char* summary = "";
  const char* type = "";      // for mount(2)
  const char* mkfs = "";      // command line; the device is appended
  const char* options = "";   // mount options
  bool dax = false;           // mounted so that a mapping is the medium itself
  bool by_default = false;    // in the default matrix
  const char* module = "";    // kernel module, may be built in
  const char* tool = "";      // the program that makes it
  Hooks fault = {};           // the handler that every write fault goes through once per attempt
  const char* map = nullptr;  // its iomap_ops->iomap_begin() for a write fault
  Journal journal = Journal::kNone;
  bool fast_commit = false;  // jbd2 alone
  // Looks for errors and changes nothing, on the host: exit 0, none. The image is appended.
  const char* check = "";
};

// The strategy module's handler, around the file system's (kmod/faultline.c).
inline constexpr Hooks kModuleFaultHooks = {{{"fl_kmod_fault", 3}}};

std::span<const FileSystem> file_systems();
// nullptr when there is none of that id.
const FileSystem* find_file_system(const std::string& id);

struct Mounted {
  std::string mkfs_line;
  std::string mount_line;
  std::string tool_version;
  uint64_t made_ticks = 0;  // read_ticks() when mkfs had ended
};

// Makes the file system on `device` and mounts it at `where`. Throws Failure(kVmFailed) with the
// tool's own words.
Mounted make_and_mount(const FileSystem& fs, const std::string& device, const std::string& where);

}  // namespace faultline
