// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/session.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <thread>

#include "campaign/terminal.h"
#include "campaign/watch.h"
#include "cell/failure.h"
#include "cell/file_system.h"
#include "cell/json_text.h"
#include "cell/skip.h"
#include "cell/words.h"
#include "harness/wire.h"
#include "vm/files.h"
#include "vm/packages/package.h"
#include "vm/packages/tools_image.h"
#include "vm/process.h"
#include "vm/saved_state.h"

namespace faultline {
namespace fs = std::filesystem;

namespace {

using std::chrono::steady_clock;

// A sparse file on the host: only what is written takes room.
constexpr off_t kOutBytes = off_t{8} << 30;
// A session may wait for its user for ever.
constexpr double kNoLimitS = 1e8;
// Three of these (Ctrl-]) within a second end the guest, whatever it does.
constexpr char kEscape = '\x1d';
constexpr int kEscapes = 3;
constexpr std::chrono::seconds kEscapeSpan{1};
constexpr int kPollMs = 100;

std::atomic<int> interrupts{0};
std::atomic<bool> resized{false};
extern "C" void on_interrupt(int /*signal*/) { ++interrupts; }
extern "C" void on_resize(int /*signal*/) { resized = true; }

// A handler of the session's, and the former one after it.
class Handler {
 public:
  Handler(int signal, void (*handler)(int)) : signal_(signal) {
    struct sigaction action {};
    action.sa_handler = handler;
    sigaction(signal_, &action, &before_);
  }
  ~Handler() { sigaction(signal_, &before_, nullptr); }
  Handler(const Handler&) = delete;
  Handler& operator=(const Handler&) = delete;

 private:
  int signal_;
  struct sigaction before_ {};
};

// Everything, or false: nobody reads it any more, or `cancel` was set while it blocked.
bool write_all(int fd, std::string_view bytes, const std::atomic<bool>& cancel) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(n));
      continue;
    }
    if (n < 0 && errno == EINTR && !cancel) continue;
    if (n < 0 && errno == EAGAIN) {
      pollfd wait{fd, POLLOUT, 0};
      ::poll(&wait, 1, kPollMs);
      if (!cancel) continue;
    }
    return false;
  }
  return true;
}

// Carries what is typed to the guest, in a thread of its own: one message at a time, each answered.
class Input {
 public:
  Input(fs::path socket, bool tty, std::atomic<bool>& cancel)
      : path_(std::move(socket)), tty_(tty), cancel_(cancel) {}
  ~Input() {
    ended_ = true;
    took();
    if (thread_.joinable()) thread_.join();
  }
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;

  void start() {
    if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
  }
  void took() {
    const std::scoped_lock held(mutex_);
    outstanding_ = false;
    answered_.notify_all();
  }

