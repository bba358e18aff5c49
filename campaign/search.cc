// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/search.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "cell/failure.h"

namespace faultline {

double percent_above(double good, double figure) { return (figure - good) / good * 100; }

std::vector<std::string> planted_series(const std::vector<std::string>& between,
                                        std::uint64_t good_delay, std::uint64_t bad_delay) {
  const auto planted = [](const std::string& kernel, std::uint64_t delay) {
    return delay == 0 ? kernel : fmt::format("{}+{}", kernel, delay);
  };
  std::vector<std::string> series = between;
  if (series.empty()) return series;
  // One kernel with and without: both ends are of it.
  if (series.size() == 1 && good_delay != bad_delay) series.push_back(series.front());
  const std::string last = planted(series.back(), bad_delay);
  series.front() = planted(series.front(), good_delay);
  if (series.size() > 1) series.back() = last;
  return series;
}

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
