// SPDX-License-Identifier: GPL-2.0-only
#include "harness/session.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "harness/clock.h"
#include "harness/failure.h"
#include "harness/guest.h"
#include "harness/wire.h"

namespace faultline {
namespace {

constexpr char kRoot[] = "/tools";
constexpr int kDrainMs = 200;        // what a dead command has written comes at once
constexpr int kGoodbyeUs = 100'000;  // for whoever wants to end well

struct Parameters {
  std::vector<std::string> command;  // empty: a shell
  bool tty = false;
  winsize window{};
  std::string term;
  bool virtual_time = true;
  std::vector<std::string> fs;
  bool in = false;
  bool out = false;
};

Parameters parameters_of(const nlohmann::json& json) {
  Parameters p;
  p.command = json.at("command").get<std::vector<std::string>>();
  p.tty = json.at("tty").get<bool>();
  p.window.ws_row = json.at("rows").get<uint16_t>();
  p.window.ws_col = json.at("columns").get<uint16_t>();
  p.term = json.at("term").get<std::string>();
  p.virtual_time = json.at("virtual").get<bool>();
  p.fs = json.at("fs").get<std::vector<std::string>>();
  p.in = json.at("in").get<bool>();
  p.out = json.at("out").get<bool>();
  return p;
}

std::string Place(const std::string& path) { return kRoot + path; }

void attach(const char* source, const std::string& where, const char* type, unsigned long flags,
            const char* options = nullptr) {
  mkdir(where.c_str(), 0755);
  if (mount(source, where.c_str(), type, flags, options) != 0) {
    throw Failure(ExitCode::kVmFailed, fmt::format("mount {} ({}) on {}: {}", source, type, where,
                                                   std::strerror(errno)));
  }
}

// A disk of the host's appears when its driver has asked the device.
std::string wait_for_disk(char letter) {
  std::string device = std::string("/dev/vd") + letter;
  wait_for_device(device);
  return device;
}

// In the session's root the image is not at /, so its links to libraries must not begin there.
void make_links_relative() {
  namespace fs = std::filesystem;
  for (const char* folder : {"/lib", "/lib64", "/lib/x86_64-linux-gnu"}) {
    std::error_code error;
    std::vector<fs::path> links;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
      if (entry.is_symlink(error)) links.push_back(entry.path());
    }
    for (const fs::path& link : links) {
      const fs::path target = fs::read_symlink(link, error);
      if (!target.is_absolute()) continue;
      fs::remove(link, error);
      fs::create_symlink(target.lexically_relative(link.parent_path()), link, error);
    }
  }
}

// The root of the session: the tools' disk, with folders to write to in memory.
void make_root(const Parameters& p, std::string& out_device) {
  char disk = 'a';
  attach(wait_for_disk(disk++).c_str(), kRoot, "squashfs", MS_RDONLY);
  if (p.in) attach(wait_for_disk(disk++).c_str(), Place("/in"), "squashfs", MS_RDONLY);
  if (p.out) out_device = wait_for_disk(disk++);
  for (const char* folder : {"/mnt", "/out", "/root", "/run", "/tmp"}) {
    attach("tmpfs", Place(folder), "tmpfs", 0);
  }
  mkdir("/dev/pts", 0755);
  mount("devpts", "/dev/pts", "devpts", 0, "ptmxmode=0666,mode=0620");
  mount("bpf", "/sys/fs/bpf", "bpf", 0, nullptr);
  for (const char* folder : {"/dev", "/proc", "/sys"}) {
    attach(folder, Place(folder), nullptr, MS_BIND | MS_REC);
  }
  make_links_relative();
  attach("/", Place(wire::kSessionImage), nullptr, MS_BIND);
}

struct Child {
  pid_t pid = -1;
  int in = -1;
  int out = -1;
  int err = -1;
};

// After fork.
[[noreturn]] void become(const Parameters& p) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  const rlimit all{RLIM_INFINITY, RLIM_INFINITY};
  setrlimit(RLIMIT_MEMLOCK, &all);
  if (chroot(kRoot) != 0 || chdir("/root") != 0) _exit(126);
  const std::string image = wire::kSessionImage;
  setenv("PATH",
         (image + "/bin:" + image + "/bt:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin").c_str(), 1);
  setenv("HOME", "/root", 1);
  setenv("USER", "root", 1);
  setenv("SHELL", "/bin/bash", 1);
  setenv("LANG", "C.UTF-8", 1);
  setenv("TERM", p.term.c_str(), 1);
  setenv("FAULTLINE_TIME", p.virtual_time ? "virtual" : "wall", 1);
  std::vector<std::string> words = p.command;
  if (words.empty() && p.tty) {
    words = {"bash", "--noprofile", "--rcfile", image + "/session/rc", "-i"};
  } else if (words.empty()) {
    words = {"bash"};
  }
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  execvp(argv.front(), argv.data());
  const int error = errno;
  dprintf(STDERR_FILENO, "faultline: cannot run %s: %s\n", argv.front(), std::strerror(error));
  _exit(error == ENOENT ? 127 : 126);
}

