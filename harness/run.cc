// SPDX-License-Identifier: GPL-2.0-only
#include "harness/run.h"

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "cell/failure.h"
#include "cell/sample_file.h"
#include "harness/contest_scan.h"
#include "harness/measure.h"
#include "harness/row.h"
#include "harness/seed.h"
#include "harness/wait.h"

namespace faultline {
namespace {

// The file of samples holds what the programs wrote, as it is.
static_assert(sizeof(SampleRecord) == sizeof(fl_sample));
static_assert(offsetof(SampleRecord, start) == offsetof(fl_sample, start));
static_assert(offsetof(SampleRecord, address) == offsetof(fl_sample, address));
static_assert(offsetof(SampleRecord, result) == offsetof(fl_sample, result));
static_assert(offsetof(SampleRecord, link) == offsetof(fl_sample, link));

Standing standing_after(const Failure& failure) {
  return {.status = failure.code() == ExitCode::kSkipped ? kStatusSkipped : kStatusFailed,
          .reason = failure.what()};
}

void run_loop(const Cell& cell, const RunContext& context, Row& row, std::string* samples) {
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
  if (samples != nullptr && cell.samples && measurement->loop && measurement->loop->probes) {
    const std::vector<fl_sample>& kept = measurement->loop->probes->samples;
    samples->assign(reinterpret_cast<const char*>(kept.data()), kept.size() * sizeof(fl_sample));
  }
  put_standing(standing, row);
}

}  // namespace

Row run_cell(const Cell& cell, const RunContext& context, std::string* samples) {
  Row row = empty_row(cell, kStatusFailed, "");
  try {
    std::optional<SeededPlace> place;
    {
      const KeptAwake awake;
      place.emplace(cell, context.directory);
    }
    if (context.workload.contest == Contest::kNone) {
      run_loop(cell, context, row, samples);
    } else {
      put_contest(measure_contest(cell, context), row);
    }
  } catch (const Failure& failure) {
    put_standing(standing_after(failure), row);
  }
  return row;
}

}  // namespace faultline
