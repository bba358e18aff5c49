// SPDX-License-Identifier: GPL-2.0-only
// faultline kernels: which kernels can be booted, fetching and checking them, and building their
// module.
#include "vm/kernels.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <fstream>
#include <memory>

#include "campaign/progress.h"
#include "cli/verbs.h"
#include "vm/files.h"
#include "vm/kernel_tree.h"
#include "vm/packages/guest_root.h"
#include "vm/strategy_module.h"

namespace faultline {
namespace {

// Builds for each kernel; one for which it cannot be built does not stop the others.
ExitCode build_modules(const std::vector<std::string>& names, const std::filesystem::path& source,
                       const std::filesystem::path& cache, bool json) {
  make_dirs(cache);
  ProgressLine progress(false);
  const Progress say = [&](const std::string& line) { progress.say(line); };
  nlohmann::json rows = nlohmann::json::array();
  bool all = true;
  for (const std::string& name : names) {
    for (const KernelRow& row : kernels_named(name, cache, say)) {
      const FetchedKernel kernel = fetch_kernel(row, cache, say);
      nlohmann::json built = {{"id", kernel.id}, {"release", kernel.release}, {"reason", ""}};
      for (const char* field : {"path", "sha256", "compiler", "made_now", "seconds"}) {
        built[field] = nullptr;
      }
      try {
        const BuiltModule module = build_strategy_module(kernel, source, cache, say);
        built.update({{"path", module.path.string()},
                      {"sha256", module.sha256},
                      {"compiler", module.compiler},
                      {"made_now", module.made_now},
                      {"seconds", module.seconds}});
        if (!json) {
          fmt::print("{:<26} {} {}\n", kernel.release, module.path.string(), module.sha256);
        }
      } catch (const Failure& failure) {
        if (failure.code() != ExitCode::kSkipped) throw;
        all = false;
        built["reason"] = failure.what();
        if (!json) fmt::print("{:<26} skipped: {}\n", kernel.release, failure.what());
      }
      rows.push_back(std::move(built));
    }
  }
  if (json) fmt::print("{}\n", rows.dump(1));
  return all ? ExitCode::kPass : ExitCode::kSkipped;
}

bool is_config(const std::filesystem::path& file) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(file, ignored)) return false;
  std::ifstream stream(file);
  for (std::string line; std::getline(stream, line) && line.size() < 4096;) {
    if (line.starts_with("CONFIG_")) return true;
    if (!line.empty() && line.front() != '#') return false;
  }
  return false;
}

// What to check: the path, or the .config in a folder where no kernel was built with it yet.
std::string checked_path(const std::filesystem::path& path) {
  std::error_code ignored;
  const bool unbuilt =
      std::filesystem::is_regular_file(path / ".config", ignored) && !holds_kernel(path);
  return unbuilt ? path / ".config" : path;
}

ExitCode check_kernel(const std::string& given, const std::string& modules, bool json) {
  const std::string path = checked_path(given);
  FoundConfig config;
  std::string release;
  bool has_modules = true;
  if (is_config(path)) {
    config = {.text = read_file(path), .where = path};
    release = release_of_config(config.text);
  } else {
    const FetchedKernel kernel = kernel_of_path(path, modules);
    config = config_of(kernel);
    release = kernel.release;
    has_modules = !kernel.modules_dir.empty();
  }
  const bool known = !config.where.empty();
  std::vector<ConfigFinding> findings;
  if (known) findings = check_config(parse_config(config.text), release, has_modules);
  if (json) {
    nlohmann::json options = nlohmann::json::array();
    for (const ConfigFinding& finding : findings) {
      options.push_back({{"option", "CONFIG_" + finding.option},
                         {"need", id_of(finding.need)},
                         {"found", finding.found},
                         {"why", finding.why}});
    }
    fmt::print("{}\n", nlohmann::json({{"path", path},
                                       {"release", release},
                                       {"config", known ? nlohmann::json(config.where) : nullptr},
                                       {"options", std::move(options)},
                                       {"fragment", config_fragment(findings)}})
                           .dump(1, ' ', false, nlohmann::json::error_handler_t::replace));
  } else if (known) {
    const bool runs = options_of(findings, ConfigNeed::kNeeded).empty();
    fmt::print("{}: {}\nits configuration: {}\n{}", release.empty() ? path : release,
               runs ? "all that a guest needs is there" : "no guest can run", config.where,
               config_report(findings));
  }
  if (!known) {
    throw Failure(ExitCode::kSkipped,
                  fmt::format("{}: no configuration is found in it (CONFIG_IKCONFIG) or beside it "
                              "(config-{}); check the .config that it was built with",
                              path, release));
  }
  return options_of(findings, ConfigNeed::kNeeded).empty() ? ExitCode::kPass : ExitCode::kUsage;
}

}  // namespace

