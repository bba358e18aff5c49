// SPDX-License-Identifier: GPL-2.0-only
// A child process that cannot outlive its parent.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cell/failure.h"

namespace faultline {

// A descriptor that is closed when its owner goes. Thread-compatible.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { reset(); }

  [[nodiscard]] int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  void reset();

 private:
  int fd_ = -1;
};

// Makes a stream and returns both its ends, close-on-exec. Failure(kVmFailed) when the host has
// none left.
std::pair<Fd, Fd> socket_pair();
// A file without a name that holds `content`. Failure(kVmFailed).
Fd memory_file(const std::string& content);
// A path that names the file as long as we have it open, for us and for others who may look at us.
std::string path_of(const Fd& file);
// A name in the folder, by way of our descriptor of it: short, however long the folder's own path
// is. A socket's takes 107 bytes. Good as long as the descriptor is open, for us and those that we
// start.
std::string path_through(const Fd& folder, const std::string& name);
// Reads a file from its start, wherever its offset is; of a larger one the last `most` bytes. After
// a read error it returns what could be read before.
std::string content_of(const Fd& file, std::uint64_t most = UINT64_MAX);

struct ExitStatus {
  int code = 0;    // when signal is 0
  int signal = 0;  // 0: it exited
};

// The program could not be started; `error()` is the errno.
class SpawnFailure : public Failure {
 public:
  SpawnFailure(const std::string& message, int error)
      : Failure(ExitCode::kUsage, message), error_(error) {}
  [[nodiscard]] int error() const { return error_; }

 private:
  int error_;
};

// Runs in a process group of its own (Ctrl-C in the terminal goes to us alone), gets no input, and
// is killed by the kernel when the THREAD that started it ends, however that ends: start it in the
// thread that waits for it. Thread-compatible.
class Process {
 public:
  // `argv[0]` is looked up in PATH; no shell is involved. `inherited` become descriptors 3, 4, ...
  // of the child, which gets no other. SpawnFailure when it cannot be run.
  Process(const std::vector<std::string>& argv, const std::vector<int>& inherited);
  // Kills the group and waits until the child is gone.
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }
  // What it writes to stdout and stderr together can be read here; reading never blocks.
  [[nodiscard]] int output_fd() const { return output_.get(); }

  // How it ended; nullopt while it runs.
  std::optional<ExitStatus> exit_status();
  std::optional<ExitStatus> wait_exit(std::chrono::milliseconds limit);
  // Sends the group SIGTERM, and SIGKILL to what is left of it after `grace`.
  ExitStatus stop(std::chrono::milliseconds grace);

 private:
  pid_t pid_ = -1;
  Fd output_;
  std::optional<ExitStatus> status_;
};

}  // namespace faultline
