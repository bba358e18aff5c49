// SPDX-License-Identifier: GPL-2.0-only
#include "harness/interruptions.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <sstream>

#include "harness/files.h"

namespace faultline {

std::map<std::string, uint64_t> sums_by_line(const std::string& table) {
  std::map<std::string, uint64_t> sums;
  std::istringstream lines(table);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string name;
    if (!(words >> name) || name.back() != ':') continue;
    name.pop_back();
    uint64_t sum = 0;
    for (uint64_t count = 0; words >> count;) sum += count;
    sums[name] = sum;
  }
  return sums;
}

InterruptionCounts read_interruption_counts() {
  InterruptionCounts counts;
  counts.ticks = sums_by_line(read_file("/proc/interrupts"))["LOC"];
  counts.softirqs = sums_by_line(read_file("/proc/softirqs"));
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  counts.switches = static_cast<uint64_t>(usage.ru_nvcsw + usage.ru_nivcsw);
  return counts;
}

InterruptionCounts InterruptionCounts::since(const InterruptionCounts& before) const {
  InterruptionCounts since{.ticks = ticks - before.ticks, .switches = switches - before.switches};
  for (const auto& [name, count] : softirqs) {
    const auto was = before.softirqs.find(name);
    const uint64_t more = count - (was == before.softirqs.end() ? 0 : was->second);
    if (more != 0) since.softirqs[name] = more;
  }
  return since;
}

Interrupts InterruptionCounts::figures() const {
  return {.ticks = ticks, .softirqs = softirqs, .switches = switches};
}

std::vector<InterruptionFigures> interruption_figures(const std::vector<Interruption>& seen,
                                                      const std::string& symbols) {
  std::map<uint64_t, std::string> names;
  for (const Interruption& one : seen) {
    if (one.function != 0) names[one.function] = "";
  }
  std::istringstream lines(names.empty() ? "" : symbols);
  for (std::string line; std::getline(lines, line);) {
    // ADDRESS TYPE NAME [MODULE]
    const auto found = names.find(std::strtoull(line.c_str(), nullptr, 16));
    if (found == names.end() || !found->second.empty()) continue;
    std::istringstream words(line);
    std::string type;
    words >> type >> type >> found->second;
  }
  std::vector<Interruption> sorted = seen;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const Interruption& a, const Interruption& b) { return a.sum > b.sum; });
  std::vector<InterruptionFigures> figures;
  for (const Interruption& one : sorted) {
    std::string name = one.name;
    if (one.function != 0) name = names[one.function];
    if (name.empty()) name = fmt::format("{:#x}", one.function);
    figures.push_back(
        {.kind = one.kind, .name = name, .count = one.count, .sum = one.sum, .max = one.max});
  }
  return figures;
}

}  // namespace faultline
