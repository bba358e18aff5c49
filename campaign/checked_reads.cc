// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/checked_reads.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "cell/failure.h"
#include "vm/command.h"
#include "vm/process.h"

namespace faultline {

namespace fs = std::filesystem;

namespace {

constexpr int kCannotTrace = 126;
constexpr int kCannotStart = 127;

// In the child, which has its parent's memory until it is another program: only what is allowed
// there.
[[noreturn]] void become(const char* program, char* const* argv, char* const* envp, int output) {
  ::setpgid(0, 0);
  const int nothing = ::open("/dev/null", O_RDONLY);
  ::dup2(nothing, STDIN_FILENO);
  ::dup2(output, STDOUT_FILENO);
  ::dup2(output, STDERR_FILENO);
  if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(kCannotTrace);
  ::execve(program, argv, envp);
  ::_exit(kCannotStart);
}

// What a stopped thread has just been told by the kernel, if that was a read of the image.
class ReadWatch {
 public:
  ReadWatch(const fs::path& image, CheckedReads& seen) : image_(image), seen_(seen) {}

  void on_syscall(pid_t thread) {
    user_regs_struct regs{};
    if (::ptrace(PTRACE_GETREGS, thread, nullptr, &regs) != 0) return;
    // On its way in a call's result is -ENOSYS.
    if (static_cast<std::int64_t>(regs.rax) <= 0) return;
    switch (regs.orig_rax) {
      case SYS_pread64:
      case SYS_preadv:
      case SYS_preadv2:
        if (of_image(thread, regs.rdi)) seen_.reads.emplace_back(regs.r10, regs.rax);
        return;
      case SYS_read:
      case SYS_readv:
      case SYS_io_submit:
        if (of_image(thread, regs.rdi)) seen_.all = true;
        return;
      case SYS_mmap:
        if ((regs.r10 & MAP_ANONYMOUS) == 0 && of_image(thread, regs.r8)) seen_.all = true;
        return;
      default:
        return;
    }
  }

 private:
  [[nodiscard]] bool of_image(pid_t thread, std::uint64_t descriptor) const {
    std::error_code error;
    const fs::path link = fs::read_symlink(
        fmt::format("/proc/{}/fd/{}", thread, static_cast<int>(descriptor)), error);
    return error || link == image_;
  }

  fs::path image_;
  CheckedReads& seen_;
};

// Follows a group of processes until it is gone, and returns the status of `first`.
int follow(pid_t first, const fs::path& image, CheckedReads& seen) {
  ReadWatch watch(image, seen);
  int end = 0;
  bool begun = false;
  for (;;) {
    int status = 0;
    const pid_t thread = ::waitpid(-first, &status, __WALL);
    if (thread < 0 && errno == EINTR) continue;
    if (thread < 0) return end;
    if (WIFEXITED(status) || WIFSIGNALED(status)) {
      if (thread == first) end = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      continue;
    }
    int deliver = 0;
    const int signal = WSTOPSIG(status);
    if (!begun) {
      begun = true;
      ::ptrace(PTRACE_SETOPTIONS, thread, nullptr,
               PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL | PTRACE_O_TRACECLONE |
                   PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC);
    } else if (signal == (SIGTRAP | 0x80)) {
      watch.on_syscall(thread);
    } else if (signal != SIGTRAP && signal != SIGSTOP) {
      deliver = signal;
    }
    ::ptrace(PTRACE_SYSCALL, thread, nullptr, deliver);
  }
}

}  // namespace

CheckedReads check_seeing_reads(const std::vector<std::string>& command, const fs::path& image) {
  const fs::path program = find_program(command.front());
  if (program.empty()) {
    throw Failure(ExitCode::kUsage, fmt::format("{} is not installed", command.front()));
  }
  const fs::path real = fs::canonical(image);
  std::vector<std::string> words = command;
  std::vector<std::string> environment = environment_for({});
  const std::vector<char*> argv = pointers_to(words);
  const std::vector<char*> envp = pointers_to(environment);
  CheckedReads seen;
  const Fd output = memory_file("");
  // This is how posix_spawn(3) does it, which cannot trace. A fork() of a process that holds
  // thousands of images takes longer than the check.
  const pid_t child = ::vfork();  // NOLINT(clang-analyzer-security.insecureAPI.vfork)
  if (child < 0) {
    throw Failure(ExitCode::kVmFailed, fmt::format("cannot start {}: {}", command.front(),
                                                   std::generic_category().message(errno)));
  }
  if (child == 0) become(program.c_str(), argv.data(), envp.data(), output.get());
  ::setpgid(child, child);  // whoever comes first
  seen.status = follow(child, real, seen);
  if (seen.status == kCannotTrace) {
    const CommandOutput plain = run_command(command);
    return {.status = plain.status, .output = plain.out + plain.error, .reads = {}, .all = true};
  }
  seen.output = content_of(output);
  return seen;
}

}  // namespace faultline
