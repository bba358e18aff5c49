// SPDX-License-Identifier: GPL-2.0-only
// The row of docs/result-format.md: every field of it that the guest writes is written here.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "harness/cell.h"
#include "harness/complaints.h"
#include "harness/contest_scan.h"

namespace faultline {

// A row without figures, less what only the host knows (accel, vcpus).
nlohmann::json empty_row(const Cell& cell, const std::string& status, const std::string& reason);

// What a contest came to, complaint and all.
void put_contest(const ContestMeasurement& contest, nlohmann::json& row);

// The strategy module's counters.
void put_module(const fl_kmod_stats& stats, nlohmann::json& row);

void put_standing(const Standing& standing, nlohmann::json& row);

}  // namespace faultline
