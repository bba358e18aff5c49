// SPDX-License-Identifier: GPL-2.0-only
// What was measured, put into the row (cell/row.h): every field that the guest fills is filled
// here.
#pragma once

#include "cell/row.h"
#include "harness/complaints.h"
#include "harness/contest_scan.h"
#include "harness/measure.h"

namespace faultline {

// What is known of a cell whose touches are a plain loop; how it stands is put_standing()'s.
void put_measurement(const Cell& cell, const Measurement& measurement, Row& row);

// What a contest came to, complaint and all.
void put_contest(const ContestMeasurement& contest, Row& row);

// `status` and `reason`.
void put_standing(const Standing& standing, Row& row);

}  // namespace faultline