Verb add_kernels(CLI::App& app) {
  struct Options {
    bool json = false;
    bool refresh = false;
    bool releases = false;
    std::vector<std::string> names;
    CLI::App* fetch = nullptr;
    CLI::App* module = nullptr;
    CLI::App* compiler = nullptr;
    CLI::App* check = nullptr;
    std::string path;
    std::string modules;
    std::string source;
  };
  auto options = std::make_shared<Options>();
  CLI::App* kernels = app.add_subcommand("kernels", "List or fetch the kernels that can be booted");
  kernels->footer(
      "Examples:\n  faultline kernels list --json\n  faultline kernels fetch bookworm 7.3\n"
      "  faultline kernels module 6.1 6.12\n"
      "  faultline kernels check ./bzImage\n"
      "  faultline kernels list --releases");
  kernels->require_subcommand(0, 1);
  kernels->add_flag("--json", options->json, "as JSON");
  CLI::App* list = kernels->add_subcommand("list", "Print the kernels (also without a verb)");
  list->add_flag("--json", options->json, "as JSON");
  list->add_flag("--releases", options->releases, "the point releases that the mirrors hold too");
  list->add_flag("--refresh", options->refresh, "read the mirrors' lists anew");
  options->fetch = kernels->add_subcommand("fetch", "Fetch kernels' packages into the cache");
  options->fetch->add_option("names", options->names, "names or globs; `all`, `releases`")
      ->required();
  options->fetch->add_flag("--refresh", options->refresh, "look for a newer package");
  options->fetch->add_flag("--json", options->json, "as JSON");
  options->module =
      kernels->add_subcommand("module", "Build the strategy module against kernels' headers");
  options->module->footer(
      "Prints release, path and SHA-256 of each. Headers, and for kernels newer than this machine\n"
      "a compiler, are fetched into the cache; nothing is installed.\n\n"
      "Exit: 0 all built; 77 at least one cannot be, with the reason.\n\n"
      "Example:\n  faultline kernels module all --json");
  options->module->add_option("names", options->names,
                              "names or globs; `all` (default: the default kernel)");
  options->module->add_option("--source", options->source,
                              "folder of its sources (default: kmod/)");
  options->module->add_flag("--json", options->json, "as JSON");
  options->check = kernels->add_subcommand(
      "check", "Say which options a kernel of your own lacks, before its first boot");
  options->check->footer(
      "Reads the configuration in the kernel (CONFIG_IKCONFIG), or config-RELEASE,\n"
      "config or .config beside it, in its tree, in its modules, or in /boot. Says what\n"
      "is needed, what goes without what is wanted, what makes a fault take another\n"
      "path than on Debian's kernels, and the lines to append to .config.\n\n"
      "Exit: 0 all that is needed is there; 2 it is not; 77 no configuration found.\n\n"
      "Examples:\n  faultline kernels check ./bzImage --modules ./mods\n"
      "  faultline kernels check ~/linux\n"
      "  faultline kernels check ~/linux/.config");
  options->check
      ->add_option("path", options->path,
                   "a bzImage, a built tree, a folder with an unpacked package, or a .config")
      ->required();
  options->check->add_option("--modules", options->modules, "modules folder that belongs to it");
  options->check->add_flag("--json", options->json, "as JSON");
  options->compiler = kernels->add_subcommand(
      "compiler", "Fetch what builds the guest's own binary; print its folder");
  options->compiler->footer(
      "A root file system of the suite that all guests' user space is of, with its compilers.\n"
      "tools/pinned-guest builds in it where this machine is of another.");
  return {kernels, [options](const CommandContext& context) {
            if (options->check->parsed()) {
              return check_kernel(options->path, options->modules, options->json);
            }
            const auto cache = cache_dir();
            if (options->compiler->parsed()) {
              make_dirs(cache);
              ProgressLine progress(false);
              const auto root =
                  fetch_guest_compiler(cache, [&](const std::string& line) { progress.say(line); });
              fmt::print("{}\n", root.string());
              return ExitCode::kPass;
            }
            if (options->module->parsed()) {
              if (options->names.empty()) options->names = {kernel_table().front().id};
              return build_modules(options->names,
                                   options->source.empty() ? context.parts.kmod
                                                           : std::filesystem::path(options->source),
                                   cache, options->json);
            }
            if (options->fetch->parsed()) {
              make_dirs(cache);
              ProgressLine progress(false);
              const Progress say = [&](const std::string& line) { progress.say(line); };
              for (const std::string& name : options->names) {
                for (const KernelRow& row :
                     kernels_named(name, cache, say, {.refresh = options->refresh})) {
                  const FetchedKernel kernel =
                      fetch_kernel(row, cache, say, {.refresh = options->refresh});
                  if (!options->json) fmt::print("{:<20} {}\n", kernel.id, kernel.release);
                }
              }
              if (!options->json) return ExitCode::kPass;
            }
            std::vector<KernelRow> known = kernel_table();
            if (options->releases) {
              make_dirs(cache);
              ProgressLine progress(false);
              for (KernelRow& row :
                   point_releases(cache, [&](const std::string& line) { progress.say(line); },
                                  {.refresh = options->refresh})) {
                known.push_back(std::move(row));
              }
            }
            const nlohmann::json rows = kernels_json(cache, known);
            if (options->json) {
              fmt::print("{}\n", rows.dump(1));
              return ExitCode::kPass;
            }
            fmt::print("  {:<19} {:<27} {}\n", "name", "release", "also");
            for (const nlohmann::json& row : rows) {
              const auto id = row.at("id").get<std::string>();
              fmt::print("{} {:<19} {:<27} {}\n", row.value("default", false) ? '*' : ' ', id,
                         row.at("fetched").get<bool>() ? row.at("release").get<std::string>()
                                                       : "not fetched",
                         fmt::join(row.at("aliases").get<std::vector<std::string>>(), " "));
            }
            return ExitCode::kPass;
          }};
}

}  // namespace faultline
