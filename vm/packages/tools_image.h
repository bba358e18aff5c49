// SPDX-License-Identifier: GPL-2.0-only
// The tools of a Debian suite (bash, bpftrace, perf, trace-cmd and what they need) as a read-only
// disk for guests: a whole root file system, because a program needs its own suite's C library.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "vm/kernel.h"
#include "vm/modules.h"
#include "vm/packages/fetch.h"

namespace faultline {

struct ToolsImage {
  std::filesystem::path file = {};  // squashfs
  std::string suite = {};
  std::string sha256 = {};
  bool made_now = false;
};

// The suite whose tools go with a kernel: the one it comes from, without -backports and the like.
// For a kernel of the user's own the oldest that is newer than it, else the newest. Pure.
std::string tools_suite(const FetchedKernel& kernel);

// The tools of `suite`. Those already in `cache`/tools are returned without touching the network.
// The same packages give the same bytes. Safe with other commands that use the same cache; whatever
// interrupts it, the cache holds a whole image or none. Failure(kUsage) if mksquashfs is not
// installed; else as fetch_kernel().
ToolsImage fetch_tools_image(const std::string& suite, const std::filesystem::path& cache,
                             const Progress& progress = {}, const FetchOptions& options = {});

// The modules that a guest needs to see such a disk and mount its squashfs.
std::vector<WantedModule> disk_modules();
// QEMU's arguments for one more disk. The guest names them vda, vdb, ... in the order given. Pure.
std::vector<std::string> disk_arguments(const std::string& id, const std::filesystem::path& file,
                                        bool read_only);

// Writes `files` and folders, with all they hold, into a squashfs for disk_arguments();
// uncompressed, which costs the guest nothing to read. Failure(kUsage) if one cannot be read, or
// two have one name.
void pack_files(const std::vector<std::filesystem::path>& files,
                const std::filesystem::path& image);

// Where a package's file goes in the image: everything below /usr, as merged systems have it;
// empty: it is left out. Pure.
std::string tools_place_of(const std::string& member);

}  // namespace faultline
