// SPDX-License-Identifier: GPL-2.0-only
#include "vm/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/close_range.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <string_view>
#include <system_error>
#include <thread>

namespace faultline {
namespace {

using std::chrono::steady_clock;

std::string reason(int error) { return std::generic_category().message(error); }

[[noreturn]] void no_more(const char* what, int error) {
  throw Failure(ExitCode::kVmFailed,
                fmt::format("cannot make a {}: {}; is the host out of descriptors or memory?", what,
                            reason(error)));
}

// The child between fork and exec, where only async-signal-safe functions may be called.
struct Child {
  const char* program;
  char* const* argv;
  const int* inherited;
  int inherited_count;
  int output;
  int report;  // an errno goes here when exec fails
  pid_t parent;

  static constexpr int kFirst = 3;

  [[noreturn]] void fail(int to) const {
    const int error = errno;
    [[maybe_unused]] const ssize_t written = ::write(to, &error, sizeof error);
    ::_exit(127);
  }

  // Moves `fd` above the numbers that the child's descriptors are about to get.
  [[nodiscard]] int lift(int fd) const {
    return ::fcntl(fd, F_DUPFD_CLOEXEC, kFirst + inherited_count + 1);
  }

  [[noreturn]] void run() const {
    ::setpgid(0, 0);
    // The parent may have died before prctl() asked for a signal at its death.
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || ::getppid() != parent) ::_exit(127);

    const int lifted_report = lift(report);
    const int lifted_output = lift(output);
    // NOLINTBEGIN(cppcoreguidelines-pro-bounds-pointer-arithmetic)
    std::array<int, 16> lifted{};
    for (int i = 0; i < inherited_count; ++i) {
      lifted.at(static_cast<std::size_t>(i)) = lift(inherited[i]);
    }
    // NOLINTEND(cppcoreguidelines-pro-bounds-pointer-arithmetic)
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    if (::dup2(null, STDIN_FILENO) < 0 || ::dup2(lifted_output, STDOUT_FILENO) < 0 ||
        ::dup2(lifted_output, STDERR_FILENO) < 0) {
      fail(lifted_report);
    }
    for (int i = 0; i < inherited_count; ++i) {
      if (::dup2(lifted.at(static_cast<std::size_t>(i)), kFirst + i) < 0) fail(lifted_report);
    }
    ::close_range(static_cast<unsigned>(kFirst + inherited_count), ~0U, CLOSE_RANGE_CLOEXEC);

    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGCHLD}) {
      ::signal(signal, SIG_DFL);  // NOLINT(bugprone-signal-handler)
    }
    ::execvp(program, argv);
    fail(lifted_report);
  }
};

}  // namespace

void Fd::reset() {
  if (const int fd = std::exchange(fd_, -1); fd >= 0) ::close(fd);
}

std::pair<Fd, Fd> socket_pair() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    no_more("socket", errno);
  }
  return {Fd(ends[0]), Fd(ends[1])};
}

std::string path_of(const Fd& file) {
  return fmt::format("/proc/{}/fd/{}", ::getpid(), file.get());
}

std::string path_through(const Fd& folder, const std::string& name) {
  return path_of(folder) + "/" + name;
}

Fd memory_file(const std::string& content) {
  Fd file(::memfd_create("faultline", MFD_CLOEXEC));
  if (!file) no_more("file in memory", errno);
  std::string_view left = content;
  while (!left.empty()) {
    const ssize_t n = ::write(file.get(), left.data(), left.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) no_more("file in memory", errno);
    left.remove_prefix(static_cast<std::size_t>(n));
  }
  return file;
}

std::string content_of(const Fd& file, std::uint64_t most) {
  std::string text;
  struct stat info {};
  const bool sized = ::fstat(file.get(), &info) == 0;
  const auto size = sized ? static_cast<std::uint64_t>(info.st_size) : 0;
  const std::uint64_t begin = size > most ? size - most : 0;
  std::array<char, 1 << 14> buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  for (;;) {
    const ssize_t n =
        ::pread(file.get(), buffer.data(), buffer.size(), static_cast<off_t>(begin + text.size()));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(n));
  }
}

Process::Process(const std::vector<std::string>& argv, const std::vector<int>& inherited) {
  std::array<int, 2> output{};
  std::array<int, 2> report{};
  if (::pipe2(output.data(), O_CLOEXEC) != 0) no_more("pipe", errno);
  output_ = Fd(output[0]);
  Fd output_writer(output[1]);
  ::fcntl(output_.get(), F_SETFL, O_NONBLOCK);
  if (::pipe2(report.data(), O_CLOEXEC) != 0) no_more("pipe", errno);
  const Fd report_reader(report[0]);
  Fd report_writer(report[1]);

  std::vector<std::string> arguments = argv;
  std::vector<char*> pointers;
  pointers.reserve(arguments.size() + 1);
  for (std::string& text : arguments) pointers.push_back(text.data());
  pointers.push_back(nullptr);

  const Child child{
      pointers.front(),    pointers.data(),
      inherited.data(),    static_cast<int>(std::min<std::size_t>(inherited.size(), 16)),
      output_writer.get(), report_writer.get(),
      ::getpid()};
  pid_ = ::fork();
  if (pid_ == 0) child.run();
  if (pid_ < 0) {
    const int error = errno;
    throw SpawnFailure(fmt::format("cannot start {}: {}", argv.front(), reason(error)), error);
  }
  ::setpgid(pid_, pid_);  // also here, so that the group exists before anybody signals it
  output_writer.reset();
  report_writer.reset();

  int error = 0;
  ssize_t n = 0;
  do {
    n = ::read(report_reader.get(), &error, sizeof error);
  } while (n < 0 && errno == EINTR);
  if (n == static_cast<ssize_t>(sizeof error)) {
    stop(std::chrono::milliseconds(0));
    throw SpawnFailure(fmt::format("cannot run {}: {}; install it, or say where it is",
                                   argv.front(), reason(error)),
                       error);
  }
}

Process::~Process() {
  if (pid_ > 0 && !status_) stop(std::chrono::milliseconds(0));
}

std::optional<ExitStatus> Process::exit_status() {
  if (status_) return status_;
  int status = 0;
  const pid_t gone = ::waitpid(pid_, &status, WNOHANG);
  if (gone == pid_) {
    status_ =
        WIFSIGNALED(status) ? ExitStatus{0, WTERMSIG(status)} : ExitStatus{WEXITSTATUS(status), 0};
  } else if (gone < 0 && errno == ECHILD) {
    status_ = ExitStatus{};  // somebody else has waited for it, and how it ended is lost
  }
  return status_;
}

std::optional<ExitStatus> Process::wait_exit(std::chrono::milliseconds limit) {
  const auto end = steady_clock::now() + limit;
  auto nap = std::chrono::microseconds(200);
  while (!exit_status() && steady_clock::now() < end) {
    std::this_thread::sleep_for(nap);
    nap = std::min(nap * 2, std::chrono::microseconds(20'000));
  }
  return status_;
}

ExitStatus Process::stop(std::chrono::milliseconds grace) {
  if (exit_status()) return *status_;
  if (grace.count() > 0) {
    ::kill(-pid_, SIGTERM);
    if (const auto status = wait_exit(grace)) return *status;
  }
  ::kill(-pid_, SIGKILL);
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  status_ =
      WIFSIGNALED(status) ? ExitStatus{0, WTERMSIG(status)} : ExitStatus{WEXITSTATUS(status), 0};
  return *status_;
}

}  // namespace faultline