 private:
  bool connect() {
    socket_ = Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path_.c_str(), sizeof address.sun_path - 1);
    return ::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) ==
           0;
  }

  bool send(char type, std::string_view bytes) {
    std::string message = {type, static_cast<char>(bytes.size() >> 8),
                           static_cast<char>(bytes.size() & 0xff)};
    message += bytes;
    {
      const std::scoped_lock held(mutex_);
      outstanding_ = true;
    }
    if (!write_all(socket_.get(), message, ended_)) return false;
    std::unique_lock held(mutex_);
    while (outstanding_ && !ended_) {
      answered_.wait_for(held, std::chrono::milliseconds(kPollMs));
      if (tty_ && outstanding_) {
        // The guest may hang: the way out must work none the less.
        held.unlock();
        take_escapes();
        held.lock();
      }
    }
    return !ended_;
  }

  // Counts escapes in what has been typed; the rest waits its turn.
  void take_escapes() {
    pollfd wait{STDIN_FILENO, POLLIN, 0};
    if (waiting_.size() >= wire::kMaxInput || ::poll(&wait, 1, 0) <= 0) return;
    std::array<char, wire::kMaxInput> buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init)
    const ssize_t n = ::read(STDIN_FILENO, buffer.data(), buffer.size() - waiting_.size());
    if (n <= 0) return;
    waiting_.append(buffer.data(), static_cast<std::size_t>(n));
    note_escapes({buffer.data(), static_cast<std::size_t>(n)});
  }

  void note_escapes(std::string_view bytes) {
    for (const char c : bytes) {
      const auto now = steady_clock::now();
      if (c != kEscape) {
        escapes_ = 0;
      } else if (escapes_ == 0 || now - first_escape_ > kEscapeSpan) {
        escapes_ = 1;
        first_escape_ = now;
      } else if (++escapes_ >= kEscapes) {
        cancel_ = true;
      }
    }
  }

  bool send_window() {
    const WindowSize size = window_of(STDOUT_FILENO);
    const std::array<char, 4> bytes = {
        static_cast<char>(size.rows >> 8), static_cast<char>(size.rows & 0xff),
        static_cast<char>(size.columns >> 8), static_cast<char>(size.columns & 0xff)};
    return send(wire::kWindow, {bytes.data(), bytes.size()});
  }

  void run() {
    // The signals are for the thread that waits for the guest.
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    if (!connect()) return;  // QEMU is gone, and its end says why
    bool open = true;
    int seen = 0;
    while (!ended_) {
      if (resized.exchange(false) && tty_ && !send_window()) return;
      if (interrupts > seen) {
        ++seen;
        if (!send(wire::kInterrupt, {})) return;
      }
      if (waiting_.empty() && open) {
        pollfd wait{STDIN_FILENO, POLLIN, 0};
        if (::poll(&wait, 1, kPollMs) <= 0) continue;
        std::array<char, wire::kMaxInput> buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init)
        const ssize_t n = ::read(STDIN_FILENO, buffer.data(), buffer.size());
        if (n <= 0) {
          open = false;
          if (tty_) cancel_ = true;  // the terminal is gone
          if (!tty_ && !send(wire::kInputEnd, {})) return;
          continue;
        }
        waiting_.assign(buffer.data(), static_cast<std::size_t>(n));
        if (tty_) note_escapes(waiting_);
      }
      if (waiting_.empty()) {
        std::this_thread::sleep_for(std::chrono::milliseconds(kPollMs));
        continue;
      }
      const std::string bytes = std::exchange(waiting_, {});
      if (!send(wire::kInput, bytes)) return;
    }
  }

  const fs::path path_;
  const bool tty_;
  std::atomic<bool>& cancel_;
  std::atomic<bool> ended_ = false;
  std::thread thread_;
  Fd socket_;
  std::mutex mutex_;
  std::condition_variable answered_;
  bool outstanding_ = false;
  std::string waiting_;
  int escapes_ = 0;
  steady_clock::time_point first_escape_;
};

// What every interactive shell of a session begins with.
constexpr const char* kRc = R"(# Read by the session's bash.
PS1='faultline \w \$ '
HISTFILE=
clear() { printf '\033[H\033[2J'; }
alias ll='ls -l'
cat /opt/faultline/session/motd
)";

// Process 1 ends the session, copies /out and powers off.
constexpr const char* kPowerOff = "#!/bin/sh\nkill -USR1 1\nexec sleep 60\n";

std::string message_of_the_day(const FetchedKernel& kernel, const SessionWishes& wishes,
                               const AccelInfo& accel) {
  const std::string& first = wishes.fs.front();
  const std::string unit =
      accel.unit == "instr" ? "1 ns of its clock is 1 instruction" : "its clock is the host's";
  return fmt::format(R"(
faultline shell: kernel {0}, tools of Debian's {3}
{1} with DAX on /mnt; {2}

Three things to try:
  fault.bt -c 'faultline-cell --fs {4} --state written'
  sync_wait.bt & sleep 5; faultline-cell --fs {4}; kill -INT %1; wait
  perf record -e cpu-clock -o /tmp/p faultline-cell --fs {4} --touches 2000 \
    && perf report -i /tmp/p --stdio --sort sym 2>/dev/null | head -30

faultline-cell --help; ls /opt/faultline/bt; /in and /out go with --in, --out.
Ctrl-D or poweroff ends this; Ctrl-] three times ends a guest that hangs.

)",
                     kernel.release, fmt::join(wishes.fs, ", "), unit, tools_suite(kernel), first);
}

