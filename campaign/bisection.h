// SPDX-License-Identifier: GPL-2.0-only
// A bisection as a campaign: one cell on one kernel after another, each step a result of its own,
// until the first kernel is found in which the cell costs more.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "campaign/context.h"
#include "campaign/search.h"

namespace faultline {

struct BisectWish {
  std::string good = {};     // a kernel, NAME or NAME+N; empty with `kernels`
  std::string bad = {};      // a later one
  std::string kernels = {};  // the series itself, instead of all point releases
  std::string cell = {};     // a row's name; its kernel is the baseline's
  double threshold = 0;      // percent
  std::string metric = "per_page";
  std::string accel = "tcg-icount";
  std::string out = "bisect";
  std::uint64_t touches = 0;
  std::string seeds = {};
  unsigned repetitions = 0;
  double boot_s = 300;
  bool quiet = false;
};

// What became of one kernel.
// NOLINTNEXTLINE(bugprone-exception-escape): json's move checks itself, and does not throw.
struct Tried {
  std::optional<double> figure = std::nullopt;  // median over the rows of the cell
  std::string reason = {};                      // why there is none
  bool remembered = false;
  nlohmann::json release = nullptr;
  nlohmann::json package = nullptr;
  std::string unit = {};
};

// The cell of a bisection as its rows are named, the kernel left out.
struct BisectedCell {
  std::string cell = {};
  std::string probes = {};
  [[nodiscard]] std::string ending() const { return cell + "/" + probes; }
};

struct BisectEnd {
  BisectedCell of = {};
  std::vector<std::string> kernels = {};  // the series, from good to bad
  std::map<std::string, Tried> tried = {};
  std::size_t steps = 0;
  std::optional<Found> found = std::nullopt;  // nothing: it was interrupted
};

// Searches the series. A step's result stays in OUT/KERNEL: one that is there of the same options
// and the same builds is not measured again, and one that was interrupted goes on. Failure(kUsage)
// when there is nothing to search, Failure(kCannotTest) when an end of the series has no figure.
BisectEnd bisect(const BisectWish& wish, const CommandContext& context);

// Where the figure of a good kernel comes from: a result's file, or the figure itself.
struct GoodFigure {
  std::string baseline = {};
  double figure = 0;
};
struct TreeEnd {
  BisectedCell of = {};
  Tried tried = {};
  std::string release = {};
  double good = 0;
  double percent = 0;  // above it
  bool bad = false;
};
// Measures one built tree. Failure(kCannotTest) when it has no figure. Nothing: it was interrupted.
std::optional<TreeEnd> bisect_tree(const BisectWish& wish, const std::string& tree,
                                   const GoodFigure& good, const CommandContext& context);

}  // namespace faultline
