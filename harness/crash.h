// SPDX-License-Identifier: GPL-2.0-only
// The crash test's two guests: one writes, and tells what is promised of what it has written; the
// other mounts what was left of that when the power went. What the host makes of it:
// campaign/crash_campaign.cc, docs/crashtest.md.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "harness/filesystem.h"

namespace faultline {

// Does what the host asks for by `crash` in wire::kCellFile. Throws Failure.
//   {"do": "write", "write": id, "cell": {...}, "pages": n, "rounds": n, "plant": id, "arguments":
//   [...]}: the writer; pages and rounds for kPagesWriter, arguments for kProgramWriter
//   (cell/crash_writer.h). Its result frame is {"written": true}.
//   {"do": "check", "write": id, "arguments": [...], "reads": bool}: the checker. It sends a `wait`
//   frame before each image and after the last, and a `result` frame of each. Of kPagesWriter's
//   file that says what its pages hold (`pages`, of each its versions), or without `reads` where
//   they are
//   (`extents`, each [offset in the file, on the device, bytes, whether unwritten]).
void run_crash(const nlohmann::json& request, const FileSystem& fs, const std::string& directory);

}  // namespace faultline
