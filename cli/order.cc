// SPDX-License-Identifier: GPL-2.0-only
// faultline order: by which entries the kernel maps a file, and why not by larger ones.
#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

#include "campaign/progress.h"
#include "campaign/session.h"
#include "cell/cell.h"
#include "cli/fs_row.h"
#include "cli/verbs.h"
#include "vm/command.h"
#include "vm/files.h"

namespace faultline {
namespace {

struct OrderOptions {
  std::string path;
  SessionWishes wishes = {};
  std::string fs;  // in a guest; empty: on this machine
  std::string state = "written";
  bool unaligned = false;
  bool json = false;
  bool quiet = false;
};

// What the guest's binary says of it (harness/order.h), by its own exit code.
ExitCode on_this_machine(const OrderOptions& options, const CommandContext& context) {
  std::vector<std::string> command = {context.parts.guest_binary.string(), "order", options.path};
  if (options.json) command.emplace_back("--json");
  const CommandOutput output = run_command(command);
  fmt::print("{}", output.out);
  fmt::print(stderr, "{}", output.error);
  return static_cast<ExitCode>(output.status);
}

ExitCode in_a_guest(OrderOptions options, const CommandContext& context) {
  options.wishes.fs = {options.fs};
  const auto cache = cache_dir();
  make_dirs(cache);
  ProgressLine progress(options.quiet);
  SessionSpec spec = make_session(context, options.wishes, cache, *context.interrupted,
                                  [&](const std::string& line) { progress.say(line); });
  spec.command = {"faultline-cell", "order", "/mnt/" + options.fs, "--make", options.state};
  if (options.unaligned) spec.command.emplace_back("--unaligned");
  if (options.json) spec.command.emplace_back("--json");
  return exit_code_of(run_session(spec, *context.interrupted));
}

}  // namespace

Verb add_order(CLI::App& app) {
  auto options = std::make_shared<OrderOptions>();
  CLI::App* verb =
      app.add_subcommand("order", "Say whether a file is mapped by entries of 2 MiB, and why not");
  verb->footer(
      "PATH: a file of this machine, or a folder, of which the first file of 2 MiB is\n"
      "taken. It is mapped and read, never written. With --fs a guest makes a file as a\n"
      "cell does, stores to it, and says the same of that. docs/order.md says why.\n\n"
      "Examples:\n"
      "  faultline order /mnt/pmem/database\n"
      "  faultline order --fs xfs --state unwritten --kernel 6.12\n\n"
      "Exit: 0 by entries of 2 MiB, all of it; 1 not; 2 usage; 69 the VM failed.");
  CLI::Option* path = verb->add_option("path", options->path, "a file or folder");
  CLI::Option* fs = verb->add_option("--fs", options->fs, "in a guest, on this file system");
  fs->excludes(path);
  fs_row_of(verb);
  std::vector<std::string> states;
  for (const Named& state : table_of(State{})) states.emplace_back(state.id);
  for (CLI::Option* option :
       {verb->add_option("--state", options->state, "of the file's blocks beforehand")
            ->check(CLI::IsMember(states))
            ->capture_default_str(),
        verb->add_flag("--unaligned", options->unaligned,
                       "do not ask the file system for extents of 2 MiB, as cells of order pmd do"),
        verb->add_option("--kernel", options->wishes.kernel, "name, or [NAME=]PATH of a bzImage")
            ->capture_default_str(),
        verb->add_option("--modules", options->wishes.modules,
                         "modules folder of --kernel PATH")}) {
    option->needs(fs);
  }
  verb->add_flag("--json", options->json, "print it as JSON");
  verb->add_flag("--quiet", options->quiet, "no progress");
  return {verb, [options](const CommandContext& context) {
            if (!options->fs.empty()) return in_a_guest(*options, context);
            if (options->path.empty()) {
              throw Failure(ExitCode::kUsage,
                            "order: give a file or a folder, or --fs for one in a guest");
            }
            return on_this_machine(*options, context);
          }};
}

}  // namespace faultline
