// SPDX-License-Identifier: GPL-2.0-only
// The verbs that read results: the work is done by reports/ in Python.
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "cli/verbs.h"
#include "vm/command.h"

namespace faultline {

// Debian's: the one whose modules apt installs. Another may stand first on PATH.
constexpr char kPython[] = "/usr/bin/python3";

std::vector<std::string> report_command(const CommandContext& context) {
  if (context.reports.empty()) {
    throw Failure(ExitCode::kUsage,
                  "reports/ is not beside the command; run it from its build folder");
  }
  return {kPython, context.reports.string()};
}

namespace {

[[noreturn]] void become(const std::vector<std::string>& arguments) {
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  execv(argv[0], argv.data());
  throw Failure(ExitCode::kUsage,
                fmt::format("{}: {}; `make deps` installs it", argv[0], std::strerror(errno)));
}

struct ReportVerb {
  const char* name;
  const char* summary;
  const char* footer;
};

constexpr ReportVerb kReportVerbs[] = {
    {"report", "Write a result as one HTML page: claims decided, figures, tables",
     "Usage: faultline report RESULT... [--out DIR] [--text | --md | --csv | --json]\n"
     "       faultline report --before A --after B [--out DIR]\n\n"
     "RESULT: a folder of run, crashtest or perf; they are merged. Writes report.html,\n"
     "claims.json and the figures as PNG to DIR (default: the first RESULT's folder).\n\n"
     "Example:\n  faultline report out\n"
     "  faultline report out dos paced crash perf --out page\n"
     "  faultline report out --md"},
    {"table", "Print a result as a table of 80 columns",
     "Usage: faultline table DIR... [--json]\n\nExample:\n  faultline table out"},
    {"identical", "Compare all figures of two results, to the last digit",
     "Usage: faultline identical DIR_A DIR_B [--json]\n\n"
     "Exit: 0 all common cells are identical; 1 some differ; 2 nothing to compare.\n\n"
     "Example:\n  faultline identical out again"},
    {"check", "Check a result against known answers",
     "Usage: faultline check DIR... [--json]\n\n"
     "Exit: 0 none failed; 1 some failed; 2 nothing to check.\n\nExample:\n  faultline check out"},
    {"compare", "Compare two results, cell by cell: figures, difference, interval, verdict",
     "Usage: faultline compare A B [--changed] [--metric NAME,...] [--cell PATTERN]\n"
     "         [--floor [METRIC=]PERCENT] [--kernels OLD=NEW]\n"
     "         [--json | --ktap | --benchmark-json DIR]\n\n"
     "A and B are folders of results, or names of baselines.\n"
     "Exit: 0 compared; 2 nothing to compare. The gate is what judges.\n\n"
     "Example:\n  faultline compare before after --changed\n"
     "  faultline compare kernels kernels --kernels bookworm=7.3"},
    {"gate", "Compare a result with a baseline; the exit code is the verdict",
     "Usage: faultline gate --baseline FILE|NAME RESULT [--single PERCENT] [--subset]\n"
     "         [--across-environments] [--metric NAME,...] [--cell PATTERN]\n"
     "         [--floor [METRIC=]PERCENT] [--kernels OLD=NEW] [--json]\n\n"
     "Exit: 0 no regression; 1 regression; 2 incomplete or not comparable.\n\n"
     "Example:\n  faultline gate --baseline v6.12 out"},
    {"explain", "Show which phases and functions of a fault account for a change",
     "Usage: faultline explain A B [--perf DIR_A DIR_B] [--cell PATTERN]\n"
     "         [--metric NAME,...] [--json]\n\n"
     "With two folders of `faultline perf`, the functions too.\n\n"
     "Exit: 0 explained, or nothing changed; 2 nothing was measured that explains it.\n\n"
     "Example:\n  faultline explain before after --cell '*/map_sync/*'"},
    {"baseline", "Keep results to compare later ones with: save, list, show",
     "Usage: faultline baseline save NAME|PATH RESULT [--replace]\n"
     "       faultline baseline list [--json]\n"
     "       faultline baseline show NAME|PATH [--json]\n\n"
     "A name is kept in faultline's cache; a path has a slash.\n\n"
     "Example:\n  faultline baseline save v6.12 out"},
    {"history", "Keep figures of many results in one SQLite file: add, list, show, export",
     "Usage: faultline history add RESULT... [--label TEXT] [--file FILE]\n"
     "       faultline history list | show ID [--file FILE] [--json]\n"
     "       faultline history export CSV [--metric NAME] [--cell PATTERN] [--wall]\n\n"
     "Example:\n  faultline history add out --label \"$(git rev-parse HEAD)\"\n"
     "  faultline history export series.csv"},
    {"trend", "Show what cells cost over kernels, and where it changed",
     "Usage: faultline trend RESULT... | --history [FILE] [--metric NAME,...]\n"
     "         [--cell PATTERN] [--floor PERCENT] [--out DIR] [--json]\n\n"
     "Example:\n  faultline trend kernels --out kernels"},
};

}  // namespace

std::vector<Verb> add_reports(CLI::App& app) {
  std::vector<Verb> verbs;
  for (const ReportVerb& row : kReportVerbs) {
    CLI::App* verb = app.add_subcommand(row.name, row.summary);
    verb->footer(row.footer);
    // Options are parsed where the work is done.
    verb->prefix_command();
    verbs.push_back({verb, [verb, name = row.name](const CommandContext& context) -> ExitCode {
                       std::vector<std::string> argv = report_command(context);
                       argv.emplace_back(name);
                       for (const std::string& argument : verb->remaining())
                         argv.push_back(argument);
                       become(argv);
                     }});
  }
  return verbs;
}

bool print_table(const CommandContext& context, const std::string& dir) {
  try {
    std::vector<std::string> argv = report_command(context);
    argv.insert(argv.end(), {"table", dir});
    const CommandOutput output = run_command(argv);
    fmt::print("{}", output.out);
    if (output.out.empty() && !output.error.empty()) fmt::print(stderr, "{}", output.error);
    return output.status == 0;
  } catch (const Failure& failure) {
    fmt::print(stderr, "no table: {}\n", failure.what());
    return false;
  }
}

}  // namespace faultline