Child start(const Parameters& p) {
  Child child;
  if (p.tty) {
    child.pid = forkpty(&child.in, nullptr, nullptr, &p.window);
    if (child.pid == 0) become(p);
    child.out = child.in;
  } else {
    int in[2];
    int out[2];
    int err[2];
    if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) {
      throw Failure(ExitCode::kVmFailed, fmt::format("pipe: {}", std::strerror(errno)));
    }
    child.pid = fork();
    if (child.pid == 0) {
      setsid();
      dup2(in[0], STDIN_FILENO);
      dup2(out[1], STDOUT_FILENO);
      dup2(err[1], STDERR_FILENO);
      become(p);
    }
    close(in[0]);
    close(out[1]);
    close(err[1]);
    child.in = in[1];
    child.out = out[0];
    child.err = err[0];
    fcntl(child.err, F_SETFL, O_NONBLOCK);
  }
  if (child.pid < 0) {
    throw Failure(ExitCode::kVmFailed, fmt::format("fork: {}", std::strerror(errno)));
  }
  fcntl(child.in, F_SETFL, O_NONBLOCK);
  fcntl(child.out, F_SETFL, O_NONBLOCK);
  return child;
}

int open_port() {
  const int port = open(wire::kSessionPort, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  termios modes{};
  if (port < 0 || tcgetattr(port, &modes) != 0) {
    throw Failure(ExitCode::kVmFailed,
                  fmt::format("{}: {}", wire::kSessionPort, std::strerror(errno)));
  }
  cfmakeraw(&modes);
  cfsetspeed(&modes, B115200);
  modes.c_cflag |= CLOCAL | CREAD;
  tcsetattr(port, TCSANOW, &modes);
  return port;
}

class Relay {
 public:
  Relay(const Parameters& p, int port, int signals)
      : tty_(p.tty), port_(port), signals_(signals), child_(start(p)) {}

  // Carries bytes until the command has ended and all that it wrote has gone out; its exit code.
  int run() {
    bool alive = true;
    while (alive) {
      std::array<pollfd, 5> fds = {{{port_, POLLIN, 0},
                                    {signals_, POLLIN, 0},
                                    {child_.out, POLLIN, 0},
                                    {child_.err, POLLIN, 0},
                                    {pending_.empty() ? -1 : child_.in, POLLOUT, 0}}};
      if (poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR) break;
      carry(child_.out, wire::kOut);
      carry(child_.err, wire::kErr);
      take_input();
      alive = take_signals();
    }
    while (readable()) {
      carry(child_.out, wire::kOut);
      carry(child_.err, wire::kErr);
    }
    return code_;
  }

 private:
  bool readable() {
    std::array<pollfd, 2> fds = {{{child_.out, POLLIN, 0}, {child_.err, POLLIN, 0}}};
    return (child_.out >= 0 || child_.err >= 0) && poll(fds.data(), fds.size(), kDrainMs) > 0;
  }

  static void carry(int& fd, std::string_view type) {
    std::array<char, 1 << 14> buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init)
    const ssize_t n = fd < 0 ? -1 : read(fd, buffer.data(), buffer.size());
    if (n > 0) {
      send_bytes(type, {buffer.data(), static_cast<size_t>(n)});
    } else if (fd >= 0 && (n == 0 || (errno != EAGAIN && errno != EINTR))) {
      fd = -1;  // nobody has its other end: EIO of a terminal
    }
  }

  void take_input() {
    std::array<char, wire::kMaxInput> buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init)
    const ssize_t n = read(port_, buffer.data(), buffer.size());
    if (n > 0) messages_.feed({buffer.data(), static_cast<size_t>(n)});
    InputMessages::Message message;
    while (messages_.next(message)) obey(message);
    if (pending_.empty()) return;
    const ssize_t written = write(child_.in, pending_.data(), pending_.size());
    if (written > 0) {
      pending_.erase(0, static_cast<size_t>(written));
    } else if (errno != EAGAIN && errno != EINTR) {
      pending_.clear();  // nobody will read it
    }
    if (pending_.empty()) took();
  }

  static void took() { send_frame(wire::kTook, nlohmann::json::object()); }

  void obey(const InputMessages::Message& message) {
    switch (message.type) {
      case wire::kInput:
        pending_ += message.bytes;
        return;  // answered when it has been written
      case wire::kInputEnd:
        if (!tty_ && child_.in >= 0) close(std::exchange(child_.in, -1));
        break;
      case wire::kWindow:
        if (message.bytes.size() == 4 && tty_) {
          const auto at = [&](size_t i) { return static_cast<unsigned char>(message.bytes[i]); };
          winsize window{};
          window.ws_row = static_cast<uint16_t>(at(0) << 8 | at(1));
          window.ws_col = static_cast<uint16_t>(at(2) << 8 | at(3));
          ioctl(child_.in, TIOCSWINSZ, &window);
        }
        break;
      case wire::kInterrupt:
        kill(-child_.pid, SIGINT);
        break;
      default:
        break;
    }
    took();
  }

  // False once the command has ended, or somebody in the guest powers it off.
  bool take_signals() {
    bool alive = true;
    signalfd_siginfo info{};
    while (read(signals_, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
      if (info.ssi_signo == SIGUSR1) alive = false;
    }
    int status = 0;
    for (pid_t pid = 0; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
      if (pid != child_.pid) continue;
      code_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
      alive = false;
    }
    return alive;
  }

  const bool tty_;
  const int port_;
  const int signals_;
  Child child_;
  InputMessages messages_;
  std::string pending_;
  int code_ = 0;
};

