// SPDX-License-Identifier: GPL-2.0-only
// The verbs that read results: the work is done by reports/ in Python.
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "cli/verbs.h"
#include "vm/command.h"

namespace faultline {

// Debian's: the one whose modules apt installs. Another may stand first on PATH.
constexpr char kPython[] = "/usr/bin/python3";

std::vector<std::string> report_command(const CommandContext& context) {
  if (context.parts.reports.empty()) {
    throw Failure(ExitCode::kUsage,
                  "reports/ is not beside the command; run it from its build folder, or install "
                  "package faultline again");
  }
  // -I: neither PYTHON* of the environment nor the user's modules.
  return {kPython, "-I", context.parts.reports.string()};
}

namespace {

// A Python that cannot start ends in 1, which here is a verdict: reports/ says that one by this.
constexpr int kFailed = 101;
constexpr std::array kPassedOn = {SIGINT, SIGQUIT, SIGTERM, SIGHUP};

volatile pid_t python = 0;

// What the terminal sends, Python has got as well.
void pass_on(int signal, siginfo_t* info, void*) {
  if (info->si_code <= 0) kill(python, signal);
}

// Runs Python in our place; its exit code, or an end by the signal that ended it.
ExitCode run_python(const std::vector<std::string>& arguments) {
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const auto fail = [&] {
    return Failure(ExitCode::kUsage,
                   fmt::format("{}: {}; install package python3 (in a source tree, `make deps` "
                               "does)",
                               argv[0], std::strerror(errno)));
  };
  if (access(argv[0], X_OK) != 0) throw fail();
  sigset_t blocked;
  sigset_t before;
  sigemptyset(&blocked);
  for (const int signal : kPassedOn) sigaddset(&blocked, signal);
  sigprocmask(SIG_BLOCK, &blocked, &before);
  const pid_t child = fork();
  if (child < 0) throw fail();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    sigprocmask(SIG_SETMASK, &before, nullptr);
    execv(argv[0], argv.data());
    _exit(static_cast<int>(ExitCode::kUsage));
  }
  python = child;
  for (const int signal : kPassedOn) {
    struct sigaction action {};
    if (sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN) continue;
    action = {};
    action.sa_sigaction = pass_on;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    sigaction(signal, &action, nullptr);
  }
  sigprocmask(SIG_SETMASK, &before, nullptr);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFSIGNALED(status)) {
    std::signal(WTERMSIG(status), SIG_DFL);
    std::raise(WTERMSIG(status));
    return static_cast<ExitCode>(128 + WTERMSIG(status));
  }
  const int code = WEXITSTATUS(status);
  if (code == kFailed) return ExitCode::kRegression;
  if (code == static_cast<int>(ExitCode::kRegression)) {
    throw Failure(ExitCode::kUsage, fmt::format("{} ended before it had an answer", argv[0]));
  }
  return static_cast<ExitCode>(code);
}

struct ReportVerb {
  const char* name;
  const char* summary;
};

// For `faultline --help`, which starts no Python. A test of reports/ holds the list to be equal to
// its own; the help of a verb, and what is wrong with its options, is said there alone.
constexpr ReportVerb kReportVerbs[] = {
    {.name = "report",
     .summary = "Write a result as one HTML page: claims decided, figures, tables"},
    {.name = "table", .summary = "Print a result as a table of 80 columns"},
    {.name = "answer",
     .summary = "Answer a question of the lists from its run, in a table for a mail"},
    {.name = "identical", .summary = "Compare all figures of two results, to the last digit"},
    {.name = "merge", .summary = "Make one result of the shards of a run"},
    {.name = "hash",
     .summary = "Print the hash of what a result says, whenever and wherever it was measured"},
    {.name = "check", .summary = "Check a result against known answers"},
    {.name = "compare",
     .summary = "Compare two results, cell by cell: figures, difference, interval, verdict"},
    {.name = "gate", .summary = "Compare a result with a baseline; the exit code is the verdict"},
    {.name = "explain",
     .summary = "Show which phases and functions of a fault account for a change"},
    {.name = "media",
     .summary = "Say what written lines cost on other media: break-even, modelled time"},
    {.name = "baseline",
     .summary = "Keep results to compare later ones with: save, list, show, rm"},
    {.name = "history",
     .summary = "Keep figures of many results in one file: add, list, show, export, page, rm"},
    {.name = "trend", .summary = "Show what cells cost over kernels, and where it changed"},
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
                       std::vector<std::string> words = {name};
                       for (const std::string& word : verb->remaining()) words.push_back(word);
                       return run_report_verb(context, words);
                     }});
  }
  return verbs;
}

ExitCode run_report_verb(const CommandContext& context, const std::vector<std::string>& words) {
  std::vector<std::string> argv = report_command(context);
  argv.insert(argv.begin() + 1, {"-X", fmt::format("failed={}", kFailed)});
  argv.insert(argv.end(), words.begin(), words.end());
  return run_python(argv);
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
