// SPDX-License-Identifier: GPL-2.0-only
// A kernel of the user's own.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "vm/kernel.h"

namespace faultline {

// A kernel as a user gives it: PATH, or NAME=PATH, by which name it then goes.
struct OwnKernel {
  std::string name = {};  // empty: none was given
  std::string path = {};
};
// Reads PATH or NAME=PATH. Nothing for a text that is no path, but the name of a known kernel.
std::optional<OwnKernel> own_kernel(const std::string& text);

// What a kernel that was given without a name is called: its file's name and the beginning of its
// checksum, so that one build has one name wherever it lies, and two builds of one release, or two
// files called bzImage, have two. It holds letters, digits, '.', '_' and '-'.
std::string own_kernel_id(const std::filesystem::path& bzimage);

// The kernel of two paths. `modules_dir` may be the modules folder itself, or the place given
// to `make modules_install` as INSTALL_MOD_PATH. Without one it is /lib/modules/RELEASE, and where
// there is none the kernel has all that it needs built in. Failure(kUsage), naming what is wrong,
// if the file is no bzImage, the folder has no modules of that release, or the name is not one that
// a result and its files can bear.
FetchedKernel kernel_from_path(const std::filesystem::path& bzimage,
                               const std::filesystem::path& modules_dir,
                               const std::string& name = "");

}  // namespace faultline
