// SPDX-License-Identifier: GPL-2.0-only
// The search of a bisection: pure, apart from the question that it asks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace faultline {

// How far `figure` is above `good`, in percent.
double percent_above(double good, double figure);

// What a step's figure hangs on, besides the options: what was built, and not the revision, which
// two builds may share ("unknown", or with changes that are not committed). Their bytes are read.
struct StepBuild {
  std::filesystem::path command = {};  // the host's half
  std::filesystem::path guest = {};    // the guest's half
  std::filesystem::path kernel = {};   // of the user's own; empty for Debian's
  std::string package = {};            // which version of Debian's; empty if not known
};
// One text for equal options and equal builds. Failure(kUsage) if a file cannot be read.
std::string step_key(const nlohmann::json& options, const StepBuild& build);

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
};

// Searches between the first, which is good, and the last, which is bad. `judge` is asked at most
// once of each; nothing from it ends the search. Fewer than two: Failure(kUsage).
std::optional<Found> search(std::size_t count,
                            const std::function<std::optional<Judgement>(std::size_t)>& judge);

}  // namespace faultline
