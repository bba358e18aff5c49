// SPDX-License-Identifier: GPL-2.0-only
// faultline bisect: the first kernel in which a cell costs more; over packaged kernels by itself,
// or one built tree, as the command of `git bisect run`.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "campaign/bisection.h"
#include "cli/fs_row.h"
#include "cli/ranges.h"
#include "cli/verbs.h"

namespace faultline {

namespace {

// `git bisect run` ends the whole bisection at a code from 128 on.
constexpr auto kAbortBisection = static_cast<ExitCode>(130);
// Both must be above 0.
constexpr double kLeastPercent = 1e-6;
constexpr double kLeastFigure = 1e-6;

struct BisectOptions {
  BisectWish wish;
  std::string tree;
  GoodFigure given;
  bool json = false;
};

// Options of the one way to ask, given with the other, would be left out in silence.
void refuse_the_others(const BisectOptions& options) {
  const BisectWish& wish = options.wish;
  const bool figure = options.given.figure > 0;
  const bool file = !options.given.baseline.empty();
  if (options.tree.empty() && (file || figure)) {
    throw Failure(ExitCode::kUsage, "--baseline and --good-figure go with --kernel-tree");
  }
  if (!options.tree.empty() && !(wish.good.empty() && wish.bad.empty() && wish.kernels.empty())) {
    throw Failure(ExitCode::kUsage,
                  "--good, --bad and --kernels are of packaged kernels; --kernel-tree is one");
  }
}

std::string figure_text(const BisectWish& wish, const Tried& tried) {
  return fmt::format("{} {:.1f} {}", wish.metric, *tried.figure, tried.unit);
}

nlohmann::json json_of(const BisectWish& wish, const BisectEnd& end) {
  const double good = *end.tried.at(end.kernels.front()).figure;
  nlohmann::json rows = nlohmann::json::array();
  for (const std::string& kernel : end.kernels) {
    nlohmann::json row = {{"kernel", kernel},   {"status", "untested"}, {"figure", nullptr},
                          {"percent", nullptr}, {"reason", ""},         {"release", nullptr},
                          {"package", nullptr}, {"remembered", false}};
    if (const auto it = end.tried.find(kernel); it != end.tried.end()) {
      const Tried& tried = it->second;
      row["status"] = "skipped";
      if (tried.figure) {
        const double percent = percent_above(good, *tried.figure);
        row["figure"] = *tried.figure;
        row["percent"] = percent;
        row["status"] = percent > wish.threshold ? "bad" : "good";
      }
      row["reason"] = tried.reason;
      row["release"] = tried.release;
      row["package"] = tried.package;
      row["remembered"] = tried.remembered;
    }
    rows.push_back(std::move(row));
  }
  const auto& found = end.found;
  const auto kernel_at = [&](std::size_t at) { return nlohmann::json(end.kernels[at]); };
  nlohmann::json suspects = nlohmann::json::array();
  if (found) {
    for (std::size_t i = found->last_good + 1; i <= found->first_bad; ++i) {
      suspects.push_back(end.kernels[i]);
    }
  }
  return {{"cell", end.of.cell},
          {"probes", end.of.probes},
          {"metric", wish.metric},
          {"unit", end.tried.at(end.kernels.front()).unit},
          {"threshold", wish.threshold},
          {"steps", end.steps},
          {"last_good", found ? kernel_at(found->last_good) : nullptr},
          {"first_bad", found && found->is_one() ? kernel_at(found->first_bad) : nullptr},
          {"suspects", suspects},
          {"series", rows}};
}

void print_found(const BisectWish& wish, const BisectEnd& end, const Found& found) {
  const double good = *end.tried.at(end.kernels.front()).figure;
  const auto print = [&](const char* what, const std::string& kernel) {
    const Tried& tried = end.tried.at(kernel);
    fmt::print(
        "{} {}{}\n  {} {}, {:+.2f} %\n", what, kernel,
        tried.package.is_string() ? fmt::format(" ({})", tried.package.get<std::string>()) : "",
        end.of.ending(), figure_text(wish, tried), percent_above(good, *tried.figure));
  };
  print("last good:", end.kernels[found.last_good]);
  print("first bad:", end.kernels[found.first_bad]);
  if (!found.is_one()) {
    const auto first = end.kernels.begin();
    fmt::print("or one before it that cannot be tested: {}\n",
               fmt::join(first + static_cast<std::ptrdiff_t>(found.last_good) + 1,
                         first + static_cast<std::ptrdiff_t>(found.first_bad), ", "));
  }
  fmt::print("{} steps\n", end.steps);
}

ExitCode over_kernels(const BisectOptions& options, const CommandContext& context) {
  const BisectEnd end = bisect(options.wish, context);
  if (options.json) {
    fmt::print(
        "{}\n",
        json_of(options.wish, end).dump(1, ' ', false, nlohmann::json::error_handler_t::replace));
  }
  if (!end.found) {
    throw Failure(ExitCode::kUsage, "interrupted; the same command goes on from here");
  }
  if (!options.json) print_found(options.wish, end, *end.found);
  return end.found->is_one() ? ExitCode::kPass : ExitCode::kUsage;
}

ExitCode of_tree(const BisectOptions& options, const CommandContext& context) {
  if (options.given.baseline.empty() == (options.given.figure <= 0)) {
    throw Failure(ExitCode::kUsage, "--kernel-tree needs --baseline FILE or --good-figure NUMBER");
  }
  const std::optional<TreeEnd> end =
      bisect_tree(options.wish, options.tree, options.given, context);
  if (!end) {
    fmt::print(stderr, "faultline: interrupted\n");
    return kAbortBisection;
  }
  const char* verdict = end->bad ? "bad" : "good";
  if (options.json) {
    fmt::print("{}\n", nlohmann::json({{"cell", end->of.cell},
                                       {"probes", end->of.probes},
                                       {"metric", options.wish.metric},
                                       {"unit", end->tried.unit},
                                       {"threshold", options.wish.threshold},
                                       {"release", end->tried.release},
                                       {"good_figure", end->good},
                                       {"figure", *end->tried.figure},
                                       {"percent", end->percent},
                                       {"verdict", verdict}})
                           .dump(1));
  } else {
    fmt::print("{}: {} {} {}, {:+.2f} % against {:.1f}\n", verdict, end->release, end->of.ending(),
               figure_text(options.wish, end->tried), end->percent, end->good);
  }
  return end->bad ? ExitCode::kRegression : ExitCode::kPass;
}

}  // namespace

Verb add_bisect(CLI::App& app) {
  auto options = std::make_shared<BisectOptions>();
  CLI::App* bisect =
      app.add_subcommand("bisect", "Find the first kernel in which a cell costs more");
  bisect->footer(
      "A kernel is bad if the cell's figure is above the good one's by more than P\n"
      "percent. Kernels that were measured are remembered in --out; a command that was\n"
      "interrupted goes on from there when it is given again.\n\n"
      "Examples:\n"
      "  faultline bisect --good 6.1.170 --bad 6.1.192 --threshold 2 \\\n"
      "      --cell ext4/map_sync/first_touch/hole/pte/t1\n"
      "  git bisect run sh -c 'make -j8 bzImage modules || exit 125; \\\n"
      "      faultline bisect --kernel-tree . --baseline ~/good/result.json \\\n"
      "      --threshold 2 --cell ext4/map_sync/first_touch/hole/pte/t1'\n\n"
      "Exit: 0 found; 2 usage, or nothing found; 125 an end of the series cannot be tested.\n"
      "With --kernel-tree: 0 good; 1 bad; 125 it does not boot, or the cell cannot be measured.");
  bisect->add_option("--good", options->wish.good,
                     "a kernel that is good: a point release or a row; NAME+N as of `run`");
  bisect->add_option("--bad", options->wish.bad, "a later kernel that is bad");
  bisect->add_option("--kernels", options->wish.kernels,
                     "the series itself, in order, instead of all point releases");
  bisect->add_option("--kernel-tree", options->tree, "a kernel tree that has been built");
  bisect->add_option("--baseline", options->given.baseline,
                     "a result.json with the cell, measured on a good kernel");
  numbers(bisect->add_option("--good-figure", options->given.figure, "or its figure"), kLeastFigure,
          1e15);
  bisect
      ->add_option("--cell", options->wish.cell,
                   "a row's name without kernel and probes; a kernel before it: the baseline's")
      ->required();
  fs_row_of(bisect);
  numbers(bisect->add_option("--threshold", options->wish.threshold, "percent"), kLeastPercent,
          kMostPercent)
      ->required();
  bisect->add_option("--metric", options->wish.metric, "a field of the row")->capture_default_str();
  bisect->add_option("--accel", options->wish.accel, "tcg-icount, tcg, kvm")->capture_default_str();
  touches_of(bisect->add_option("--touches", options->wish.touches,
                                "measured stores (default: the workload's)"));
  bisect->add_option("--seeds", options->wish.seeds, "as of `run`; the figure is their median");
  repetitions_of(
      bisect->add_option("--repetitions", options->wish.repetitions, "as of `run`, in wall time"));
  seconds_of(bisect->add_option("--boot-deadline", options->wish.boot_s, "seconds for a boot"))
      ->capture_default_str();
  bisect->add_option("--out", options->wish.out, "folder of the steps' results")
      ->capture_default_str();
  bisect->add_flag("--json", options->json, "the steps and the answer as JSON");
  bisect->add_flag("--quiet", options->wish.quiet, "no progress");
  return {bisect, [options](const CommandContext& context) {
            if (options->tree.empty()) {
              refuse_the_others(*options);
              return over_kernels(*options, context);
            }
            // Whatever keeps the question from being answered is 125: any other code but 0 would
            // call the commit bad.
            try {
              refuse_the_others(*options);
              return of_tree(*options, context);
            } catch (const std::exception& e) {
              fmt::print(stderr, "faultline: {}\n", e.what());
              return *context.interrupted ? kAbortBisection : ExitCode::kCannotTest;
            }
          }};
}

}  // namespace faultline
