// SPDX-License-Identifier: GPL-2.0-only
#include "harness/guest_session.h"

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

#include "cell/failure.h"
#include "harness/clock.h"
#include "harness/init.h"
#include "harness/wire.h"

namespace faultline {
namespace {

constexpr char kRoot[] = "/tools";
// How long to wait for more of what a command that has ended wrote: all of it is there already.
constexpr int kDrainMs = 200;
// What is left of the session has so long after SIGHUP and SIGTERM before SIGKILL comes.
constexpr int kGraceUs = 100'000;

// What the host asks for: the text of wire::kCellFile.
struct SessionRequest {
  std::vector<std::string> command;  // empty: a shell
  bool tty = false;                  // the command has a terminal, not three pipes
  winsize window{};
  std::string term;  // $TERM
  bool virtual_time = true;
  std::vector<std::string> fs;  // file systems to make and mount, by id
  bool in = false;              // a disk with the user's files is there, to be read at /in
  bool out = false;             // what lies in /out at the end goes onto a disk
};

SessionRequest request_of(const nlohmann::json& json) {
  SessionRequest request;
  request.command = json.at("command").get<std::vector<std::string>>();
  request.tty = json.at("tty").get<bool>();
  request.window.ws_row = json.at("rows").get<uint16_t>();
  request.window.ws_col = json.at("columns").get<uint16_t>();
  request.term = json.at("term").get<std::string>();
  request.virtual_time = json.at("virtual").get<bool>();
  request.fs = json.at("fs").get<std::vector<std::string>>();
  request.in = json.at("in").get<bool>();
  request.out = json.at("out").get<bool>();
  return request;
}

// Where a path of the session is before the session's root is entered.
std::string in_root(const std::string& path) { return kRoot + path; }

// Mounts at `where`, made if it is not there. Throws Failure(kVmFailed).
void mount_at(const char* source, const std::string& where, const char* type, unsigned long flags,
              const char* options = nullptr) {
  mkdir(where.c_str(), 0755);
  if (mount(source, where.c_str(), type, flags, options) != 0) {
    throw Failure(ExitCode::kVmFailed, fmt::format("mount {} ({}) on {}: {}", source, type, where,
                                                   std::strerror(errno)));
  }
}

// The host's disks are vda, vdb, ... in the order in which QEMU got them; each appears when its
// driver has asked the device.
std::string wait_for_disk(char letter) {
  std::string device = std::string("/dev/vd") + letter;
  wait_for_device(device);
  return device;
}

// In the session's root the guest's image lies at wire::kSessionImage and not at /, so the links to
// its libraries must not begin with a slash.
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

// The root of the session: the disk with the tools, with folders to write to in memory.
// `out_device` becomes the disk that /out goes to.
void make_root(const SessionRequest& request, std::string& out_device) {
  char disk = 'a';
  mount_at(wait_for_disk(disk++).c_str(), kRoot, "squashfs", MS_RDONLY);
  if (request.in) mount_at(wait_for_disk(disk++).c_str(), in_root("/in"), "squashfs", MS_RDONLY);
  if (request.out) out_device = wait_for_disk(disk++);
  for (const char* folder : {"/mnt", "/out", "/root", "/run", "/tmp"}) {
    mount_at("tmpfs", in_root(folder), "tmpfs", 0);
  }
  mkdir("/dev/pts", 0755);
  mount("devpts", "/dev/pts", "devpts", 0, "ptmxmode=0666,mode=0620");
  mount("bpf", "/sys/fs/bpf", "bpf", 0, nullptr);
  for (const char* folder : {"/dev", "/proc", "/sys"}) {
    mount_at(folder, in_root(folder), nullptr, MS_BIND | MS_REC);
  }
  make_links_relative();
  mount_at("/", in_root(wire::kSessionImage), nullptr, MS_BIND);
}

// The user's command: its process, and our ends of its streams. With a terminal `in` and `out` are
// the one descriptor and `err` is none.
struct Command {
  pid_t pid = -1;
  int in = -1;
  int out = -1;
  int err = -1;
};

// In the child: enters the session's root and becomes the command. Exit codes as the shell's: 126
// for what cannot be run, 127 for what is not there.
[[noreturn]] void exec_command(const SessionRequest& request) {
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
  setenv("TERM", request.term.c_str(), 1);
  setenv("FAULTLINE_TIME", request.virtual_time ? "virtual" : "wall", 1);
  std::vector<std::string> words = request.command;
  if (words.empty() && request.tty) {
    words = {"bash", "--noprofile", "--rcfile", image + "/session/rc", "-i"};
  } else if (words.empty()) {
    words = {"bash"};
  }
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  execvp(argv.front(), argv.data());
  const int error = errno;
  dprintf(STDERR_FILENO, "faultline: cannot run %s: %s\n", argv.front(), std::strerror(error));
  _exit(error == ENOENT ? 127 : 126);
}

Command start_command(const SessionRequest& request) {
  Command command;
  if (request.tty) {
    command.pid = forkpty(&command.in, nullptr, nullptr, &request.window);
    if (command.pid == 0) exec_command(request);
    command.out = command.in;
  } else {
    int in[2];
    int out[2];
    int err[2];
    if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) {
      throw Failure(ExitCode::kVmFailed, fmt::format("pipe: {}", std::strerror(errno)));
    }
    command.pid = fork();
    if (command.pid == 0) {
      setsid();
      dup2(in[0], STDIN_FILENO);
      dup2(out[1], STDOUT_FILENO);
      dup2(err[1], STDERR_FILENO);
      exec_command(request);
    }
    close(in[0]);
    close(out[1]);
    close(err[1]);
    command.in = in[1];
    command.out = out[0];
    command.err = err[0];
    fcntl(command.err, F_SETFL, O_NONBLOCK);
  }
  if (command.pid < 0) {
    throw Failure(ExitCode::kVmFailed, fmt::format("fork: {}", std::strerror(errno)));
  }
  fcntl(command.in, F_SETFL, O_NONBLOCK);
  fcntl(command.out, F_SETFL, O_NONBLOCK);
  return command;
}

// The serial port by which the user's input comes, as it is typed.
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

// Carries bytes between the host and the command. What the command writes goes out in frames; what
// comes in are messages (harness/wire.h), each answered once it is dealt with.
class Relay {
 public:
  Relay(const SessionRequest& request, int port, int signals)
      : tty_(request.tty), port_(port), signals_(signals), command_(start_command(request)) {}

