// SPDX-License-Identifier: GPL-2.0-only
// What was measured, put into the row (cell/row.h): every field that the guest fills is filled
// here.
#pragma once

#include "cell/row.h"
#include "harness/complaints.h"
#include "harness/contest_scan.h"
#include "harness/measure.h"

namespace faultline {

// Puts in what is known of a cell whose touches are a plain loop; put_standing() puts in how it
// stands.
void put_measurement(const Cell& cell, const Measurement& measurement, Row& row);

// Puts in what a contest came to, and how it stands.
void put_contest(const ContestMeasurement& contest, Row& row);

// Puts in `status` and `reason`.
void put_standing(const Standing& standing, Row& row);

}  // namespace faultline
