// SPDX-License-Identifier: GPL-2.0-only
// The writers of the crash test (cell/crash_writer.h) that number what they write: each with what
// it does, and what of that it finds after a power cut.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "harness/crash_events.h"

namespace faultline {

struct CrashFindings {
  std::vector<uint64_t> items = {};
  std::string wrong = {};  // what can be by no order of events; empty: nothing
};

// Both throw Failure, which is kSkipped where the file system cannot do what the writer does.
void write_items(const std::string& writer, const CrashPlants& plants, uint64_t seed,
                 const std::string& directory);
CrashFindings find_items(const std::string& writer, const std::string& directory);

}  // namespace faultline