ImageExtras session_files(const CommandContext& context, const FetchedKernel& kernel,
                          const SessionWishes& wishes, const AccelInfo& accel) {
  ImageExtras extras{.modules = disk_modules()};
  const auto add = [&](const std::string& path, const std::string& content, unsigned mode) {
    extras.files.push_back({path, {}, content, mode});
  };
  extras.files.push_back({"/bin/faultline-cell",
                          context.parts.guest_binary.parent_path() / "faultline-cell",
                          {},
                          0755});
  for (const char* name : {"poweroff", "halt", "reboot"}) {
    add(std::string("/bin/") + name, kPowerOff, 0755);
  }
  add("/session/rc", kRc, 0644);
  add("/session/motd", message_of_the_day(kernel, wishes, accel), 0644);
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(context.parts.bt, error)) {
    if (entry.path().extension() != ".bt") continue;
    extras.files.push_back({"/bt/" + entry.path().filename().string(), entry.path(), {}, 0755});
  }
  if (error) {
    throw Failure(ExitCode::kUsage,
                  "the bpftrace scripts (bpf/bt) are not beside the command; install package "
                  "faultline again (in a source tree, `make build`)");
  }
  return extras;
}

}  // namespace

SessionSpec make_session(const CommandContext& context, const SessionWishes& wishes,
                         const fs::path& cache, const std::atomic<bool>& cancel, const Say& say) {
  for (const std::string& name : wishes.fs) {
    std::vector<std::string> known;
    for (const FileSystem& row : file_systems()) known.emplace_back(row.id);
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      throw Failure(ExitCode::kUsage, unknown_name("--fs", name, known));
    }
    if (std::count(wishes.fs.begin(), wishes.fs.end(), name) > 1) {
      throw Failure(ExitCode::kUsage, fmt::format("--fs: {} is named twice", name));
    }
  }
  if (wishes.fs.empty()) throw Failure(ExitCode::kUsage, "--fs names no file system");
  const std::vector<FetchedKernel> kernels =
      obtain_kernels(wishes.kernel, wishes.modules, cache, say);
  if (kernels.size() != 1) throw Failure(ExitCode::kUsage, "--kernel: a session takes one kernel");
  the_qemu(say);
  const FetchedKernel& kernel = kernels.front();
  SessionSpec spec;
  spec.kernel = kernel.id;
  spec.fs = wishes.fs;
  spec.tools = fetch_tools_image(tools_suite(kernel), cache, say).file;
  spec.vm.accel = settle_accel(wishes.accel, kernel, cache, cancel, say);
  spec.vm.idle_waits = wishes.idle_waits;
  spec.vm.ram_mib = 1024;
  spec.vm.kernel = kernel.vmlinuz;
  const GuestImage image =
      make_guest_image(context, kernel, cache, say, {},
                       session_files(context, kernel, wishes, accel_info(spec.vm.accel)));
  for (const std::string& name : wishes.fs) {
    if (const char* module = find_file_system(name)->module; image.lacks.contains(module)) {
      throw Failure(ExitCode::kUsage, fmt::format("--fs {}: {}; name others with --fs", name,
                                                  without_module(kernel.release, module)));
    }
  }
  spec.vm.initrd = image.path;
  return spec;
}

ExitCode exit_code_of(const SessionEnd& end) {
  if (end.code && end.guest.ok()) return static_cast<ExitCode>(*end.code);
  for (const std::string& line : end.guest.console_tail) fmt::print(stderr, "  {}\n", line);
  fmt::print(
      stderr, "faultline: {}\n",
      end.guest.ok() ? "the guest powered off and said nothing of its command" : end.guest.message);
  return end.guest.ok() || end.guest.verdict == Verdict::kCancelled ? ExitCode::kVmFailed
                                                                    : end.guest.exit_code;
}