  // Carries bytes until the command has ended and all that it wrote has gone out; its exit code.
  int run() {
    bool alive = true;
    while (alive) {
      std::array<pollfd, 5> fds = {{{port_, POLLIN, 0},
                                    {signals_, POLLIN, 0},
                                    {command_.out, POLLIN, 0},
                                    {command_.err, POLLIN, 0},
                                    {pending_.empty() ? -1 : command_.in, POLLOUT, 0}}};
      if (poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR) break;
      carry(command_.out, wire::kOut);
      carry(command_.err, wire::kErr);
      take_input();
      alive = take_signals();
    }
    while (readable()) {
      carry(command_.out, wire::kOut);
      carry(command_.err, wire::kErr);
    }
    return code_;
  }

 private:
  // Tells whether the command's streams have more, or will have within kDrainMs.
  bool readable() {
    std::array<pollfd, 2> fds = {{{command_.out, POLLIN, 0}, {command_.err, POLLIN, 0}}};
    return (command_.out >= 0 || command_.err >= 0) && poll(fds.data(), fds.size(), kDrainMs) > 0;
  }

  // Sends what there is to read from `fd`, and forgets a stream that has ended.
  static void carry(int& fd, std::string_view type) {
    std::array<char, 1 << 14> buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init)
    const ssize_t n = fd < 0 ? -1 : read(fd, buffer.data(), buffer.size());
    if (n > 0) {
      send_bytes(type, {buffer.data(), static_cast<size_t>(n)});
    } else if (fd >= 0 && (n == 0 || (errno != EAGAIN && errno != EINTR))) {
      fd = -1;  // nobody holds its other end; read() says 0, of a terminal EIO
    }
  }

