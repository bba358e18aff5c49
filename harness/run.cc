// SPDX-License-Identifier: GPL-2.0-only
#include "harness/run.h"

#include <memory>

#include "harness/contest_scan.h"
#include "harness/failure.h"
#include "harness/measure.h"
#include "harness/row.h"
#include "harness/seed.h"

namespace faultline {
namespace {

Standing standing_after(const Failure& failure) {
  return {.status = failure.code() == ExitCode::kSkipped ? "skipped" : "failed",
          .reason = failure.what()};
}

void run_loop(const Cell& cell, const RunContext& context, nlohmann::json& row) {
  const auto measurement = std::make_unique<Measurement>();
  Standing standing;
  try {
    measure_cell(cell, context, *measurement);
    standing = standing_of(measurement->loop->complaint, measurement->loop->losses);
  } catch (const Failure& failure) {
    measurement->loop.reset();
    standing = standing_after(failure);
  }
  put_measurement(cell, *measurement, row);
  put_standing(standing, row);
}

}  // namespace

nlohmann::json run_cell(const Cell& cell, const RunContext& context) {
  nlohmann::json row = empty_row(cell, "failed", "");
  try {
    const SeededPlace place(cell, context.directory);
    if (context.workload.contest == Contest::kNone) {
      run_loop(cell, context, row);
    } else {
      put_contest(measure_contest(cell, context), row);
    }
  } catch (const Failure& failure) {
    put_standing(standing_after(failure), row);
  }
  return row;
}

}  // namespace faultline
