// SPDX-License-Identifier: GPL-2.0-only
// A kernel of the user's own.
#pragma once

#include <filesystem>

#include "vm/kernel.h"

namespace faultline {

// The kernel of two paths. `modules_dir` may be the modules folder itself, or the place given
// to `make modules_install` as INSTALL_MOD_PATH. Failure(kUsage), naming what is wrong, if the
// file is no bzImage or the folder has no modules of that release.
FetchedKernel kernel_from_path(const std::filesystem::path& bzimage,
                               const std::filesystem::path& modules_dir);

}  // namespace faultline
