// SPDX-License-Identifier: GPL-2.0-only
// The verbs of the command. Each adds its options to a CLI11 subcommand and returns the exit code.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "campaign/context.h"
#include "cell/failure.h"

namespace faultline {

struct Verb {
  CLI::App* app = nullptr;
  std::function<ExitCode(const CommandContext&)> run;
};

Verb add_run(CLI::App& app);
Verb add_reproduce(CLI::App& app);
Verb add_list(CLI::App& app);
Verb add_shell(CLI::App& app);
Verb add_kernels(CLI::App& app);
Verb add_doctor(CLI::App& app);
Verb add_export(CLI::App& app);
Verb add_probes(CLI::App& app);
Verb add_perf(CLI::App& app);
Verb add_profile(CLI::App& app);
Verb add_crashtest(CLI::App& app);
Verb add_order(CLI::App& app);
Verb add_submit(CLI::App& app);
Verb add_bisect(CLI::App& app);
// Adds all verbs that read results; reports/ does their work.
std::vector<Verb> add_reports(CLI::App& app);

// The start of a command line of reports/. Failure(kUsage) when it is not there.
std::vector<std::string> report_command(const CommandContext& context);

// Runs a verb of reports/ with its options, and returns its exit code.
ExitCode run_report_verb(const CommandContext& context, const std::vector<std::string>& words);

// The table of a result, printed by reports/; false when Python or its modules are missing.
bool print_table(const CommandContext& context, const std::string& dir);

}  // namespace faultline
