// SPDX-License-Identifier: GPL-2.0-only
// faultline bisect: the first kernel in which a cell costs more; over packaged kernels by itself,
// or one built tree, as the command of `git bisect run`.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "campaign/progress.h"
#include "campaign/run_campaign.h"
#include "cell/file_system.h"
#include "cell/fs_row.h"
#include "cell/name.h"
#include "cell/words.h"
#include "cli/fs_row.h"
#include "cli/ranges.h"
#include "cli/search.h"
#include "cli/verbs.h"
#include "vm/files.h"
#include "vm/kernel_tree.h"
#include "vm/kernels.h"

namespace faultline {

namespace fs = std::filesystem;

namespace {

// `git bisect run` ends the whole bisection at a code from 128 on.
constexpr auto kAbortBisection = static_cast<ExitCode>(130);
// Both must be above 0.
constexpr double kLeastPercent = 1e-6;
constexpr double kLeastFigure = 1e-6;

struct BisectOptions {
  std::string good;
  std::string bad;
  std::string kernels;
  std::string tree;
  std::string baseline;
  double good_figure = 0;
  std::string cell;
  double threshold = 0;
  std::string metric = "per_page";
  std::string accel = "tcg-icount";
  std::string out = "bisect";
  uint64_t touches = 0;
  std::string seeds;
  unsigned repetitions = 0;
  double boot_s = 300;
  bool json = false;
  bool quiet = false;
};

// What became of one kernel.
// NOLINTNEXTLINE(bugprone-exception-escape): json's move checks itself, and does not throw.
struct Tried {
  std::optional<double> figure = std::nullopt;  // median over the rows of the cell
  std::size_t rows = 0;
  std::string reason;  // why there is none
  bool remembered = false;
  nlohmann::json release = nullptr;
  nlohmann::json package = nullptr;
  std::string unit;
};

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
    ++tried.rows;
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
  Bisection(const BisectOptions& options, const CommandContext& context)
      : options_(options),
        context_(context),
        progress_(options.quiet),
        cell_(cell_named(options.cell)) {
    const bool twin = options.metric == "per_page" || options.metric == "per_fault";
    probes_ = !cell_.probes.empty() ? cell_.probes
              : twin                ? id_of(Probes::k_off)
                                    : id_of(Probes::k_on);
    ending_ = cell_.cell + "/" + probes_;
    refuse_the_others();
  }

  ExitCode over_kernels();
  ExitCode of_tree();

 private:
  void refuse_the_others() const;
  [[nodiscard]] std::string asked(const std::string& kernel) const;
  Tried try_kernel(const std::string& kernel, const std::string& modules, const fs::path& out,
                   bool remember);
  std::vector<std::string> series();
  ExitCode report(const std::vector<std::string>& kernels, const std::optional<Found>& found,
                  std::size_t steps);
  [[nodiscard]] std::string words(double figure, const std::string& unit) const {
    return fmt::format("{} {:.1f} {}", options_.metric, figure, unit);
  }

