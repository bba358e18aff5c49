// SPDX-License-Identifier: GPL-2.0-only
// The row of docs/result-format.md: every field of it that the guest writes is written here.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "harness/cell.h"
#include "harness/complaints.h"
#include "harness/contest_scan.h"
#include "harness/measure.h"

namespace faultline {

// A row without figures, less what only the host knows (accel, vcpus).
nlohmann::json empty_row(const Cell& cell, const std::string& status, const std::string& reason);

// What is known of a cell whose touches are a plain loop; how it stands is put_standing()'s.
void put_measurement(const Cell& cell, const Measurement& measurement, nlohmann::json& row);

// What a contest came to, complaint and all.
void put_contest(const ContestMeasurement& contest, nlohmann::json& row);

// `status` and `reason`.
void put_standing(const Standing& standing, nlohmann::json& row);

}  // namespace faultline
