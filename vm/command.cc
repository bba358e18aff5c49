// SPDX-License-Identifier: GPL-2.0-only
#include "vm/command.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <sstream>
#include <string_view>
#include <system_error>
#include <utility>

#include "cell/failure.h"

namespace faultline {
namespace {

class Pipe {
 public:
  Pipe() {
    if (::pipe2(ends_.data(), O_CLOEXEC) != 0) {
      throw Failure(ExitCode::kVmFailed,
                    fmt::format("cannot make a pipe: {}", std::generic_category().message(errno)));
    }
  }
  ~Pipe() {
    close_end(0);
    close_end(1);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  [[nodiscard]] int reader() const { return ends_[0]; }
  [[nodiscard]] int writer() const { return ends_[1]; }
  void close_end(std::size_t end) {
    if (const int fd = std::exchange(ends_.at(end), -1); fd >= 0) ::close(fd);
  }

 private:
  std::array<int, 2> ends_ = {-1, -1};
};

class SpawnActions {
 public:
  SpawnActions() { posix_spawn_file_actions_init(&actions_); }
  ~SpawnActions() { posix_spawn_file_actions_destroy(&actions_); }
  SpawnActions(const SpawnActions&) = delete;
  SpawnActions& operator=(const SpawnActions&) = delete;
  posix_spawn_file_actions_t* get() { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_ = {};
};

}  // namespace

std::vector<std::string> environment_for(const CommandOptions& options) {
  std::vector<std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::string_view name = text.substr(0, text.find('='));
    const auto& unset = options.unset_environment;
    if (name == "LC_ALL" || std::find(unset.begin(), unset.end(), name) != unset.end()) continue;
    environment.emplace_back(text);
  }
  environment.emplace_back("LC_ALL=C");
  return environment;
}

std::vector<char*> pointers_to(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (std::string& text : strings) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

namespace {

// Reads both pipes together, so that a program that fills one of them does not stop.
void drain(Pipe& out, std::string& out_text, Pipe& error, std::string& error_text) {
  std::array<pollfd, 2> waiting = {pollfd{out.reader(), POLLIN, 0}, {error.reader(), POLLIN, 0}};
  const std::array<std::string*, 2> texts = {&out_text, &error_text};
  std::array<char, 1 << 14> buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  while (waiting[0].fd >= 0 || waiting[1].fd >= 0) {
    if (::poll(waiting.data(), waiting.size(), -1) < 0) {
      if (errno == EINTR) continue;
      return;
    }
    for (std::size_t i = 0; i < waiting.size(); ++i) {
      pollfd& entry = waiting.at(i);
      if (entry.fd < 0 || entry.revents == 0) continue;
      const ssize_t count = ::read(entry.fd, buffer.data(), buffer.size());
      if (count > 0) {
        texts.at(i)->append(buffer.data(), static_cast<std::size_t>(count));
      } else if (count == 0 || errno != EINTR) {
        entry.fd = -1;
      }
    }
  }
}

}  // namespace

std::filesystem::path find_program(const std::string& program) {
  if (program.find('/') != std::string::npos) return program;
  const char* path = std::getenv("PATH");  // NOLINT(concurrency-mt-unsafe)
  std::istringstream folders(std::string(path != nullptr ? path : "/usr/bin:/bin") +
                             ":/usr/sbin:/sbin");
  for (std::string dir; std::getline(folders, dir, ':');) {
    std::filesystem::path candidate = std::filesystem::path(dir.empty() ? "." : dir) / program;
    std::error_code ignored;
    if (::access(candidate.c_str(), X_OK) == 0 &&
        std::filesystem::is_regular_file(candidate, ignored)) {
      return candidate;
    }
  }
  return {};
}

CommandOutput run_command(const std::vector<std::string>& argv, const CommandOptions& options) {
  Pipe out;
  Pipe error;
  SpawnActions actions;
  posix_spawn_file_actions_addopen(actions.get(), STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(actions.get(), out.writer(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(actions.get(), error.writer(), STDERR_FILENO);
  if (!options.directory.empty()) {
    posix_spawn_file_actions_addchdir_np(actions.get(), options.directory.c_str());
  }

  std::vector<std::string> arguments = argv;
  std::vector<std::string> environment = environment_for(options);
  pid_t child = -1;
  const int failed = posix_spawnp(&child, arguments.front().c_str(), actions.get(), nullptr,
                                  pointers_to(arguments).data(), pointers_to(environment).data());
  if (failed != 0) {
    throw Failure(ExitCode::kUsage,
                  fmt::format("cannot run {}: {}; check that it is installed", argv.front(),
                              std::generic_category().message(failed)));
  }
  out.close_end(1);
  error.close_end(1);

  CommandOutput result;
  drain(out, result.out, error, result.error);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

std::string shell_quoted(const std::string& word) {
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

std::string not_installed(const std::string& program, const std::string& package) {
  return fmt::format("{} is not installed; install package {} (in a source tree, `make deps` does)",
                     program, package);
}

}  // namespace faultline
