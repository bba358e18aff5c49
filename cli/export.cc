// SPDX-License-Identifier: GPL-2.0-only
// faultline export: a result's samples as a trace, or the result itself, for other tools.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fnmatch.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <set>

#include "campaign/result.h"
#include "cell/number_option.h"
#include "cell/schema.h"
#include "cell/words.h"
#include "cli/verbs.h"
#include "trace/trace_format.h"
#include "vm/files.h"

namespace faultline {

namespace fs = std::filesystem;

namespace {

constexpr size_t kCellsShown = 5;

struct ExportOptions {
  std::string to;
  std::string result;
  std::string out;
  std::string cells;
  std::string origin;
  std::optional<std::uint64_t> seed;
  bool json = false;
};

const TraceFormat& format_named(const std::string& id) {
  std::vector<std::string> known;
  for (const TraceFormat& format : trace_formats()) {
    if (id == format.id) return format;
    known.emplace_back(format.id);
  }
  throw Failure(ExitCode::kUsage, fmt::format("--to: no format is called '{}'; there is: {}", id,
                                              fmt::join(known, ", ")));
}

fs::path result_file(const std::string& given) {
  fs::path file = given;
  std::error_code error;
  if (fs::is_directory(file, error)) file /= kResultName;
  if (!fs::exists(file, error)) {
    throw Failure(ExitCode::kUsage,
                  fmt::format("{}: there is no result; name the folder that `faultline run` wrote",
                              file.string()));
  }
  return file;
}

FaultResults fault_results() {
  std::vector<std::pair<std::string, uint32_t>> names;
  // The tables are copied: a range-for over part of a temporary would outlive it.
  const nlohmann::json tables = tables_json();
  for (const nlohmann::json& row : tables.at("fault_result")) {
    names.emplace_back(row.at("id").get<std::string>(), row.at("bit").get<uint32_t>());
  }
  return FaultResults(std::move(names));
}

nlohmann::json cell_summary(const SampleRow& row, const Timeline& timeline) {
  std::vector<size_t> counts(row.kinds.size());
  for (const Sample& sample : row.samples) ++counts[sample.kind];
  nlohmann::json kinds = nlohmann::json::object();
  for (size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] != 0) kinds[row.kinds[i]] = counts[i];
  }
  nlohmann::json tracks = nlohmann::json::array();
  for (const Track& track : timeline.tracks) tracks.push_back(track_name(track));
  return {{"name", row.name},
          {"seed", row.seed},
          {"repetition", row.repetition},
          {"unit", row.unit},
          {"samples", row.samples.size()},
          {"kinds", kinds},
          {"tracks", tracks},
          {"waits", timeline.waits.size()}};
}

// "1 cell", "5 seeds of 1 cell", "6 lives of 2 cells": a row is a life of a cell.
std::string lives_of(const nlohmann::json& rows) {
  std::set<std::string> cells;
  std::set<std::uint64_t> seeds;
  for (const nlohmann::json& row : rows) {
    cells.insert(row.at("name").get<std::string>());
    seeds.insert(row.at("seed").get<std::uint64_t>());
  }
  std::string of = fmt::format("{} cell{}", cells.size(), cells.size() == 1 ? "" : "s");
  if (rows.size() == cells.size()) return of;
  const char* const what = cells.size() > 1              ? "lives"
                           : seeds.size() == rows.size() ? "seeds"
                                                         : "repetitions";
  return fmt::format("{} {} of {}", rows.size(), what, of);
}

void check_something_came(const fs::path& file, const ExportOptions& options,
                          const SampleFile& read, size_t taken) {
  if (taken != 0) return;
  if (read.cells.empty()) {
    throw Failure(ExitCode::kUsage,
                  fmt::format("{}: none of its {} rows has samples; `faultline run --samples` "
                              "keeps them, in the cells with probes",
                              file.string(), read.rows));
  }
  if (options.seed && options.cells.empty()) {
    throw Failure(ExitCode::kUsage,
                  fmt::format("--seed: no cell with samples has seed {}", *options.seed));
  }
  std::vector<std::string> shown(
      read.cells.begin(),
      read.cells.begin() + static_cast<std::ptrdiff_t>(std::min(read.cells.size(), kCellsShown)));
  throw Failure(ExitCode::kUsage,
                fmt::format("--cell: no cell with samples matches '{}'; there is: {}{}",
                            options.cells, fmt::join(shown, ", "),
                            read.cells.size() > kCellsShown
                                ? fmt::format(" and {} more", read.cells.size() - kCellsShown)
                                : ""));
}