SessionEnd run_session(const SessionSpec& spec, const std::atomic<bool>& interrupted) {
  const TempDir work(temp_dir(), "faultline-");
  const bool tty = !spec.keep_output && ::isatty(STDIN_FILENO) != 0 && ::isatty(STDOUT_FILENO) != 0;
  const WindowSize window = window_of(STDOUT_FILENO);
  const char* term = std::getenv("TERM");

  GuestJob job;
  job.spec = spec.vm;
  job.spec.pmem_devices = static_cast<unsigned>(spec.fs.size());
  job.spec.kernel_parameters.push_back(fmt::format("{}{}", wire::kParamMode, wire::kModeSession));
  job.deadlines = {.boot_s = spec.boot_s, .cell_s = kNoLimitS};
  job.most_results = 0;
  job.cell = nlohmann::json({{"command", spec.command},
                             {"tty", tty},
                             {"rows", window.rows},
                             {"columns", window.columns},
                             {"term", term != nullptr ? term : "dumb"},
                             {"virtual", accel_info(spec.vm.accel).time_domain == "virtual"},
                             {"fs", spec.fs},
                             {"in", !spec.in.empty()},
                             {"out", !spec.out.empty()}})
                 .dump();
  std::vector<std::string>& arguments = job.spec.qemu_parameters;
  const auto add_disk = [&](const std::string& id, const fs::path& file, bool read_only) {
    for (std::string& word : disk_arguments(id, file, read_only)) {
      arguments.push_back(std::move(word));
    }
  };
  add_disk("tools", spec.tools, true);
  if (!spec.in.empty()) {
    pack_files(spec.in, work.path() / "in");
    add_disk("in", work.path() / "in", true);
  }
  const fs::path out_disk = work.path() / "out";
  if (!spec.out.empty()) {
    make_dirs(spec.out);
    write_file(out_disk, "");
    if (::truncate(out_disk.c_str(), kOutBytes) != 0)
      throw_io_failure("cannot make", out_disk, errno);
    add_disk("out", out_disk, false);
  }
  // TMPDIR may be longer than a socket's address.
  const Fd folder(::open(work.path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder) throw_io_failure("cannot open", work.path(), errno);
  const fs::path socket = path_through(folder, "tty");
  for (const std::string& word :
       {std::string("-chardev"),
        fmt::format("socket,id=session,server=on,wait=off,path={}", option_value(socket.string())),
        std::string("-serial"), std::string("chardev:session")}) {
    arguments.push_back(word);
  }

  std::atomic<bool> cancel = false;
  interrupts = 0;
  resized = false;
  // In a terminal Ctrl-C is a byte like others. Elsewhere the first is the command's; the command
  // that ignores it is ended by a second.
  const Handler on_int(SIGINT, on_interrupt);
  const Handler on_winch(SIGWINCH, on_resize);
  SessionEnd end;
  {
    std::optional<RawTerminal> raw;
    if (tty) raw.emplace(STDIN_FILENO);
    Input input(socket, tty, cancel);
    // What ends the guest early: a signal to this process, or the second Ctrl-C.
    const Watch watch([&] {
      if (interrupted || interrupts > 1) cancel = true;
    });
    const auto give = [&](int fd, std::string& kept, const std::string& bytes) {
      if (spec.keep_output) {
        kept += bytes;
      } else if (!write_all(fd, bytes, cancel)) {
        cancel = true;  // nobody reads it: as SIGPIPE would end the command
      }
    };
    end.guest = run_guest(
        job,
        [&](const wire::Frame& frame) {
          if (frame.type == wire::kReady) {
            input.start();
          } else if (frame.type == wire::kTook) {
            input.took();
          } else if (frame.type == wire::kOut) {
            give(STDOUT_FILENO, end.out, frame.payload);
          } else if (frame.type == wire::kErr) {
            give(STDERR_FILENO, end.err, frame.payload);
          } else if (frame.type == wire::kExit) {
            const auto payload = parse_json(frame.payload);
            if (payload.is_object() && payload.contains("code") &&
                payload["code"].is_number_integer()) {
              end.code = payload["code"].get<int>();
            }
          }
        },
        cancel);
  }
  if (!spec.out.empty() && end.code) unpack_tar(out_disk, spec.out);
  return end;
}

}  // namespace faultline
