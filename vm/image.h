// SPDX-License-Identifier: GPL-2.0-only
// Writes the guest's initramfs: an uncompressed cpio (newc) whose bytes depend on nothing but what
// is put in. The virtual time of a boot depends on every byte of it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "vm/modules.h"

namespace faultline {

// Paths in the guest are absolute. Parent folders are made, mode 0755.
struct ImageFile {
  std::string path = {};
  std::filesystem::path source = {};  // on the host; used unless `content` is set
  std::optional<std::string> content = {};
  unsigned mode = 0644;
};
struct ImageLink {
  std::string path = {};
  std::string target = {};  // as written into the link
};
struct ImageDevice {
  std::string path = {};
  bool block = false;  // false: a character device
  unsigned major = 0;
  unsigned minor = 0;
  unsigned mode = 0600;
};
struct ImageExecutable {
  std::string path = {};
  std::filesystem::path source = {};  // on the host; its shared libraries come along
  bool of_host = false;               // these are this machine's, whatever ImageSpec::root is
};

struct ImageSpec {
  // The root file system that the executables' libraries are taken from; in the guest they have the
  // places that they have there. Empty: this machine's own.
  std::filesystem::path root = {};
  std::vector<ImageExecutable> executables = {};
  std::vector<ImageFile> files = {};
  std::vector<ImageLink> links = {};
  std::vector<std::string> folders = {};  // besides /dev /mnt /proc /sys /tmp
  std::vector<ImageDevice> devices = {};  // besides /dev/console (c 5 1)
  // Each becomes /lib/modules/NN-NAME.ko, decompressed. /lib/modules/order has a line
  // "NN-NAME.ko required" or "NN-NAME.ko optional" for each, in this order.
  std::vector<ModuleToLoad> modules = {};
};

struct ImageResult {
  std::string sha256 = {};
  std::uint64_t size_bytes = 0;
};

// Writes the image to `out`, whole or not at all. Failure(kUsage) if something named in `spec`
// cannot be read or two things want one path; Failure(kVmFailed) if the disk is full.
ImageResult build_image(const ImageSpec& spec, const std::filesystem::path& out);

// A shared library that an executable needs, its loader included.
struct Library {
  std::filesystem::path name = {};    // where the loader looks for it
  std::filesystem::path file = {};    // the same with all links resolved
  std::filesystem::path source = {};  // where that lies on this machine: below the root, if any
};
// All that `executable` needs, directly and indirectly, by its own loader's word (what ldd does);
// sorted by name; empty for a static one. Libraries built for special CPUs (glibc-hwcaps) are not
// considered, because the guest's CPU is not this one. Failure(kUsage) if the file is no x86-64
// executable, or a library is missing: of `root`, whose loader is asked, or of this machine.
std::vector<Library> library_closure(const std::filesystem::path& executable,
                                     const std::filesystem::path& root = {});

// What a loader prints for --list, as pairs of a name and the path that it found for it, which is
// empty if it found none. Pure.
struct LoaderLine {
  std::string name = {};
  std::string path = {};
};
std::vector<LoaderLine> parse_loader_list(const std::string& text);

}  // namespace faultline
