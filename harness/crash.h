// SPDX-License-Identifier: GPL-2.0-only
// The crash test's two guests: one writes pages and tells what its strategy promises of them, the
// other mounts what was left of them when the power went. What the host makes of it:
// cli/crashtest.cc, docs/crashtest.md.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "harness/filesystem.h"

namespace faultline {

// Does what the host asks for by `crash` in wire::kCellFile. Throws Failure.
//   {"do": "write", "cell": {...}, "pages": n, "rounds": n, "plant": "" or "skip_sync"}: the
//   writer. Its result frame is {"written": true}.
//   {"do": "check", "images": n}: the checker. It sends a `wait` frame before each image and after
//   the last, and a `result` frame of each.
void run_crash(const nlohmann::json& request, const FileSystem& fs, const std::string& directory);

}  // namespace faultline