  void take_input() {
    std::array<char, wire::kMaxInput> buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init)
    const ssize_t n = read(port_, buffer.data(), buffer.size());
    if (n > 0) messages_.feed({buffer.data(), static_cast<size_t>(n)});
    InputMessages::Message message;
    while (messages_.next(message)) obey(message);
    if (pending_.empty()) return;
    const ssize_t written = write(command_.in, pending_.data(), pending_.size());
    if (written > 0) {
      pending_.erase(0, static_cast<size_t>(written));
    } else if (errno != EAGAIN && errno != EINTR) {
      pending_.clear();  // the command reads no more
    }
    if (pending_.empty()) answer();
  }

  static void answer() { send_frame(wire::kTook, nlohmann::json::object()); }

  void obey(const InputMessages::Message& message) {
    switch (message.type) {
      case wire::kInput:
        pending_ += message.bytes;
        return;  // answered once all of it has been written
      case wire::kInputEnd:
        if (!tty_ && command_.in >= 0) close(std::exchange(command_.in, -1));
        break;
      case wire::kWindow:  // rows, then columns, each of two bytes, the higher first
        if (message.bytes.size() == 4 && tty_) {
          const auto at = [&](size_t i) { return static_cast<unsigned char>(message.bytes[i]); };
          winsize window{};
          window.ws_row = static_cast<uint16_t>(at(0) << 8 | at(1));
          window.ws_col = static_cast<uint16_t>(at(2) << 8 | at(3));
          ioctl(command_.in, TIOCSWINSZ, &window);
        }
        break;
      case wire::kInterrupt:
        kill(-command_.pid, SIGINT);
        break;
      default:
        break;
    }
    answer();
  }

  // Returns false once the command has ended, or the session's poweroff has sent SIGUSR1.
  bool take_signals() {
    bool alive = true;
    signalfd_siginfo info{};
    while (read(signals_, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
      if (info.ssi_signo == SIGUSR1) alive = false;
    }
    int status = 0;
    for (pid_t pid = 0; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
      if (pid != command_.pid) continue;
      code_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
      alive = false;
    }
    return alive;
  }

  const bool tty_;
  const int port_;
  const int signals_;
  Command command_;
  InputMessages messages_;
  std::string pending_;  // input that the command has not taken yet
  int code_ = 0;
};

// Runs a program of the session's root and waits for it; its exit code, 128 if it died.
int run_tool(const std::vector<std::string>& words) {
  const pid_t pid = fork();
  if (pid == 0) {
    SessionRequest request;
    request.command = words;
    request.term = "dumb";
    exec_command(request);
  }
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

// Ends every process but this one.
void end_all_processes() {
  kill(-1, SIGHUP);
  kill(-1, SIGTERM);
  kill(-1, SIGCONT);
  usleep(kGraceUs);
  kill(-1, SIGKILL);
}

// Sets the session up, runs the command, and tells how it ended.
void serve_session() {
  const SessionRequest request = request_of(take_request());
  std::string out_device;
  make_root(request, out_device);
  for (size_t i = 0; i < request.fs.size(); ++i) {
    const std::string device = fmt::format("/dev/pmem{}", i);
    const std::string where = in_root("/mnt/" + request.fs[i]);
    wait_for_device(device);
    const FileSystem* fs = find_file_system(request.fs[i]);
    if (fs == nullptr) {
      throw Failure(ExitCode::kUsage, fmt::format("no such file system: '{}'", request.fs[i]));
    }
    make_and_mount(*fs, device, where);
    commit_once(where);
  }
  sigset_t caught;
  sigemptyset(&caught);
  for (const int signal : {SIGCHLD, SIGUSR1}) sigaddset(&caught, signal);
  sigprocmask(SIG_BLOCK, &caught, nullptr);
  const int signals = signalfd(-1, &caught, SFD_NONBLOCK | SFD_CLOEXEC);
  if (signals < 0) {
    throw Failure(ExitCode::kVmFailed, fmt::format("signalfd: {}: the end of a command would not "
                                                   "be seen; the kernel needs CONFIG_SIGNALFD",
                                                   std::strerror(errno)));
  }
  std::signal(SIGPIPE, SIG_IGN);
  const int port = open_port();
  send_frame(wire::kReady, {{"ticks", read_ticks()}});
  const int code = Relay(request, port, signals).run();
  end_all_processes();
  if (request.out && run_tool({"tar", "-C", "/out", "-cf", out_device, "."}) != 0) {
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
    send_frame(wire::kHello, hello_payload(ticks));
    // The modules of all file systems are loaded, for the scripts name functions of each.
    std::vector<const FileSystem*> all;
    for (const FileSystem& fs : file_systems()) all.push_back(&fs);
    load_modules(all);
    serve_session();
  } catch (const Failure& failure) {
    send_failure("session", failure);
  } catch (const std::exception& e) {
    send_failure("session", Failure(ExitCode::kVmFailed, e.what()));
  }
  send_frame(wire::kDone, nlohmann::json::object());
  power_off();
}

}  // namespace faultline
