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
};

// For `faultline --help`, which starts no Python. A test of reports/ holds the list to be equal to
// its own; the help of a verb, and what is wrong with its options, is said there alone.
constexpr ReportVerb kReportVerbs[] = {
    {"report", "Write a result as one HTML page: claims decided, figures, tables"},
    {"table", "Print a result as a table of 80 columns"},
    {"identical", "Compare all figures of two results, to the last digit"},
    {"check", "Check a result against known answers"},
    {"compare", "Compare two results, cell by cell: figures, difference, interval, verdict"},
    {"gate", "Compare a result with a baseline; the exit code is the verdict"},
    {"explain", "Show which phases and functions of a fault account for a change"},
    {"baseline", "Keep results to compare later ones with: save, list, show"},
    {"history", "Keep figures of many results in one SQLite file: add, list, show, export"},
    {"trend", "Show what cells cost over kernels, and where it changed"},
};

}  // namespace

std::vector<Verb> add_reports(CLI::App& app) {
  std::vector<Verb> verbs;
  for (const ReportVerb& row : kReportVerbs) {
    CLI::App* verb = app.add_subcommand(row.name, row.summary);
    // Options are parsed where the work is done, `--help` among them.
    verb->set_help_flag();
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