int run_tool(const std::vector<std::string>& words) {
  const pid_t pid = fork();
  if (pid == 0) {
    Parameters p;
    p.command = words;
    p.term = "dumb";
    become(p);
  }
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

void end_all() {
  kill(-1, SIGHUP);
  kill(-1, SIGTERM);
  kill(-1, SIGCONT);
  usleep(kGoodbyeUs);
  kill(-1, SIGKILL);
}

void serve() {
  const Parameters p = parameters_of(take_cell_text());
  std::string out_device;
  make_root(p, out_device);
  for (size_t i = 0; i < p.fs.size(); ++i) {
    const std::string device = fmt::format("/dev/pmem{}", i);
    const std::string where = Place("/mnt/" + p.fs[i]);
    wait_for_device(device);
    const FileSystem* fs = find_file_system(p.fs[i]);
    if (fs == nullptr) {
      throw Failure(ExitCode::kUsage, fmt::format("no such file system: '{}'", p.fs[i]));
    }
    make_and_mount(*fs, device, where);
    commit_once(where);
  }
  sigset_t caught;
  sigemptyset(&caught);
  for (const int signal : {SIGCHLD, SIGUSR1}) sigaddset(&caught, signal);
  sigprocmask(SIG_BLOCK, &caught, nullptr);
  const int signals = signalfd(-1, &caught, SFD_NONBLOCK | SFD_CLOEXEC);
  std::signal(SIGPIPE, SIG_IGN);
  const int port = open_port();
  send_frame(wire::kReady, {{"ticks", read_ticks()}});
  const int code = Relay(p, port, signals).run();
  end_all();
  if (p.out && run_tool({"tar", "-C", "/out", "-cf", out_device, "."}) != 0) {
    send_bytes(wire::kErr, "faultline: the guest's tar could not write all of /out\n");
  }
  send_frame(wire::kExit, {{"code", code}});
}

}  // namespace

bool InputMessages::next(Message& message) {
  if (buffer_.size() < wire::kInputHead) return false;
  const size_t length = static_cast<size_t>(static_cast<unsigned char>(buffer_[1])) << 8 |
                        static_cast<unsigned char>(buffer_[2]);
  if (buffer_.size() < wire::kInputHead + length) return false;
  message.type = buffer_[0];
  message.bytes = buffer_.substr(wire::kInputHead, length);
  buffer_.erase(0, wire::kInputHead + length);
  return true;
}

void session_main(uint64_t ticks) {
  try {
    send_frame(wire::kHello, hello(ticks));
    // Of all file systems: the scripts name functions of each.
    std::vector<const FileSystem*> all;
    for (const FileSystem& fs : file_systems()) all.push_back(&fs);
    load_modules(all);
    serve();
  } catch (const Failure& failure) {
    send_failure("session", failure);
  } catch (const std::exception& e) {
    send_failure("session", Failure(ExitCode::kVmFailed, e.what()));
  }
  send_frame(wire::kDone, nlohmann::json::object());
  power_off();
}

}  // namespace faultline
