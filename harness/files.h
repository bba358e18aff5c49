// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <string>

namespace faultline {

// Reads all that a file holds, one of /proc or /sys too; empty when it cannot be read.
std::string read_file(const std::string& path);

}  // namespace faultline
