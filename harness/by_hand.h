// SPDX-License-Identifier: GPL-2.0-only
// One cell run by hand in a session, on a file system that is mounted already.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "cell/row.h"

namespace faultline {

// Runs `cell` in a folder of its own below `mounted`, which is removed afterwards, and returns its
// row (docs/result-format.md). `warmup` is how many touches come before the measured ones: the
// probes do not count them, but whoever else traces sees them. Failure(kUsage) if nothing is
// mounted there.
Row run_by_hand(const Cell& cell, const std::string& mounted, std::optional<uint64_t> warmup);

// The row in a few lines for people. Pure.
std::string tell_row(const Row& row);

}  // namespace faultline
