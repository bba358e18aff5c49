// SPDX-License-Identifier: GPL-2.0-only
// The search of a bisection: pure, apart from the question that it asks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace faultline {

// How far `figure` is above `good`, in percent.
double percent_above(double good, double figure);

// The two ends of a bisection, as given: NAME or NAME+N, of which the kernels between are not
// planted. `between` are the unplanted kernels from the one to the other, both among them.
std::vector<std::string> planted_series(const std::vector<std::string>& between,
                                        std::uint64_t good_delay, std::uint64_t bad_delay);

enum class Judgement { kGood, kBad, kSkip };

// What is known at the end: all from `first_bad` on is taken to be bad, all up to `last_good` good;
// what lies between could not be judged.
struct Found {
  std::size_t last_good = 0;
  std::size_t first_bad = 0;
  // Nothing lies between.
  [[nodiscard]] bool is_one() const { return first_bad == last_good + 1; }
};

// Searches between the first, which is good, and the last, which is bad. `judge` is asked at most
// once of each; nothing from it ends the search. Fewer than two: Failure(kUsage).
std::optional<Found> search(std::size_t count,
                            const std::function<std::optional<Judgement>(std::size_t)>& judge);

}  // namespace faultline
