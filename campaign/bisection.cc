// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/bisection.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "campaign/asked.h"
#include "campaign/progress.h"
#include "campaign/run_campaign.h"
#include "cell/name.h"
#include "cell/words.h"
#include "vm/files.h"
#include "vm/kernel_tree.h"
#include "vm/kernels.h"

namespace faultline {

namespace fs = std::filesystem;

namespace {

// What a step was asked, beside its result.
constexpr char kAskedName[] = "asked.json";

// The rows of a cell, on this kernel; of no kernel: whatever it is called, if it is one. One
// without a figure: none has.
Tried figure_in(const std::vector<Row>& rows, const std::string& kernel, const std::string& ending,
                const std::string& metric) {
  Tried tried;
  std::vector<double> values;
  std::set<std::string> kernels;
  for (const Row& row : rows) {
    if (!row.name.ends_with("/" + ending)) continue;
    const std::string& on = row.kernel;
    if (!kernel.empty() && on != kernel) continue;
    kernels.insert(on);
    if (kernels.size() > 1) {
      tried.reason = fmt::format(
          "it holds {} on several kernels, {} among them: --cell names one, "
          "as {}/{}",
          ending, fmt::join(kernels, " and "), *kernels.begin(), ending);
      return tried;
    }
    tried.unit = row.unit;
    if (!is_ok(row)) {
      tried.reason = fmt::format("{}: {}", static_cast<const std::string&>(row.status), row.reason);
      return tried;
    }
    // Any field of a row may be asked for.
    const nlohmann::json fields = json_of(row);
    if (!fields.contains(metric) || !fields.at(metric).is_number()) {
      tried.reason =
          fmt::format("the row of {} has no {}", static_cast<const std::string&>(row.name), metric);
      return tried;
    }
    values.push_back(fields.at(metric).get<double>());
  }
  if (values.empty()) {
    tried.reason = fmt::format("no row of {}{}", kernel.empty() ? "" : kernel + "/", ending);
    return tried;
  }
  tried.figure = median(values);
  return tried;
}

// Where the rows' surroundings are, for the user.
void add_kernel(Tried& tried, const nlohmann::json& context) {
  if (!context.is_object() || !context.contains("kernels")) return;
  for (const nlohmann::json& kernel : context.at("kernels")) {
    tried.release = kernel.value("release", nlohmann::json());
    tried.package = kernel.value("package", nlohmann::json());
  }
}

// `--cell`, taken apart. Failure(kUsage) if it is no cell's name.
CellName cell_named(const std::string& text) {
  const std::optional<CellName> name = parse_cell_name(text);
  if (!name) {
    throw Failure(ExitCode::kUsage,
                  fmt::format("--cell: '{}' is no cell's name; it is a row's name without the "
                              "kernel and the probes, as ext4/map_sync/first_touch/hole/pte/t1",
                              text));
  }
  return *name;
}

class Bisection {
 public:
  Bisection(const BisectWish& wish, const CommandContext& context)
      : wish_(wish), context_(context), progress_(wish.quiet), cell_(cell_named(wish.cell)) {
    const bool twin = wish.metric == "per_page" || wish.metric == "per_fault";
    of_ = {.cell = cell_.cell,
           .probes = !cell_.probes.empty() ? cell_.probes
                     : twin                ? id_of(Probes::k_off)
                                           : id_of(Probes::k_on)};
  }

  BisectEnd over_kernels();
  std::optional<TreeEnd> of_tree(const std::string& tree, const GoodFigure& good);

 private:
  [[nodiscard]] std::string asked(const std::string& kernel) const;
  [[nodiscard]] RunWish run_wish(const std::string& kernel, const fs::path& out) const;
  [[nodiscard]] Tried tried_in(const ReadResult& measured) const;
  Tried try_kernel(const std::string& kernel);
  std::vector<std::string> series();
  void say(const std::string& kernel, const std::string& verdict);

