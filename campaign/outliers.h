// SPDX-License-Identifier: GPL-2.0-only
// Samples that lie far off their cell's median, and what must be measured again to learn why. Pure.
#pragma once

#include <string>
#include <vector>

#include "campaign/runner.h"
#include "cell/row.h"

namespace faultline {

// Samples of one cell that lie far off, and the middle one.
struct Outliers {
  std::size_t typical = 0;  // index of a job
  double median = 0;        // per_page of the middle sample
  std::vector<std::size_t> jobs = {};
};
// Looks at the twins of ordinary cells that have three samples or more, and finds those whose
// per_page is off the middle sample's by more than `percent`.
std::vector<Outliers> find_outliers(const std::vector<CellJob>& jobs, const std::vector<Row>& rows,
                                    double percent);

// One more life of the guest for a sample that lies far off, or for its cell's middle one.
struct Remeasurement {
  std::size_t job = 0;
  std::string vary =
      {};  // one accident alone, without probes; empty: with probes on what interrupts
};
// The remeasurements that tell why: with each accident alone where all were varied, and with probes
// on what interrupts. Beyond a number of samples the rest goes without a reason.
std::vector<Remeasurement> remeasurements(const std::vector<Outliers>& found, bool all_varied);
// The cell that a remeasurement runs.
Cell remeasured_cell(const Cell& cell, const Remeasurement& again);

}  // namespace faultline
