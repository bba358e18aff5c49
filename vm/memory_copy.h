// SPDX-License-Identifier: GPL-2.0-only
// A guest's memory as a file: most of it is zero, so a file of it is mostly holes.
#pragma once

#include <string>

#include "vm/process.h"

namespace faultline {

// Makes `to` hold what `from` holds, with a hole for each page of zeros and for nothing else. Both
// are open for reading and writing. Failure as in vm/files.h.
void copy_memory(const Fd& from, const Fd& to);

// SHA-256, lower-case hex, over the size in bytes and every page that is not zero with its offset:
// the same wherever the file system puts holes.
std::string sha256_of_memory(const Fd& file);

}  // namespace faultline