  BisectOptions options_;
  const CommandContext& context_;
  ProgressLine progress_;
  CellName cell_;
  std::string probes_;
  std::string ending_;  // of the rows' names
  std::map<std::string, Tried> tried_;
};

// Options of the one way to ask, given with the other, would be left out in silence.
void Bisection::refuse_the_others() const {
  if (options_.tree.empty() && (!options_.baseline.empty() || options_.good_figure > 0)) {
    throw Failure(ExitCode::kUsage, "--baseline and --good-figure go with --kernel-tree");
  }
  if (!options_.tree.empty() &&
      !(options_.good.empty() && options_.bad.empty() && options_.kernels.empty())) {
    throw Failure(ExitCode::kUsage,
                  "--good, --bad and --kernels are of packaged kernels; --kernel-tree is one");
  }
}

// All that a figure hangs on, besides the kernel.
std::string Bisection::asked(const std::string& kernel) const {
  StepBuild build{.command = "/proc/self/exe", .guest = context_.parts.guest_binary};
  std::error_code error;
  if (const std::optional<OwnKernel> own = own_kernel(kernel)) {
    build.kernel = fs::exists(own->path, error) ? own->path : planted_name(own->path).name;
    if (fs::is_directory(build.kernel, error)) {
      build.kernel = kernel_of_path(build.kernel, "").vmlinuz;
    }
  } else {
    // A row of the table is the newest of its package, which may be fetched anew.
    for (const nlohmann::json& row :
         kernels_json(cache_dir(), rows_matching(planted_name(kernel).name, kernel_table()))) {
      build.package += row.at("version").dump();
    }
  }
  nlohmann::json options = {{"cell", ending_},         {"kernel", kernel},
                            {"accel", options_.accel}, {"touches", options_.touches},
                            {"seeds", options_.seeds}, {"repetitions", options_.repetitions}};
  // The same id may come with another row, or another build of its module.
  for (const FileSystem& row : file_systems()) {
    if (row.given == nullptr) continue;
    options["fs_row"] = fs_row_for_guest(*row.given);
    if (is_path(row.given->module)) options["fs_module"] = sha256_of_file(row.given->module);
  }
  return step_key(options, build);
}

Tried Bisection::try_kernel(const std::string& kernel, const std::string& modules,
                            const fs::path& out, bool remember) {
  // An earlier step's result serves again if the same was asked of the same build.
  std::error_code error;
  const fs::path note = out / "asked.json";
  const bool remembered = remember && fs::exists(note, error) && read_file(note) == asked(kernel);
  ReadResult measured = remembered ? read_result(out) : ReadResult{};
  if (!remembered) {
    fs::remove(note, error);
    RunWish wish{.probes = probes_,
                 .touches = options_.touches,
                 .seeds = options_.seeds,
                 .repetitions = options_.repetitions,
                 .out = out.string(),
                 .force = true,
                 .quiet = true};
    wish.vm = {.kernel = kernel, .modules = modules, .accel = options_.accel};
    wish.vm.deadlines.boot_s = options_.boot_s;
    for (const auto& [axis, value] : cell_.axes) wish.lists[axis] = value;
    RunEnd end = run_campaign(wish, context_);
    measured = {.context = std::move(end.context), .rows = std::move(end.rows)};
  }
  Tried tried = figure_in(measured.rows, "", ending_, options_.metric);
  if (remember && !remembered && tried.figure) write_file(note, asked(kernel));
  tried.remembered = remembered;
  add_kernel(tried, measured.context);
  return tried;
}

// The kernels from good to bad, in order.
std::vector<std::string> Bisection::series() {
  std::vector<std::string> kernels;
  if (!options_.kernels.empty()) {
    kernels = split_list(options_.kernels);
    const auto at = [&](const std::string& name, const char* option) {
      const auto found = std::find(kernels.begin(), kernels.end(), name);
      if (found == kernels.end()) {
        throw Failure(ExitCode::kUsage,
                      fmt::format("{} {} is not in --kernels {}", option, name, options_.kernels));
      }
      return found;
    };
    if (!options_.bad.empty()) kernels.erase(at(options_.bad, "--bad") + 1, kernels.end());
    if (!options_.good.empty()) kernels.erase(kernels.begin(), at(options_.good, "--good"));
    return kernels;
  }
  if (options_.good.empty() || options_.bad.empty()) {
    throw Failure(ExitCode::kUsage, "name --good and --bad, or the series with --kernels");
  }
  // Two builds of the user's own have nothing between them.
  if (own_kernel(options_.good) || own_kernel(options_.bad)) {
    return {options_.good, options_.bad};
  }
  const PlantedName good = planted_name(options_.good);
  const PlantedName bad = planted_name(options_.bad);
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

ExitCode Bisection::over_kernels() {
  const std::vector<std::string> kernels = series();
  if (kernels.size() < 2) {
    throw Failure(ExitCode::kUsage,
                  "there is nothing to search: --good must come before --bad, by version");
  }
  make_dirs(cache_dir());
  progress_.say(fmt::format("{} kernels from {} to {}; at most {} steps", kernels.size(),
                            kernels.front(), kernels.back(),
                            2 + static_cast<int>(std::ceil(std::log2(kernels.size() - 1)))));
  std::size_t steps = 0;
  const auto figure_of = [&](std::size_t at) -> const Tried& {
    const std::string folder = as_file_name(kernels[at]);
    Tried tried;
    try {
      tried = try_kernel(kernels[at], "", fs::path(options_.out) / folder, true);
    } catch (const Failure& failure) {
      // A name that is wrong is wrong for all.
      if (failure.code() == ExitCode::kUsage) throw;
      tried.reason = failure.what();
    }
    ++steps;
    return tried_[kernels[at]] = tried;
  };
  const auto say = [&](std::size_t at, const std::string& verdict) {
    const Tried& tried = tried_.at(kernels[at]);
    progress_.say(fmt::format("{:<18} {}: {}{}", kernels[at], verdict,
                              tried.figure ? words(*tried.figure, tried.unit) : tried.reason,
                              tried.remembered ? " (measured before)" : ""));
  };
  const auto interrupted = [&] { return static_cast<bool>(*context_.interrupted); };

  for (const std::size_t end : {std::size_t{0}, kernels.size() - 1}) {
    if (!figure_of(end).figure) {
      say(end, "cannot be tested");
      if (interrupted()) throw Failure(ExitCode::kUsage, "interrupted");
      throw Failure(ExitCode::kCannotTest,
                    fmt::format("{} is an end of the series and cannot be tested: {}", kernels[end],
                                tried_.at(kernels[end]).reason));
    }
    say(end, end == 0 ? "good, as given" : "bad, as given");
  }
  const double good = *tried_.at(kernels.front()).figure;
  const double whole = percent_above(good, *tried_.at(kernels.back()).figure);
  if (whole <= options_.threshold) {
    throw Failure(ExitCode::kUsage,
                  fmt::format("{} is {:+.2f} % against {}, not more than {:g} %: nothing to bisect",
                              kernels.back(), whole, kernels.front(), options_.threshold));
  }
  const auto found = search(kernels.size(), [&](std::size_t at) -> std::optional<Judgement> {
    const Tried& tried = figure_of(at);
    if (interrupted()) return std::nullopt;
    if (!tried.figure) {
      say(at, "skipped");
      return Judgement::kSkip;
    }
    const bool bad = percent_above(good, *tried.figure) > options_.threshold;
    say(at, bad ? "bad" : "good");
    return bad ? Judgement::kBad : Judgement::kGood;
  });
  return report(kernels, found, steps);
}

ExitCode Bisection::report(const std::vector<std::string>& kernels,
                           const std::optional<Found>& found, std::size_t steps) {
  const double good = *tried_.at(kernels.front()).figure;
  nlohmann::json rows = nlohmann::json::array();
  for (std::size_t i = 0; i < kernels.size(); ++i) {
    nlohmann::json row = {{"kernel", kernels[i]}, {"status", "untested"}, {"figure", nullptr},
                          {"percent", nullptr},   {"reason", ""},         {"release", nullptr},
                          {"package", nullptr},   {"remembered", false}};
    if (const auto it = tried_.find(kernels[i]); it != tried_.end()) {
      const Tried& tried = it->second;
      row["status"] = "skipped";
      if (tried.figure) {
        const double percent = percent_above(good, *tried.figure);
        row["figure"] = *tried.figure;
        row["percent"] = percent;
        row["status"] = percent > options_.threshold ? "bad" : "good";
      }
      row["reason"] = tried.reason;
      row["release"] = tried.release;
      row["package"] = tried.package;
      row["remembered"] = tried.remembered;
    }
    rows.push_back(std::move(row));
  }
  const bool one = found && found->first_bad == found->last_good + 1;
  const auto kernel_at = [&](std::size_t at) { return nlohmann::json(kernels[at]); };
  nlohmann::json suspects = nlohmann::json::array();
  if (found) {
    for (std::size_t i = found->last_good + 1; i <= found->first_bad; ++i) {
      suspects.push_back(kernels[i]);
    }
  }
  if (options_.json) {
    fmt::print("{}\n", nlohmann::json({{"cell", cell_.cell},
                                       {"probes", probes_},
                                       {"metric", options_.metric},
                                       {"unit", tried_.at(kernels.front()).unit},
                                       {"threshold", options_.threshold},
                                       {"steps", steps},
                                       {"last_good", found ? kernel_at(found->last_good) : nullptr},
                                       {"first_bad", one ? kernel_at(found->first_bad) : nullptr},
                                       {"suspects", suspects},
                                       {"series", rows}})
                           .dump(1, ' ', false, nlohmann::json::error_handler_t::replace));
  }
  if (!found) throw Failure(ExitCode::kUsage, "interrupted; the same command goes on from here");
  if (!options_.json) {
    const Tried& last = tried_.at(kernels[found->last_good]);
    const Tried& first = tried_.at(kernels[found->first_bad]);
    const auto print = [&](const char* what, const std::string& kernel, const Tried& tried) {
      fmt::print(
          "{} {}{}\n  {} {}, {:+.2f} %\n", what, kernel,
          tried.package.is_string() ? fmt::format(" ({})", tried.package.get<std::string>()) : "",
          ending_, words(*tried.figure, tried.unit), percent_above(good, *tried.figure));
    };
    print("last good:", kernels[found->last_good], last);
    print("first bad:", kernels[found->first_bad], first);
    if (!one) {
      fmt::print("or one before it that cannot be tested: ");
      for (std::size_t i = found->last_good + 1; i < found->first_bad; ++i) {
        fmt::print("{}{}", i == found->last_good + 1 ? "" : ", ", kernels[i]);
      }
      fmt::print("\n");
    }
    fmt::print("{} steps\n", steps);
  }
  return one ? ExitCode::kPass : ExitCode::kUsage;
}

// One tree: is it bad? Whatever keeps the question from being answered is 125: any other code but 0
// would call the commit bad.
ExitCode Bisection::of_tree() {
  const bool from_file = !options_.baseline.empty();
  if (from_file == (options_.good_figure > 0)) {
    throw Failure(ExitCode::kUsage, "--kernel-tree needs --baseline FILE or --good-figure NUMBER");
  }
  double good = options_.good_figure;
  if (from_file) {
    const ReadResult baseline = read_result(options_.baseline);
    const Tried tried = figure_in(baseline.rows, cell_.kernel, ending_, options_.metric);
    if (!tried.figure) {
      throw Failure(ExitCode::kUsage,
                    fmt::format("--baseline {}: {}", options_.baseline, tried.reason));
    }
    good = *tried.figure;
  }
  const TempDir work(temp_dir(), "faultline-tree-");
  const FetchedKernel kernel = kernel_from_tree(options_.tree, work.path() / "modules");
  progress_.say(fmt::format("{}: {}", options_.tree, kernel.build));
  make_dirs(cache_dir());
  const Tried tried = try_kernel(kernel.vmlinuz.string(), (work.path() / "modules").string(),
                                 work.path() / "out", false);
  if (*context_.interrupted) {
    fmt::print(stderr, "faultline: interrupted\n");
    return kAbortBisection;
  }
  if (!tried.figure) throw Failure(ExitCode::kCannotTest, tried.reason);
  const double percent = percent_above(good, *tried.figure);
  const bool bad = percent > options_.threshold;
  if (options_.json) {
    fmt::print("{}\n", nlohmann::json({{"cell", cell_.cell},
                                       {"probes", probes_},
                                       {"metric", options_.metric},
                                       {"unit", tried.unit},
                                       {"threshold", options_.threshold},
                                       {"release", tried.release},
                                       {"good_figure", good},
                                       {"figure", *tried.figure},
                                       {"percent", percent},
                                       {"verdict", bad ? "bad" : "good"}})
                           .dump(1));
  } else {
    fmt::print("{}: {} {} {}, {:+.2f} % against {:.1f}\n", bad ? "bad" : "good", kernel.release,
               ending_, words(*tried.figure, tried.unit), percent, good);
  }
  return bad ? ExitCode::kRegression : ExitCode::kPass;
}

}  // namespace

Verb add_bisect(CLI::App& app) {
  auto options = std::make_shared<BisectOptions>();
  CLI::App* bisect =
      app.add_subcommand("bisect", "Find the first kernel in which a cell costs more");
  bisect->footer(
      "A kernel is bad if the cell's figure is above the good one's by more than P percent.\n"
      "Kernels that were measured are remembered in --out.\n\n"
      "Examples:\n"
      "  faultline bisect --good 6.1.170 --bad 6.1.192 --threshold 2 \\\n"
      "      --cell ext4/map_sync/first_touch/hole/pte/t1\n"
      "  git bisect run sh -c 'make -j8 bzImage modules || exit 125; \\\n"
      "      faultline bisect --kernel-tree . --baseline ~/good/result.json \\\n"
      "      --threshold 2 --cell ext4/map_sync/first_touch/hole/pte/t1'\n\n"
      "Exit: 0 found; 2 usage, or nothing found; 125 an end of the series cannot be tested.\n"
      "With --kernel-tree: 0 good; 1 bad; 125 it does not boot, or the cell cannot be measured.");
  bisect->add_option("--good", options->good,
                     "a kernel that is good: a point release or a row; NAME+N as of `run`");
  bisect->add_option("--bad", options->bad, "a later kernel that is bad");
  bisect->add_option("--kernels", options->kernels,
                     "the series itself, in order, instead of all point releases");
  bisect->add_option("--kernel-tree", options->tree, "a kernel tree that has been built");
  bisect->add_option("--baseline", options->baseline,
                     "a result.json with the cell, measured on a good kernel");
  numbers(bisect->add_option("--good-figure", options->good_figure, "or its figure"), kLeastFigure,
          1e15);
  bisect
      ->add_option("--cell", options->cell,
                   "a row's name without kernel and probes; a kernel before it: the baseline's")
      ->required();
  fs_row_of(bisect);
  numbers(bisect->add_option("--threshold", options->threshold, "percent"), kLeastPercent,
          kMostPercent)
      ->required();
  bisect->add_option("--metric", options->metric, "a field of the row")->capture_default_str();
  bisect->add_option("--accel", options->accel, "tcg-icount, tcg, kvm")->capture_default_str();
  touches_of(bisect->add_option("--touches", options->touches,
                                "measured stores (default: the workload's)"));
  bisect->add_option("--seeds", options->seeds, "as of `run`; the figure is their median");
  repetitions_of(
      bisect->add_option("--repetitions", options->repetitions, "as of `run`, in wall time"));
  seconds_of(bisect->add_option("--boot-deadline", options->boot_s, "seconds for a boot"))
      ->capture_default_str();
  bisect->add_option("--out", options->out, "folder of the steps' results")->capture_default_str();
  bisect->add_flag("--json", options->json, "the steps and the answer as JSON");
  bisect->add_flag("--quiet", options->quiet, "no progress");
  return {bisect, [options](const CommandContext& context) {
            if (options->tree.empty()) return Bisection(*options, context).over_kernels();
            try {
              return Bisection(*options, context).of_tree();
            } catch (const std::exception& e) {
              fmt::print(stderr, "faultline: {}\n", e.what());
              return *context.interrupted ? kAbortBisection : ExitCode::kCannotTest;
            }
          }};
}

}  // namespace faultline
