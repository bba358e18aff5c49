// SPDX-License-Identifier: GPL-2.0-only
// One cell, from its seed to its row.
#pragma once

#include <nlohmann/json.hpp>

#include "harness/cell.h"
#include "harness/run_context.h"

namespace faultline {

// The row of docs/result-format.md, less what only the host knows (accel, tax, life). A cell that
// fails is a row too: `status` and `reason` say so. Does not throw for what the kernel did.
nlohmann::json run_cell(const Cell& cell, const RunContext& context);

}  // namespace faultline
