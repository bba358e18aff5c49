// SPDX-License-Identifier: GPL-2.0-only
#include "vm/supervisor.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "cell/json_text.h"
#include "vm/files.h"
#include "vm/memory_copy.h"
#include "vm/process.h"
#include "vm/qmp.h"

namespace faultline {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t kMostOutput = 1 << 20;
constexpr milliseconds kKillGrace{500};  // between asking QEMU to end and killing it

double seconds_since(steady_clock::time_point start) {
  return std::chrono::duration<double>(steady_clock::now() - start).count();
}

std::string padded_cell(const GuestJob& job) {
  if (job.cell.size() > wire::kCellSize - 2) {
    throw Failure(ExitCode::kUsage, fmt::format("the cell's text has {} bytes, a guest takes {}",
                                                job.cell.size(), wire::kCellSize - 2));
  }
  // A parked guest reads its cell after the restore. What it is saved with must not differ from
  // cell to cell, because one saved state serves them all.
  std::string text = job.mode == GuestMode::kBootAndPark ? "" : job.cell;
  text.resize(wire::kCellSize, '\0');
  if (job.symbols) text.back() = wire::kWantsSymbols;
  return text;
}

constexpr int kStateFd = 7;  // of QEMU's, as are the next
constexpr int kMemoryFd = 8;
constexpr int kKernelFd = 9;

// More than the header and the setup code of any bzImage.
constexpr std::size_t kKernelHead = std::size_t{128} << 10;

// QEMU reads the whole of a kernel into its memory, 8 MB page by page, for a boot. A machine that
// is restored never boots, and QEMU looks at the header alone.
Fd head_of(const std::filesystem::path& kernel) {
  const Fd whole(::open(kernel.c_str(), O_RDONLY | O_CLOEXEC));
  std::string head(kKernelHead, '\0');
  const ssize_t n = whole ? ::pread(whole.get(), head.data(), head.size(), 0) : -1;
  if (n < 0) throw_io_failure("cannot read", kernel, errno);
  head.resize(static_cast<std::size_t>(n));
  return memory_file(head);
}

Fd open_state(const std::filesystem::path& file, int flags) {
  Fd fd(::open(file.c_str(), flags | O_CLOEXEC, 0644));
  if (!fd) {
    throw Failure(ExitCode::kUsage, fmt::format("cannot open the saved state {}: {}", file.string(),
                                                std::generic_category().message(errno)));
  }
  return fd;
}

// QEMU writes results byte by byte. A pipe holds 64 KiB of single bytes or more; a socket would be
// full after some 300 of them.
std::pair<Fd, Fd> result_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    throw Failure(ExitCode::kVmFailed,
                  fmt::format("cannot make a pipe: {}; is the host out of descriptors?",
                              std::generic_category().message(errno)));
  }
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  ::fcntl(ends[1], F_SETPIPE_SZ, 1 << 20);  // fails without harm where the host allows less
  return {Fd(ends[0]), Fd(ends[1])};
}

// One guest under supervision.
class Supervisor {
 public:
  Supervisor(const GuestJob& job, const FrameCallback& on_frame, const std::atomic<bool>& cancel)
      : job_(job), on_frame_(on_frame), cancel_(cancel) {}

  GuestOutcome run();

 private:
  void start();
  void prepare_memory(VmSpec& spec);
  void follow();  // returns once QEMU is gone or the guest has been saved
  void restore();
  void save();
  void take_in();  // reads everything that has arrived, without waiting
  void take_frames();
  [[nodiscard]] std::string outgrown() const;
  void take_events();
  void on_frame(const wire::Frame& frame);
  void on_panic_pause();
  void on_stop();
  void enter(Stage stage, double limit_s);
  [[nodiscard]] Patience patience(double limit_s) const;
  [[nodiscard]] double answer_s() const { return job_.deadlines.power_off_s; }
  GuestOutcome finish();

  const GuestJob& job_;
  const FrameCallback& on_frame_;
  const std::atomic<bool>& cancel_;

  Evidence evidence_;
  steady_clock::time_point started_ = steady_clock::now();
  steady_clock::time_point running_ = started_;  // when the cell began
  steady_clock::time_point due_;                 // when this stage must have ended
  double limit_s_ = 0;
  double boot_s_ = 0;
  double save_s_ = 0;
  double restore_s_ = 0;

