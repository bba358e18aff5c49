// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/outliers.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "cell/words.h"

namespace faultline {
namespace {

// Samples that are measured again to learn why they lie far off.
constexpr std::size_t kMostExplained = 20;

}  // namespace

std::vector<Outliers> find_outliers(const std::vector<CellJob>& jobs, const std::vector<Row>& rows,
                                    double percent) {
  std::map<std::string, std::vector<std::pair<double, std::size_t>>> samples;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const Row& row = rows.at(jobs[i].row);
    // The probed rows of a cell have its accidents too.
    if (!is_ok(row) || row.touch || row.probes != Probes::k_off || !row.per_page) continue;
    samples[row.name].emplace_back(*row.per_page, i);
  }
  std::vector<Outliers> found;
  for (auto& [name, cell] : samples) {
    if (cell.size() < 3) continue;
    std::sort(cell.begin(), cell.end());
    Outliers outliers;
    std::tie(outliers.median, outliers.typical) = cell.at(middle_sample(cell.size()));
    for (const auto& [figure, job] : cell) {
      if (std::abs(figure / outliers.median - 1) * 100 > percent) outliers.jobs.push_back(job);
    }
    if (!outliers.jobs.empty()) found.push_back(outliers);
  }
  return found;
}

std::vector<Remeasurement> remeasurements(const std::vector<Outliers>& found, bool all_varied) {
  std::size_t count = 0;
  std::vector<Remeasurement> again;
  for (const Outliers& outliers : found) {
    count += outliers.jobs.size();
    if (count > kMostExplained && !again.empty()) continue;
    std::vector<std::size_t> jobs = outliers.jobs;
    jobs.push_back(outliers.typical);
    for (const std::size_t job : jobs) {
      again.push_back({.job = job});
      if (!all_varied) continue;
      for (const Named& accident : kAccidentTable)
        again.push_back({.job = job, .vary = accident.id});
    }
  }
  return again;
}

Cell remeasured_cell(const Cell& cell, const Remeasurement& again) {
  Cell once_more = cell;
  once_more.probes = again.vary.empty() ? Probes::k_interruptions : Probes::k_off;
  once_more.samples = false;
  if (!again.vary.empty()) once_more.vary = again.vary;
  return once_more;
}

}  // namespace faultline
