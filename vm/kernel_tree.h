// SPDX-License-Identifier: GPL-2.0-only
// A kernel tree that has been built, or a package's folder, as a kernel that can be booted.
#pragma once

#include <filesystem>
#include <string>

#include "vm/kernel.h"

namespace faultline {

// Tells whether the folder holds a tree that was built, or a package.
bool holds_kernel(const std::filesystem::path& folder);

// The bzImage of `tree`, and in `into` its modules where `make modules_install
// INSTALL_MOD_PATH=into` would put them, as links. A tree without modules will do: what is built in
// need not be loaded. Failure(kUsage) naming what is missing; the kernel itself is not tried.
FetchedKernel kernel_from_tree(const std::filesystem::path& tree, const std::filesystem::path& into,
                               const std::string& name = "");

// The kernel of a path of any kind: a bzImage, with `modules_dir` as kernel_from_path() takes it; a
// tree that was built, with its own modules or those; or a folder with an unpacked package of a
// distribution's (boot/vmlinuz-RELEASE, or vmlinuz in its modules). Links to a tree's modules are
// kept until this process ends. Failure(kUsage), naming what to give.
FetchedKernel kernel_of_path(const std::filesystem::path& path,
                             const std::filesystem::path& modules_dir,
                             const std::string& name = "");

}  // namespace faultline