  BisectWish wish_;
  const CommandContext& context_;
  ProgressLine progress_;
  CellName cell_;
  BisectedCell of_;
  BisectEnd end_ = {};
};

// All that a figure hangs on.
std::string Bisection::asked(const std::string& kernel) const {
  nlohmann::json options = {{"cell", of_.ending()}, {"kernel", kernel},
                            {"accel", wish_.accel}, {"touches", wish_.touches},
                            {"seeds", wish_.seeds}, {"repetitions", wish_.repetitions}};
  add_given_rows(options);
  return asked_key(options, build_with(context_, kernel));
}

RunWish Bisection::run_wish(const std::string& kernel, const fs::path& out) const {
  RunWish run{.probes = of_.probes,
              .touches = wish_.touches,
              .seeds = wish_.seeds,
              .repetitions = wish_.repetitions,
              .out = out.string(),
              .force = true,
              .quiet = true};
  run.vm = {.kernel = kernel, .accel = wish_.accel};
  run.vm.deadlines.boot_s = wish_.boot_s;
  for (const auto& [axis, value] : cell_.axes) run.lists[axis] = value;
  return run;
}

Tried Bisection::tried_in(const ReadResult& measured) const {
  Tried tried = figure_in(measured.rows, "", of_.ending(), wish_.metric);
  add_kernel(tried, measured.context);
  return tried;
}

Tried Bisection::try_kernel(const std::string& kernel) {
  const fs::path out = fs::path(wish_.out) / as_file_name(kernel);
  const fs::path note = out / kAskedName;
  const std::string question = asked(kernel);
  RunWish run = run_wish(kernel, out);
  std::error_code error;
  if (fs::exists(note, error) && read_file(note) == question) {
    ReadResult before = read_result(out);
    Tried tried = tried_in(before);
    tried.remembered = tried.figure.has_value();
    if (tried.remembered) return tried;
    if (!before.context.is_null()) run.resume = std::move(before);
  } else {
    // The note is of the result beside it, at every instant.
    fs::remove(note, error);
    fs::remove(out / kResultName, error);
    make_dirs(out);
    write_file(note, question);
  }
  const RunEnd end = run_campaign(run, context_);
  return tried_in({.context = end.context, .rows = end.rows});
}

// The kernels from good to bad, in order.
std::vector<std::string> Bisection::series() {
  std::vector<std::string> kernels;
  if (!wish_.kernels.empty()) {
    kernels = split_list(wish_.kernels);
    const auto at = [&](const std::string& name, const char* option) {
      const auto found = std::find(kernels.begin(), kernels.end(), name);
      if (found == kernels.end()) {
        throw Failure(ExitCode::kUsage,
                      fmt::format("{} {} is not in --kernels {}", option, name, wish_.kernels));
      }
      return found;
    };
    if (!wish_.bad.empty()) kernels.erase(at(wish_.bad, "--bad") + 1, kernels.end());
    if (!wish_.good.empty()) kernels.erase(kernels.begin(), at(wish_.good, "--good"));
    return kernels;
  }
  if (wish_.good.empty() || wish_.bad.empty()) {
    throw Failure(ExitCode::kUsage, "name --good and --bad, or the series with --kernels");
  }
  // Two builds of the user's own have nothing between them.
  if (own_kernel(wish_.good) || own_kernel(wish_.bad)) {
    return {wish_.good, wish_.bad};
  }
  const PlantedName good = planted_name(wish_.good);
  const PlantedName bad = planted_name(wish_.bad);
  if (good.name == bad.name) return planted_series({good.name}, good.delay, bad.delay);
  const std::vector<KernelRow> releases =
      point_releases(cache_dir(), [this](const std::string& line) { progress_.say(line); });
  const auto at = [&](const std::string& name, const char* option) {
    std::string package;  // of a row of the table: its newest
    for (const KernelRow& row : kernel_table()) {
      if (row.id == name || std::count(row.aliases.begin(), row.aliases.end(), name) != 0) {
        package = row.package;
      }
    }
    for (size_t i = releases.size(); i-- > 0;) {
      if (releases[i].id == name || releases[i].package == package) return i;
    }
    throw Failure(ExitCode::kUsage,
                  fmt::format("{} {}: no such point release; `faultline kernels list --releases` "
                              "prints them",
                              option, name));
  };
  const size_t first = at(good.name, "--good");
  const size_t last = at(bad.name, "--bad");
  for (size_t i = first; i <= last; ++i) kernels.push_back(releases[i].id);
  return planted_series(kernels, good.delay, bad.delay);
}

void Bisection::say(const std::string& kernel, const std::string& verdict) {
  const Tried& tried = end_.tried.at(kernel);
  progress_.say(fmt::format(
      "{:<18} {}: {}{}", kernel, verdict,
      tried.figure ? fmt::format("{} {:.1f} {}", wish_.metric, *tried.figure, tried.unit)
                   : tried.reason,
      tried.remembered ? " (measured before)" : ""));
}

BisectEnd Bisection::over_kernels() {
  const std::vector<std::string> kernels = series();
  if (kernels.size() < 2) {
    throw Failure(ExitCode::kUsage,
                  "there is nothing to search: --good must come before --bad, by version");
  }
  end_.of = of_;
  end_.kernels = kernels;
  make_dirs(cache_dir());
  progress_.say(fmt::format("{} kernels from {} to {}; at most {} steps", kernels.size(),
                            kernels.front(), kernels.back(),
                            2 + static_cast<int>(std::ceil(std::log2(kernels.size() - 1)))));
  const auto figure_of = [&](const std::string& kernel) -> const Tried& {
    Tried tried;
    try {
      tried = try_kernel(kernel);
    } catch (const Failure& failure) {
      // A name that is wrong is wrong for all.
      if (failure.code() == ExitCode::kUsage) throw;
      tried.reason = failure.what();
    }
    ++end_.steps;
    return end_.tried[kernel] = tried;
  };
  const auto interrupted = [&] { return static_cast<bool>(*context_.interrupted); };

  for (const std::string& kernel : {kernels.front(), kernels.back()}) {
    const Tried& tried = figure_of(kernel);
    if (!tried.figure) {
      say(kernel, "cannot be tested");
      if (interrupted()) throw Failure(ExitCode::kUsage, "interrupted");
      throw Failure(
          ExitCode::kCannotTest,
          fmt::format("{} is an end of the series and cannot be tested: {}", kernel, tried.reason));
    }
    say(kernel, kernel == kernels.front() ? "good, as given" : "bad, as given");
  }
  const double good = *end_.tried.at(kernels.front()).figure;
  const double whole = percent_above(good, *end_.tried.at(kernels.back()).figure);
  if (whole <= wish_.threshold) {
    throw Failure(ExitCode::kUsage,
                  fmt::format("{} is {:+.2f} % against {}, not more than {:g} %: nothing to bisect",
                              kernels.back(), whole, kernels.front(), wish_.threshold));
  }
  end_.found = search(kernels.size(), [&](std::size_t at) -> std::optional<Judgement> {
    const std::string& kernel = kernels[at];
    const Tried& tried = figure_of(kernel);
    if (interrupted()) return std::nullopt;
    if (!tried.figure) {
      say(kernel, "skipped");
      return Judgement::kSkip;
    }
    const bool bad = percent_above(good, *tried.figure) > wish_.threshold;
    say(kernel, bad ? "bad" : "good");
    return bad ? Judgement::kBad : Judgement::kGood;
  });
  return std::move(end_);
}

std::optional<TreeEnd> Bisection::of_tree(const std::string& tree, const GoodFigure& good) {
  TreeEnd end{.of = of_, .good = good.figure};
  if (!good.baseline.empty()) {
    const ReadResult baseline = read_result(good.baseline);
    const Tried tried = figure_in(baseline.rows, cell_.kernel, of_.ending(), wish_.metric);
    if (!tried.figure) {
      throw Failure(ExitCode::kUsage,
                    fmt::format("--baseline {}: {}", good.baseline, tried.reason));
    }
    end.good = *tried.figure;
  }
  const TempDir work(temp_dir(), "faultline-tree-");
  const FetchedKernel kernel = kernel_from_tree(tree, work.path() / "modules");
  progress_.say(fmt::format("{}: {}", tree, kernel.build));
  make_dirs(cache_dir());
  RunWish run = run_wish(kernel.vmlinuz.string(), work.path() / "out");
  run.vm.modules = (work.path() / "modules").string();
  const RunEnd measured = run_campaign(run, context_);
  if (*context_.interrupted) return std::nullopt;
  end.tried = tried_in({.context = measured.context, .rows = measured.rows});
  if (!end.tried.figure) throw Failure(ExitCode::kCannotTest, end.tried.reason);
  end.release = kernel.release;
  end.percent = percent_above(end.good, *end.tried.figure);
  end.bad = end.percent > wish_.threshold;
  return end;
}

}  // namespace

BisectEnd bisect(const BisectWish& wish, const CommandContext& context) {
  return Bisection(wish, context).over_kernels();
}

std::optional<TreeEnd> bisect_tree(const BisectWish& wish, const std::string& tree,
                                   const GoodFigure& good, const CommandContext& context) {
  return Bisection(wish, context).of_tree(tree, good);
}

}  // namespace faultline