  Fd state_;
  Fd memory_;
  Fd console_;
  Fd results_;
  std::optional<Qmp> qmp_;
  std::optional<Process> process_;
  wire::Decoder decoder_;
  std::uint64_t result_bytes_ = 0;
  bool results_open_ = true;
  bool output_open_ = true;
  bool parked_ = false;
  bool watchdog_ = false;  // the guest's watchdog has gone off, for which QEMU stops the machine
  bool waiting_ = false;   // the last frame was `wait`: the guest is about to stop itself
  bool waits_ = false;     // the guest has stopped itself after a `wait` frame
  bool stopping_ = false;  // we are ending QEMU, so its reason to end is ours
};

Patience Supervisor::patience(double limit_s) const {
  Patience result = Patience::of(limit_s, &cancel_);
  if (job_.deadlines.total_s > 0) {
    const Patience total = Patience::of(job_.deadlines.total_s - seconds_since(started_), &cancel_);
    result.until = std::min(result.until, total.until);
  }
  return result;
}

void Supervisor::enter(Stage stage, double limit_s) {
  evidence_.stage = stage;
  limit_s_ = limit_s;
  due_ = patience(limit_s).until;
}

// A guest that is to be saved has its memory in a file without a name, from which the pages that
// hold something are copied once it stands still: so a full disk is an error of a write of ours and
// no SIGBUS of QEMU's, and the state takes no more room than it needs.
void Supervisor::prepare_memory(VmSpec& spec) {
  if (job_.mode == GuestMode::kBootAndPark) {
    state_ = open_state(job_.state.devices, O_WRONLY | O_CREAT | O_TRUNC);
    memory_ = memory_file("");
  } else {
    state_ = open_state(job_.state.devices, O_RDONLY);
    memory_ = open_state(job_.state.memory, O_RDWR);  // QEMU opens it so, even if it only reads
    if (!spec.memory_file.empty()) {
      copy_memory(memory_, open_state(spec.memory_file, O_RDWR));
      return;
    }
    spec.memory_private = true;
  }
  spec.memory_file = fmt::format("/proc/self/fd/{}", kMemoryFd);
}

void Supervisor::start() {
  evidence_.mode = job_.mode;
  VmSpec spec = job_.spec;
  // A restored guest was told to park when it booted, and a state is only restored into a QEMU with
  // the same command line.
  spec.park = job_.mode != GuestMode::kBootAndRun;

  console_ = memory_file("");
  const Fd cell = memory_file(padded_cell(job_));
  auto [qmp_here, qmp_there] = socket_pair();
  auto [results_here, results_there] = result_pipe();
  // The child's descriptors: 3 QMP, 4 results, 5 console, 6 cell, then a state's two.
  std::vector<int> inherited = {qmp_there.get(), results_there.get(), console_.get(), cell.get()};
  const Channels channels{"3", "/proc/self/fd/4", "/proc/self/fd/5", "/proc/self/fd/6",
                          job_.mode == GuestMode::kRestore};
  if (job_.mode != GuestMode::kBootAndRun) {
    prepare_memory(spec);
    inherited.push_back(state_.get());
    inherited.push_back(memory_.get());
  }
  Fd kernel_head;
  if (job_.mode == GuestMode::kRestore) {
    kernel_head = head_of(spec.kernel);
    inherited.push_back(kernel_head.get());
    spec.kernel = fmt::format("/proc/self/fd/{}", kKernelFd);
  }
  std::vector<std::string> argv = qemu_arguments(spec, channels);
  argv.insert(argv.begin(), spec.qemu);

  started_ = steady_clock::now();
  enter(Stage::kStart, answer_s());
  process_.emplace(argv, inherited);
  results_ = std::move(results_here);
  qmp_.emplace(std::move(qmp_here));
}

void Supervisor::on_frame(const wire::Frame& frame) {
  if (frame.type == wire::kHello && evidence_.stage == Stage::kBoot) {
    evidence_.stage = Stage::kReady;  // the deadline of the boot goes on
  } else if (frame.type == wire::kReady && evidence_.stage <= Stage::kReady) {
    boot_s_ = seconds_since(started_);
    running_ = steady_clock::now();
    const bool parks = job_.mode == GuestMode::kBootAndPark;
    enter(parks ? Stage::kPark : Stage::kCell, parks ? answer_s() : job_.deadlines.cell_s);
  } else if (frame.type == wire::kDone) {
    evidence_.done = true;
    enter(Stage::kPowerOff, answer_s());
  } else if (frame.type == wire::kFail) {
    if (!evidence_.fail) evidence_.fail = frame;
    enter(Stage{evidence_.stage}, answer_s());
  } else if (evidence_.stage == Stage::kCell) {
    waiting_ = frame.type == wire::kWait;
    enter(Stage::kCell, job_.deadlines.cell_s);
  }
  if (on_frame_) on_frame_(frame);
}

