// SPDX-License-Identifier: GPL-2.0-only
// One cell: prepare, attach, warm up, measure, drain, write.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "harness/cell.h"
#include "harness/counters.h"
#include "harness/filesystem.h"
#include "harness/probe.h"
#include "harness/strategy.h"
#include "harness/workload.h"
#include "kmod/faultline_ioctl.h"

namespace faultline {

struct RunContext {
  const FileSystem& fs;
  const Strategy& strategy;
  const Workload& workload;
  std::string directory;         // on the file system
  ProbeSets& probes;             // loaded, not attached
  Counters* counters = nullptr;  // of the CPU; on the host
  // Touches before the measured ones, if not the usual number.
  std::optional<uint64_t> warmup = {};
};

// The row of docs/result-format.md, less what only the host knows (accel, tax, life). A cell that
// fails is a row too: `status` and `reason` say so. Does not throw for what the kernel did.
nlohmann::json run_cell(const Cell& cell, const RunContext& context);

// The module's counters as a row has them.
nlohmann::json module_json(const fl_kmod_stats& stats);
// Of the faults that ended; a retry count above the table's is the table's last.
uint64_t retries_p50(const fl_kmod_stats& stats);

// A row without figures.
nlohmann::json empty_row(const Cell& cell, const std::string& status, const std::string& reason);

}  // namespace faultline
