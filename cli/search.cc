// SPDX-License-Identifier: GPL-2.0-only
#include "cli/search.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <sstream>
#include <utility>

#include "harness/failure.h"

namespace faultline {

CellName parse_cell_name(const std::string& text) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, '/');) parts.push_back(part);
  CellName name;
  for (const char* probes : {"off", "on", "phases", "locks"}) {
    if (!parts.empty() && parts.back() == probes) name.probes = probes;
  }
  if (!name.probes.empty()) parts.pop_back();
  constexpr std::size_t kPlain = 6;
  constexpr std::size_t kContest = 9;
  // A row's whole name begins with its kernel.
  const auto is_count = [](const std::string& part, char letter) {
    return part.size() > 1 && part.front() == letter &&
           part.find_first_not_of("0123456789", 1) == std::string::npos;
  };
  const bool kernel_first =
      parts.size() > kPlain && is_count(parts[kPlain], 't') && !is_count(parts[kPlain - 1], 't');
  if (kernel_first) parts.erase(parts.begin());
  const auto bad = [&] {
    return Failure(ExitCode::kUsage,
                   fmt::format("--cell: '{}' is no cell's name; it is a row's name without the "
                               "kernel and the probes, as ext4/map_sync/first_touch/hole/pte/t1",
                               text));
  };
  // Of the workload `unrelated`: how many inodes are dirty, behind the threads.
  std::string dirty;
  if (parts.size() == kPlain + 1 && is_count(parts.back(), 'd')) {
    dirty = parts.back();
    parts.pop_back();
  }
  if (parts.size() != kPlain && parts.size() != kContest) throw bad();
  if (text.find_first_of("*?[,") != std::string::npos) throw bad();
  constexpr std::pair<const char*, const char*> kParts[] = {
      {"fs", ""},       {"strategy", ""}, {"workload", ""},   {"state", ""},  {"order", ""},
      {"threads", "t"}, {"touch", ""},    {"attackers", "a"}, {"setting", ""}};
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto& [option, letter] = kParts[i];
    std::string value = parts[i];
    if (value.size() <= std::string(letter).size() || !value.starts_with(letter)) throw bad();
    value.erase(0, std::string(letter).size());
    name.lists.emplace_back(option, value);
    name.cell += (i == 0 ? "" : "/") + parts[i];
  }
  if (!dirty.empty()) {
    name.lists.emplace_back("dirty-inodes", dirty.substr(1));
    name.cell += "/" + dirty;
  }
  return name;
}

double percent_above(double good, double figure) { return (figure - good) / good * 100; }

std::optional<Found> search(std::size_t count,
                            const std::function<std::optional<Judgement>(std::size_t)>& judge) {
  if (count < 2) throw Failure(ExitCode::kUsage, "a bisection needs two kernels at least");
  Found found = {.last_good = 0, .first_bad = count - 1};
  std::set<std::size_t> skipped;
  for (;;) {
    const std::size_t middle = found.last_good + (found.first_bad - found.last_good) / 2;
    // The one nearest to the middle that is not known to be in the way.
    std::optional<std::size_t> next;
    for (std::size_t i = found.last_good + 1; i < found.first_bad; ++i) {
      const auto distance = [&](std::size_t at) { return at > middle ? at - middle : middle - at; };
      if (!skipped.contains(i) && (!next || distance(i) < distance(*next))) next = i;
    }
    if (!next) return found;
    const std::optional<Judgement> judged = judge(*next);
    if (!judged) return std::nullopt;
    switch (*judged) {
      case Judgement::kGood:
        found.last_good = *next;
        break;
      case Judgement::kBad:
        found.first_bad = *next;
        break;
      case Judgement::kSkip:
        skipped.insert(*next);
        break;
    }
  }
}

}  // namespace faultline