void Supervisor::take_frames() {
  std::array<char, 1 << 14> buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  while (results_open_) {
    const ssize_t n = ::read(results_.get(), buffer.data(), buffer.size());
    if (n > 0) {
      result_bytes_ += static_cast<std::uint64_t>(n);
      decoder_.feed({buffer.data(), static_cast<std::size_t>(n)});
      while (auto frame = decoder_.next()) on_frame(*frame);
      if (job_.most_results != 0 && result_bytes_ > job_.most_results) return;
      continue;
    }
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    results_open_ = false;
  }
}

std::string Supervisor::outgrown() const {
  if (job_.most_results != 0 && result_bytes_ > job_.most_results) {
    return fmt::format("it sent over {} MiB of results", job_.most_results >> 20);
  }
  struct stat info {};
  if (::fstat(console_.get(), &info) == 0 &&
      static_cast<std::uint64_t>(info.st_size) > job_.most_console) {
    return fmt::format("it printed over {} MiB", job_.most_console >> 20);
  }
  return "";
}

void Supervisor::take_events() {
  while (const auto event = qmp_->next_event()) {
    if (event->name == "GUEST_PANICKED") {
      on_panic_pause();
    } else if (event->name == "WATCHDOG") {
      watchdog_ = true;
    } else if (event->name == "STOP") {
      on_stop();
    } else if (event->name == "ERROR") {
      evidence_.qmp_error =
          "QEMU refused `cont`: " + text_in(event->data, "desc", "no reason given");
    } else if (event->name == "SHUTDOWN" && !stopping_) {
      evidence_.shutdown_reason = text_in(event->data, "reason");
    }
  }
}

void Supervisor::on_stop() {
  if (waits_) {
    waits_ = waiting_ = false;
    if (job_.on_wait && !job_.on_wait()) {
      evidence_.released = true;
      return;
    }
    qmp_->post("cont", patience(answer_s()));
    enter(Stage::kCell, job_.deadlines.cell_s);
    return;
  }
  if (evidence_.stage == Stage::kSave || evidence_.panic_reported || stopping_) return;
  if (evidence_.stage == Stage::kPark) {
    parked_ = parked_ || watchdog_;
  } else {
    evidence_.qmp_error = "QEMU stopped the guest: " + qemu_reason(evidence_.qemu_output);
  }
}

// A guest parks, and waits, through the device by which a kernel reports its panic. Which of the
// three has happened follows from the frames that it sent before.
void Supervisor::on_panic_pause() {
  if (evidence_.stage == Stage::kPark) {
    parked_ = true;
  } else if (waiting_) {
    waits_ = true;
  } else {
    evidence_.panic_reported = true;
  }
}

void Supervisor::take_in() {
  std::array<char, 1 << 12> buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  while (output_open_) {
    const ssize_t n = ::read(process_->output_fd(), buffer.data(), buffer.size());
    if (n > 0) {
      // What QEMU says of itself is a few lines.
      if (evidence_.qemu_output.size() < kMostOutput) {
        evidence_.qemu_output.append(buffer.data(), static_cast<std::size_t>(n));
      }
      continue;
    }
    if (n < 0 && errno == EINTR) continue;
    if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK)) output_open_ = false;
    break;
  }
  qmp_->pump();
  // Frames are read after the socket: whatever the guest sent before an event has arrived by now.
  take_frames();
  take_events();
}

void Supervisor::restore() {
  enter(Stage::kRestore, job_.deadlines.boot_s);
  qmp_restore(*qmp_, kStateFd, patience(job_.deadlines.boot_s));
  auto nap = milliseconds(1);
  while (qmp_status(*qmp_, patience(job_.deadlines.boot_s)) == "inmigrate") {
    Patience{due_, &cancel_}.require("incoming state");
    std::this_thread::sleep_for(nap);
    nap = std::min(nap * 2, milliseconds(20));
  }
  running_ = steady_clock::now();
  restore_s_ = seconds_since(started_);
  qmp_->post("cont", patience(answer_s()));
  enter(Stage::kCell, job_.deadlines.cell_s);
}

