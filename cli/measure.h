// SPDX-License-Identifier: GPL-2.0-only
// `faultline run` for other verbs: a selection in, rows out.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/context.h"
#include "harness/failure.h"

namespace faultline {

struct MeasureWish {
  std::string kernel = {};
  std::string modules = {};                       // of a kernel that is a path
  std::map<std::string, std::string> lists = {};  // as the options of `run`
  std::string probes = "off";
  std::string accel = "tcg-icount";
  std::uint64_t touches = 0;  // 0: the workload's own
  std::string seeds = {};     // virtual time; empty: the default of `run`
  unsigned repetitions = 0;   // wall time; 0: one
  double boot_s = 300;        // for a boot
  std::string out = {};
};

struct Measured {
  ExitCode code = ExitCode::kPass;
  nlohmann::json context = {};
  std::vector<nlohmann::json> rows = {};
};

// Quietly, and replacing what `out` holds. Failure as `run`.
Measured measure(const MeasureWish& wish, const CommandContext& context);

// What a result that was written earlier holds; no rows if there is none, or it is damaged.
Measured read_measured(const std::string& out);

}  // namespace faultline
