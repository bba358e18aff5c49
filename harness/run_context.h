// SPDX-License-Identifier: GPL-2.0-only
// What a cell is run on and with, beside the cell itself.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "cell/strategy.h"
#include "harness/counters.h"
#include "harness/filesystem.h"
#include "harness/probe.h"
#include "harness/workload.h"

namespace faultline {

struct RunContext {
  const FileSystem& fs;
  const Strategy& strategy;
  const Workload& workload;
  const WorkloadCode& code;      // of the workload
  std::string directory;         // on the file system
  ProbeSets& probes;             // loaded, not attached
  Counters* counters = nullptr;  // of the CPU; on the host
  // Touches before the measured ones, if not the usual number.
  std::optional<uint64_t> warmup = {};
};

}  // namespace faultline