void Supervisor::save() {
  enter(Stage::kSave, job_.deadlines.boot_s);
  const auto start = steady_clock::now();
  qmp_save(*qmp_, state_.get(), patience(job_.deadlines.boot_s));
  copy_memory(memory_, open_state(job_.state.memory, O_RDWR | O_CREAT | O_TRUNC));
  evidence_.saved = true;
  save_s_ = seconds_since(start);
  qmp_->call("quit", nlohmann::json::object(), patience(answer_s()));
}

void Supervisor::follow() {
  qmp_->negotiate(patience(answer_s()));
  if (job_.mode == GuestMode::kRestore) {
    restore();
  } else {
    enter(Stage::kBoot, job_.deadlines.boot_s);
  }
  for (;;) {
    std::array<pollfd, 3> waiting = {pollfd{qmp_->fd(), POLLIN, 0},
                                     {results_open_ ? results_.get() : -1, POLLIN, 0},
                                     {output_open_ ? process_->output_fd() : -1, POLLIN, 0}};
    const bool open = std::any_of(waiting.begin(), waiting.end(),
                                  [](const pollfd& entry) { return entry.fd >= 0; });
    if (!open) return;
    if (const Patience now{due_, &cancel_}; now.cancelled()) {
      evidence_.cancelled = true;
      return;
    } else if (now.over()) {
      evidence_.overdue_s = limit_s_;
      return;
    } else {
      ::poll(waiting.data(), waiting.size(), now.slice_ms());
    }
    take_in();
    evidence_.outgrown = outgrown();
    if (!evidence_.outgrown.empty() || evidence_.panic_reported || evidence_.released ||
        !evidence_.qmp_error.empty())
      return;
    if (parked_) {
      save();
      return;
    }
  }
}

GuestOutcome Supervisor::finish() {
  // Where nothing went wrong QEMU has closed all its channels and is about to end by itself.
  const bool let_end = !evidence_.cancelled && evidence_.overdue_s == 0 &&
                       !evidence_.panic_reported && !evidence_.released &&
                       evidence_.outgrown.empty() && evidence_.qmp_error.empty();
  if (let_end) evidence_.exit = process_->wait_exit(milliseconds(2000));
  take_in();
  stopping_ = true;
  process_->stop(kKillGrace);
  take_in();
  // One that outgrew its limit may have grown far beyond it before that was seen.
  evidence_.console = content_of(console_, job_.most_console);
  evidence_.damaged_frames = decoder_.damaged();
  evidence_.half_frame_bytes = decoder_.pending();

  GuestOutcome outcome = judge(evidence_);
  outcome.boot_s = boot_s_;
  outcome.save_s = save_s_;
  outcome.restore_s = restore_s_;
  if (evidence_.stage >= Stage::kCell) outcome.cell_s = seconds_since(running_);
  return outcome;
}

GuestOutcome Supervisor::run() {
  try {
    start();
  } catch (const SpawnFailure& failure) {
    GuestOutcome outcome;
    outcome.verdict = failure.error() == ENOENT ? Verdict::kQemuNotFound : Verdict::kQemuFailed;
    outcome.exit_code = ExitCode::kVmFailed;
    outcome.message = fmt::format("{}: {}", verdict_name(outcome.verdict), failure.what());
    return outcome;
  }
  try {
    follow();
  } catch (const QmpFailure& failure) {
    switch (failure.kind()) {
      case QmpFailure::Kind::kCancelled:
        evidence_.cancelled = true;
        break;
      case QmpFailure::Kind::kTimeout:
        evidence_.overdue_s = limit_s_;
        break;
      case QmpFailure::Kind::kClosed:
        break;  // how QEMU has ended says more
      case QmpFailure::Kind::kRefused:
        evidence_.qmp_error = failure.what();
        break;
    }
  }
  return finish();
}

}  // namespace

GuestOutcome run_guest(const GuestJob& job, const FrameCallback& on_frame,
                       const std::atomic<bool>& cancel) {
  return Supervisor(job, on_frame, cancel).run();
}

}  // namespace faultline