// A format of the result, not of its samples.
ExitCode export_result(const ExportOptions& options, const CommandContext& context) {
  if (options.seed) {
    throw Failure(
        ExitCode::kUsage,
        fmt::format("--seed: of samples; {} has a cell's figure over all seeds", options.to));
  }
  std::vector<std::string> words = {"export",   options.result, "--to",
                                    options.to, "--out",        options.out};
  if (!options.cells.empty()) words.insert(words.end(), {"--cell", options.cells});
  if (!options.origin.empty()) words.insert(words.end(), {"--origin", options.origin});
  if (options.json) words.emplace_back("--json");
  return run_report_verb(context, words);
}

ExitCode export_samples(const ExportOptions& options, const CommandContext& context) {
  const TraceFormat& format = format_named(options.to);
  if (format.make == nullptr) return export_result(options, context);
  if (!options.origin.empty()) {
    throw Failure(ExitCode::kUsage, fmt::format("--origin: of kcidb, and not of {}", format.id));
  }
  const fs::path file = result_file(options.result);
  const std::vector<std::string> patterns = split_list(options.cells);
  if (patterns.empty() && !options.cells.empty()) {
    throw Failure(ExitCode::kUsage, fmt::format("--cell: '{}' names nothing", options.cells));
  }
  const FaultResults results = fault_results();
  AtomicFile out(options.out);
  size_t bytes = 0;
  const Sink sink = [&](std::string_view piece) {
    bytes += piece.size();
    out.write(piece);
  };
  const std::unique_ptr<TraceWriter> writer = format.make(sink, results);
  nlohmann::json cells = nlohmann::json::array();
  size_t samples = 0;
  size_t waits = 0;
  const auto wanted_life = [&](const SampleRow& row) {
    return !options.seed || row.seed == *options.seed;
  };
  const SampleFile read = read_samples(
      file,
      [&](const std::string& cell) {
        return patterns.empty() ||
               std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
                 return fnmatch(pattern.c_str(), cell.c_str(), 0) == 0;
               });
      },
      [&](const SampleRow& row) {
        if (!wanted_life(row)) return;
        Timeline timeline;
        try {
          timeline = arrange(row);
        } catch (const Failure& failure) {
          throw Failure(failure.code(), fmt::format("{}: {}", file.string(), failure.what()));
        }
        writer->add(row, timeline);
        samples += row.samples.size();
        waits += timeline.waits.size();
        cells.push_back(cell_summary(row, timeline));
      },
      *context.interrupted);
  check_something_came(file, options, read, cells.size());
  writer->finish(read);
  out.commit(false);
  if (options.json) {
    fmt::print("{}\n", nlohmann::json({{"format", format.id},
                                       {"out", options.out},
                                       {"bytes", bytes},
                                       {"samples", samples},
                                       {"waits", waits},
                                       {"cells", cells}})
                           .dump(1, ' ', false, nlohmann::json::error_handler_t::replace));
  } else {
    // Not on standard output, where the trace itself may go.
    fmt::print(stderr, "{} samples of {}, {} waits for the journal: {}\n", samples, lives_of(cells),
               waits, options.out);
  }
  return ExitCode::kPass;
}

}  // namespace

Verb add_export(CLI::App& app) {
  auto options = std::make_shared<ExportOptions>();
  CLI::App* verb = app.add_subcommand("export", "Write a result, or its samples, for other tools");
  std::string formats;
  std::vector<std::string> ids;
  for (const TraceFormat& format : trace_formats()) {
    formats += fmt::format("  {:<12} {}\n", format.id, format.summary);
    ids.emplace_back(format.id);
  }
  verb->footer("Formats:\n" + formats +
               "\nExamples:\n"
               "  faultline run --strategy map_sync --state hole --samples --out out\n"
               "  faultline export --to perfetto out --out out/trace.pftrace\n"
               "  faultline export --to csv out --out out/samples.csv --cell '*/ext4/*'\n"
               "  faultline export --to junit out --out out/junit.xml\n\n"
               "Exit: 0 written; 2 no samples, or a file that cannot be used.");
  verb->add_option("--to", options->to, fmt::format("{}", fmt::join(ids, ", ")))->required();
  verb->add_option("DIR", options->result, "folder of a result")->required();
  verb->add_option("--out", options->out,
                   "file to write; of kcidb, lava and junit - is standard output")
      ->required();
  verb->add_option("--cell", options->cells, "cells by name, globs, separated by commas");
  verb->add_option("--origin", options->origin,
                   "kcidb: name of the CI system (default: faultline)");
  whole_numbers(verb->add_option("--seed", options->seed, "this one alone (default: all)"), 0,
                kMostSeed);
  verb->add_flag("--json", options->json, "print what was written as JSON");
  return {verb,
          [options](const CommandContext& context) { return export_samples(*options, context); }};
}

}  // namespace faultline
