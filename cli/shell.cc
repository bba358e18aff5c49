// SPDX-License-Identifier: GPL-2.0-only
// faultline shell: a guest with a prompt in the user's terminal, or one command in a guest.
#include <fmt/format.h>
#include <unistd.h>

#include <memory>

#include "campaign/progress.h"
#include "campaign/session.h"
#include "cell/words.h"
#include "cli/fs_row.h"
#include "cli/ranges.h"
#include "cli/verbs.h"
#include "vm/files.h"

namespace faultline {
namespace {

struct Options {
  SessionWishes wishes;
  std::string fs = "ext4,ext4-fc,xfs";
  std::string idle;
  std::vector<std::string> in;
  std::string out;
  std::vector<std::string> command;
  double boot_s = 120;
  bool quiet = false;
};

ExitCode shell(Options& options, const CommandContext& context) {
  options.wishes.fs = split_list(options.fs);
  // A person waits for what sleeps; a program need not.
  const bool person = options.command.empty() && isatty(STDIN_FILENO) != 0;
  if (options.idle.empty()) options.idle = person ? "wait" : "skip";
  options.wishes.idle_waits = options.idle == "wait";
  const auto cache = cache_dir();
  make_dirs(cache);
  ProgressLine progress(options.quiet);
  SessionSpec spec = make_session(context, options.wishes, cache, *context.interrupted,
                                  [&](const std::string& line) { progress.say(line); });
  spec.command = options.command;
  spec.in.assign(options.in.begin(), options.in.end());
  spec.out = options.out;
  spec.boot_s = options.boot_s;
  if (person) progress.say("booting; Ctrl-D ends the session");
  return exit_code_of(run_session(spec, *context.interrupted));
}

}  // namespace

Verb add_shell(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* shell_app =
      app.add_subcommand("shell", "A guest with a prompt and tools, or one command in it");
  shell_app->footer(
      "All of --fs are mounted with DAX on /mnt/NAME; faultline-cell runs a cell by hand;\n"
      "bpftrace, perf, trace-cmd and faultline's bpftrace scripts are on PATH.\n\n"
      "Exit: what the command or the shell says; 69 the VM failed.\n\n"
      "Examples:\n  faultline shell --kernel 7.3\n"
      "  faultline shell --out got -- sh -c 'fault.bt -c \"faultline-cell\" >/out/log'\n"
      "  faultline shell --in my.bt -- bpftrace /in/my.bt -c 'faultline-cell --fs xfs'");
  shell_app->add_option("--kernel", options->wishes.kernel, "name, or [NAME=]PATH of a bzImage")
      ->capture_default_str();
  shell_app->add_option("--modules", options->wishes.modules, "modules folder of --kernel PATH");
  shell_app->add_option("--fs", options->fs, "file systems to make and mount")
      ->capture_default_str();
  fs_row_of(shell_app);
  // One each time: an open list would take the `--` for its own end, and leave the command's
  // options to be ours.
  shell_app->add_option("--in", options->in, "a file or folder for /in, read-only; may be repeated")
      ->allow_extra_args(false)
      ->check(CLI::ExistingPath);
  shell_app->add_option("--out", options->out, "folder that gets what is in /out at the end");
  shell_app->add_option("--accel", options->wishes.accel, "tcg-icount, tcg, kvm, or auto")
      ->capture_default_str();
  shell_app
      ->add_option("--idle", options->idle,
                   "wait: sleeping takes real time; skip: none (default: wait at a prompt, skip "
                   "for a command)")
      ->check(CLI::IsMember({"wait", "skip"}));
  seconds_of(shell_app->add_option("--boot-deadline", options->boot_s, "seconds for a boot"))
      ->capture_default_str();
  shell_app->add_flag("--quiet", options->quiet, "no progress");
  shell_app->add_option("command", options->command, "a command and its arguments, after --");
  return {shell_app, [options](const CommandContext& context) { return shell(*options, context); }};
}

}  // namespace faultline
