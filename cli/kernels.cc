// SPDX-License-Identifier: GPL-2.0-only
// faultline kernels: which kernels can be booted, and fetching them.
#include "vm/kernels.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>

#include "cli/progress.h"
#include "cli/verbs.h"
#include "vm/files.h"

namespace faultline {

Verb add_kernels(CLI::App& app) {
  struct Options {
    bool json = false;
    bool refresh = false;
    std::vector<std::string> names;
    CLI::App* fetch = nullptr;
  };
  auto options = std::make_shared<Options>();
  CLI::App* kernels = app.add_subcommand("kernels", "List or fetch the kernels that can be booted");
  kernels->footer(
      "Examples:\n  faultline kernels list --json\n  faultline kernels fetch bookworm 7.3");
  kernels->require_subcommand(0, 1);
  kernels->add_flag("--json", options->json, "as JSON");
  CLI::App* list = kernels->add_subcommand("list", "Print the kernels (also without a verb)");
  list->add_flag("--json", options->json, "as JSON");
  options->fetch = kernels->add_subcommand("fetch", "Fetch kernels' packages into the cache");
  options->fetch->add_option("names", options->names, "names or globs; `all`")->required();
  options->fetch->add_flag("--refresh", options->refresh, "look for a newer package");
  options->fetch->add_flag("--json", options->json, "as JSON");
  return {kernels, [options](const CommandContext&) {
            const auto cache = cache_dir();
            if (options->fetch->parsed()) {
              make_dirs(cache);
              ProgressLine progress(false);
              for (const std::string& name : options->names) {
                for (const KernelRow& row : find_kernels(name == "all" ? "*" : name)) {
                  const FetchedKernel kernel =
                      fetch_kernel(row, cache, [&](const std::string& line) { progress.say(line); },
                                   {.refresh = options->refresh});
                  if (!options->json) fmt::print("{:<20} {}\n", kernel.id, kernel.release);
                }
              }
              if (!options->json) return ExitCode::kPass;
            }
            const nlohmann::json rows = kernels_json(cache);
            if (options->json) {
              fmt::print("{}\n", rows.dump(1));
              return ExitCode::kPass;
            }
            for (const nlohmann::json& row : rows) {
              const auto id = row.at("id").get<std::string>();
              fmt::print("{} {:<19} {:<8} {}\n", row.value("default", false) ? '*' : ' ', id,
                         fmt::join(row.at("aliases").get<std::vector<std::string>>(), ","),
                         row.at("fetched").get<bool>() ? row.at("release").get<std::string>()
                                                       : "not fetched");
            }
            return ExitCode::kPass;
          }};
}

}  // namespace faultline
