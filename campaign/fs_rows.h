// SPDX-License-Identifier: GPL-2.0-only
// File systems that the user describes (--fs-row), from their files to a guest's image.
#pragma once

#include <string>
#include <vector>

#include "vm/image.h"
#include "vm/modules.h"
#include "vm/packages/guest_root.h"

namespace faultline {

// Reads a row, looks whether the files that it names are there, and adds it to file_systems().
// Failure(kUsage), one line that names the file and the field.
void add_fs_row(const std::string& file);

// Failure(kUsage) when a row that was added names a program, by its bare name, that is none of the
// guest's tools.
void check_given_tools(const GuestRoot& guest);

// What the rows that were added put into the image for a kernel of that release.
struct GivenParts {
  std::vector<std::string> needs = {};     // modules of the kernel's, to be loaded before
  std::vector<ModuleToLoad> modules = {};  // the user's own
  std::vector<ImageExecutable> executables = {};
  std::vector<ImageFile> files = {};  // wire::kFileSystemRows; none without rows
};
// Failure(kUsage) for a module of another release.
GivenParts given_parts(const std::string& release);

}  // namespace faultline
