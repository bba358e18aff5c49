// SPDX-License-Identifier: GPL-2.0-only
// One cell, from its seed to its row.
#pragma once

#include <string>

#include "cell/row.h"
#include "harness/run_context.h"

namespace faultline {

// Runs a cell and returns its row (cell/row.h), less what only the host knows (accel, tax, life). A
// cell that fails is a row too: `status` and `reason` say so. Does not throw for what the kernel
// did. The records of a cell that keeps them (cell/sample_file.h) go into `samples`.
Row run_cell(const Cell& cell, const RunContext& context, std::string* samples = nullptr);

}  // namespace faultline
