// SPDX-License-Identifier: GPL-2.0-only
// A kernel tree that has been built, as a kernel that can be booted.
#pragma once

#include <filesystem>

#include "vm/kernel.h"

namespace faultline {

// The bzImage of `tree`, and in `into` its modules where `make modules_install
// INSTALL_MOD_PATH=into` would put them, as links. A tree without modules will do: what is built in
// need not be loaded. Failure(kUsage) naming what is missing; the kernel itself is not tried.
FetchedKernel kernel_from_tree(const std::filesystem::path& tree,
                               const std::filesystem::path& into);

}  // namespace faultline
