// SPDX-License-Identifier: GPL-2.0-only
// The option --fs-row, of every verb that names file systems.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "campaign/fs_rows.h"

namespace faultline {

// The row is added as the command line is read: all that runs after it sees one table.
inline CLI::Option* fs_row_of(CLI::App* verb) {
  return verb->add_option_function<std::string>(
      "--fs-row", [](const std::string& file) { add_fs_row(file); },
      "JSON of a file system of yours, for --fs to name");
}

}  // namespace faultline
