// SPDX-License-Identifier: GPL-2.0-only
// The user's command: git-style verbs.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <csignal>
#include <memory>
#include <sstream>
#include <string>
#include <system_error>
#include <vector>

#include "campaign/progress.h"
#include "cell/words.h"
#include "cli/verbs.h"
#include "cli/version.h"

namespace faultline {
namespace {

std::atomic<bool> interrupted{false};

extern "C" void on_signal(int /*signal*/) { interrupted = true; }

// Help within a terminal's 80 columns.
class NarrowHelp : public CLI::Formatter {
 public:
  std::string make_option_desc(const CLI::Option* option) const override {
    return wrapped(CLI::Formatter::make_option_desc(option), beside_names());
  }
  std::string make_subcommand(const CLI::App* sub) const override {
    std::stringstream out;
    CLI::detail::format_help(out, sub->get_display_name(true),
                             wrapped(sub->get_description(), beside_names()), get_column_width());
    return out.str();
  }
  std::string make_description(const CLI::App* app) const override {
    return prose(CLI::Formatter::make_description(app));
  }
  std::string make_footer(const CLI::App* app) const override {
    return prose(CLI::Formatter::make_footer(app));
  }

 private:
  static constexpr size_t kColumns = 80;
  [[nodiscard]] size_t beside_names() const { return kColumns - get_column_width() - 1; }

  // Lines that are indented are commands, and stay as they are; the others are paragraphs.
  static std::string prose(const std::string& text) {
    std::string out;
    std::string paragraph;
    const auto end_paragraph = [&] {
      if (!paragraph.empty()) out += wrapped(paragraph, kColumns) + '\n';
      paragraph.clear();
    };
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      if (line.empty() || line.front() == ' ') {
        end_paragraph();
        out += line + '\n';
      } else {
        paragraph += line + ' ';
      }
    }
    end_paragraph();
    return out;
  }
};

// The verb, or the verb below one, of that name; none: null.
CLI::App* verb_named(CLI::App& app, const std::string& name) {
  const std::vector<CLI::App*> found =
      app.get_subcommands([&](const CLI::App* verb) { return verb->get_name() == name; });
  return found.empty() ? nullptr : found.front();
}

// Makes of `help` and `help VERB` what they stand for. Failure(kUsage) for a verb that there is
// not.
void settle_verb(CLI::App& app, std::vector<std::string>& words) {
  if (words.empty() || words.front().starts_with('-')) return;
  if (words.front() == "help") {
    words.erase(words.begin());
    if (words.empty() || words.back() != "--help") words.emplace_back("--help");
  }
  if (words.front().starts_with('-') || verb_named(app, words.front()) != nullptr) return;
  std::vector<std::string> known;
  for (const CLI::App* verb : app.get_subcommands([](const CLI::App* /*verb*/) { return true; })) {
    known.push_back(verb->get_name());
  }
  throw Failure(ExitCode::kUsage, unknown_name("verb", words.front(), known));
}

// The first of `words` that is no option of the verb that they begin with, said with the near ones;
// empty if all are.
std::string unknown_option(CLI::App& app, const std::vector<std::string>& words) {
  CLI::App* verb = &app;
  std::string names;
  for (const std::string& word : words) {
    if (word == "--") break;
    if (!word.starts_with('-')) {
      CLI::App* below = verb_named(*verb, word);
      if (below == nullptr) continue;
      verb = below;
      names += (names.empty() ? "" : " ") + word;
      continue;
    }
    const std::string option = word.substr(0, word.find('='));
    if (verb->get_option_no_throw(option) != nullptr || !option.starts_with("--")) continue;
    std::vector<std::string> known;
    for (const CLI::Option* one : verb->get_options()) {
      for (const std::string& name : one->get_lnames()) known.push_back("--" + name);
    }
    const std::vector<std::string> near = near_names(option, known);
    return fmt::format(
        "{}: no option {}{}; `faultline {} --help` says more", names, option,
        near.empty() ? "" : fmt::format("; did you mean {}", fmt::join(near, " or ")), names);
  }
  return "";
}

int command(int argc, char** argv) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction action {};
    action.sa_handler = on_signal;
    sigaction(signal, &action, nullptr);
  }
  std::signal(SIGPIPE, SIG_IGN);
  CLI::App app{"Measures what it costs to make memory-mapped writes to DAX files durable."};
  app.name("faultline");
  app.formatter(std::make_shared<NarrowHelp>());
  app.require_subcommand(1);
  app.set_version_flag("--version", version_text,
                       "Say what this build is, and which QEMU it takes");
  app.footer(
      "`faultline VERB --help` has examples.\n\n"
      "Exit: 0 pass; 1 regression or failed check; 2 usage or incomplete;\n"
      "69 the VM failed; 77 skipped; 125 cannot be tested.");
  std::vector<Verb> verbs = {
      add_run(app),       add_list(app),   add_shell(app),     add_kernels(app), add_probes(app),
      add_doctor(app),    add_export(app), add_perf(app),      add_profile(app), add_bisect(app),
      add_crashtest(app), add_order(app),  add_reproduce(app), add_submit(app)};
  for (Verb& verb : add_reports(app)) verbs.push_back(std::move(verb));
  std::vector<std::string> words(argv + 1, argv + argc);
  if (words.empty()) {
    fmt::print(stderr, "{}", app.help());
    return static_cast<int>(ExitCode::kUsage);
  }
  settle_verb(app, words);
  try {
    app.parse(std::vector<std::string>(words.rbegin(), words.rend()));
  } catch (const CLI::ExtrasError& e) {
    const std::string unknown = unknown_option(app, words);
    if (!unknown.empty()) throw Failure(ExitCode::kUsage, unknown);
    return app.exit(e) == 0 ? 0 : static_cast<int>(ExitCode::kUsage);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e);
    const std::string verb = verb_named(app, words.front()) != nullptr ? words.front() + " " : "";
    throw Failure(ExitCode::kUsage,
                  fmt::format("{}; `faultline {}--help` says more", e.what(), verb));
  }
  const CommandContext context = make_context(argc, argv, interrupted);
  for (const Verb& verb : verbs) {
    if (verb.app->parsed()) return static_cast<int>(verb.run(context));
  }
  return static_cast<int>(ExitCode::kUsage);
}

// `git bisect run` would take a usage error, as any code that is not 0 or 125, for a bad commit.
int usage_code(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  const bool for_git = !words.empty() && words.front() == "bisect" &&
                       std::any_of(words.begin(), words.end(), [](const std::string& word) {
                         return word.starts_with("--kernel-tree");
                       });
  return static_cast<int>(for_git ? ExitCode::kCannotTest : ExitCode::kUsage);
}

int main_code(int argc, char** argv) {
  try {
    return command(argc, argv);
  } catch (const Failure& failure) {
    tell(fmt::format("faultline: {}", failure.what()));
    return static_cast<int>(failure.code());
  } catch (const std::system_error& e) {
    // Whoever reads our output has enough of it, as `head` has.
    if (e.code() != std::errc::broken_pipe) tell(fmt::format("faultline: {}", e.what()));
    return static_cast<int>(ExitCode::kUsage);
  } catch (const std::exception& e) {
    tell(fmt::format("faultline: {}", e.what()));
    return static_cast<int>(ExitCode::kUsage);
  }
}

}  // namespace
}  // namespace faultline

int main(int argc, char** argv) {
  const int code = faultline::main_code(argc, argv);
  return code == static_cast<int>(faultline::ExitCode::kUsage) ? faultline::usage_code(argc, argv)
                                                               : code;
}
