// SPDX-License-Identifier: GPL-2.0-only
// The search of a bisection: pure, apart from the question that it asks.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace faultline {

// How far `figure` is above `good`, in percent.
double percent_above(double good, double figure);

enum class Judgement { kGood, kBad, kSkip };

// What is known at the end: all from `first_bad` on is taken to be bad, all up to `last_good` good;
// what lies between could not be judged.
struct Found {
  std::size_t last_good = 0;
  std::size_t first_bad = 0;
};

// Searches between the first, which is good, and the last, which is bad. `judge` is asked at most
// once of each; nothing from it ends the search. Fewer than two: Failure(kUsage).
std::optional<Found> search(std::size_t count,
                            const std::function<std::optional<Judgement>(std::size_t)>& judge);

}  // namespace faultline
