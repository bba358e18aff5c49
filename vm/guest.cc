// SPDX-License-Identifier: GPL-2.0-only
#include "vm/guest.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <exception>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "vm/qmp.h"

namespace faultline {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::array<std::string_view, 8> kStageNames = {"start", "boot",    "ready", "park",
                                                         "save",  "restore", "cell",  "power-off"};

constexpr std::array<std::string_view, 17> kVerdictNames = {
    "ok",          "cancelled",    "kernel panic", "kernel oops",    "init died",  "out of memory",
    "hang",        "guest failed", "no done",      "damaged frame",  "half frame", "QEMU not found",
    "QEMU failed", "QEMU killed",  "KVM refused",  "state unusable", "save failed"};

constexpr std::size_t kTailLines = 20;
constexpr milliseconds kKillGrace{500};

// What a console line says about the kernel's health.
struct Sign {
  std::string_view text;
  std::optional<Verdict> verdict;  // what it makes of a guest that failed; none: a warning only
};
// In order of precedence: an oops is followed by a panic, and both may follow from lack of memory.
constexpr std::array kSigns = {
    Sign{"Out of memory: Killed process", Verdict::kOutOfMemory},
    Sign{"System is deadlocked on memory", Verdict::kOutOfMemory},
    Sign{"Attempted to kill init", Verdict::kInitDied},
    Sign{"Oops:", Verdict::kKernelOops},
    Sign{"[#1]", Verdict::kKernelOops},  // any oops, before 6.10 without the word
    Sign{"BUG:", Verdict::kKernelOops},
    Sign{"kernel BUG at", Verdict::kKernelOops},
    Sign{"Kernel panic - not syncing: panic_on_warn", Verdict::kKernelOops},
    Sign{"Kernel panic", Verdict::kKernelPanic},
    Sign{"WARNING:", std::nullopt},
    Sign{"Call Trace:", std::nullopt},
    Sign{"INFO: task ", std::nullopt},
    Sign{"rcu_sched self-detected stall", std::nullopt},
    Sign{"rcu: INFO:", std::nullopt},
    Sign{"blocked for more than", std::nullopt},
    Sign{"I/O error", std::nullopt},
    Sign{"Internal error", std::nullopt},
    Sign{"corruption", std::nullopt},
    Sign{"page allocation failure", std::nullopt},
};

std::string cleaned(std::string_view line) {
  std::string out;
  for (const char c : line) {
    if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) out.push_back(c);
  }
  return out;
}

template <typename Visit>
void each_line(std::string_view text, Visit visit) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string line = cleaned(text.substr(0, end));
    if (!line.empty()) visit(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

// The worst that the console tells, and the line that tells it.
std::optional<std::pair<Verdict, std::string>> console_verdict(std::string_view console) {
  for (const Sign& sign : kSigns) {
    if (!sign.verdict) continue;
    std::string found;
    each_line(console, [&](const std::string& line) {
      if (found.empty() && line.find(sign.text) != std::string::npos) found = line;
    });
    if (!found.empty()) return std::pair{*sign.verdict, found};
  }
  return std::nullopt;
}

// QEMU's reason to end: its last line, warnings aside.
std::string qemu_reason(std::string_view output) {
  std::string reason;
  each_line(output, [&](const std::string& line) {
    if (line.find("warning:") == std::string::npos) reason = line;
  });
  return reason.empty() ? "it gave no reason" : reason;
}

// QEMU may read a state before it answers at all.
bool speaks_of_loading(std::string_view output) {
  return output.find("migration") != std::string_view::npos ||
         output.find("loading state") != std::string_view::npos;
}

bool speaks_of_kvm(std::string_view output) {
  for (const std::string_view sign : {"KVM", "kvm"}) {
    if (output.find(sign) != std::string_view::npos) return true;
  }
  return false;
}

struct Judgement {
  Verdict verdict = Verdict::kOk;
  std::string message = {};
};

std::string fail_message(const wire::Frame& fail, ExitCode& code) {
  const auto payload = nlohmann::json::parse(fail.payload, nullptr, false);
  if (!payload.is_object()) return "the guest failed and its reason is no JSON: " + fail.payload;
  const auto text = [&](const char* key) {
    const auto it = payload.find(key);
    return it != payload.end() && it->is_string() ? it->get<std::string>() : std::string("?");
  };
  const auto it = payload.find("exit_code");
  if (it != payload.end() && it->is_number_integer()) {
    switch (const int value = it->get<int>(); value) {
      case static_cast<int>(ExitCode::kRegression):
      case static_cast<int>(ExitCode::kUsage):
      case static_cast<int>(ExitCode::kVmFailed):
      case static_cast<int>(ExitCode::kSkipped):
      case static_cast<int>(ExitCode::kCannotTest):
        code = static_cast<ExitCode>(value);
        break;
      default:
        break;
    }
  }
  return fmt::format("the guest failed in {}: {}", text("stage"), text("message"));
}

// What QEMU's end, if it ended by itself, says.
std::optional<Judgement> qemu_judgement(const Evidence& evidence) {
  // A signal that QEMU itself obeyed: it ends well, with status 0.
  if (evidence.shutdown_reason == "host-signal") {
    return Judgement{Verdict::kQemuKilled, "somebody on the host told QEMU to end"};
  }
  if (!evidence.exit) return std::nullopt;
  const int signal = evidence.exit->signal;
  const std::string reason = qemu_reason(evidence.qemu_output);
  const bool loading = evidence.stage == Stage::kRestore ||
                       (evidence.mode == Mode::kRestore && evidence.stage == Stage::kStart &&
                        speaks_of_loading(evidence.qemu_output));
  if (loading && signal != SIGKILL && signal != SIGTERM &&
      (signal != 0 || evidence.exit->code != 0)) {
    return Judgement{Verdict::kStateUnusable, "QEMU cannot start from the saved state: " + reason};
  }
  if (evidence.stage <= Stage::kBoot && speaks_of_kvm(evidence.qemu_output) &&
      (signal == SIGABRT || evidence.exit->code != 0)) {
    return Judgement{Verdict::kKvmRefused,
                     fmt::format("KVM cannot be used: {}; choose another accelerator", reason)};
  }
  if (signal != 0) {
    const char* name = sigabbrev_np(signal);
    return Judgement{Verdict::kQemuKilled, fmt::format("signal {} ({}) ended QEMU: {}", signal,
                                                       name != nullptr ? name : "unknown", reason)};
  }
  if (evidence.exit->code == 0) return std::nullopt;
  return Judgement{Verdict::kQemuFailed,
                   fmt::format("QEMU ended with status {}: {}", evidence.exit->code, reason)};
}

Judgement judgement(const Evidence& evidence, ExitCode& code) {
  if (evidence.cancelled) return {Verdict::kCancelled, "cancelled"};
  if (evidence.fail) {
    // That a process of the guest was killed is what the guest knows; why, its kernel says.
    const auto told = console_verdict(evidence.console);
    if (told && told->first == Verdict::kOutOfMemory) {
      return {told->first, "the guest's kernel says: " + told->second};
    }
    return {Verdict::kGuestFailed, fail_message(*evidence.fail, code)};
  }
  if (evidence.saved) return {};
  const bool finished = evidence.done && evidence.shutdown_reason == "guest-shutdown";
  if (!finished) {
    if (auto told = console_verdict(evidence.console)) {
      return {told->first, "the guest's kernel says: " + told->second};
    }
    if (evidence.panic_reported) {
      return {Verdict::kKernelPanic, "the guest's kernel reported a panic and printed nothing"};
    }
    if (auto qemu = qemu_judgement(evidence)) return *qemu;
    if (!evidence.qmp_error.empty()) {
      return {evidence.stage == Stage::kSave      ? Verdict::kSaveFailed
              : evidence.stage == Stage::kRestore ? Verdict::kStateUnusable
                                                  : Verdict::kQemuFailed,
              evidence.qmp_error};
    }
    if (evidence.overdue_s > 0) {
      return {
          Verdict::kHang,
          fmt::format("no sign of life within {:g} s; if the host is only slow, raise the limit",
                      evidence.overdue_s)};
    }
  }
  if (evidence.damaged_frames > 0) {
    return {Verdict::kDamagedFrame,
            fmt::format("{} damaged frame(s) among the results", evidence.damaged_frames)};
  }
  if (evidence.half_frame_bytes > 0) {
    return {Verdict::kHalfFrame, fmt::format("the results end within a frame, after {} bytes of it",
                                             evidence.half_frame_bytes)};
  }
  if (evidence.done && !finished)
    return {Verdict::kNoDone, "the guest did not power off by itself"};
  if (!finished) return {Verdict::kNoDone, "the guest went away without sending `done`"};
  return {};
}

}  // namespace

std::string_view stage_name(Stage stage) { return kStageNames.at(static_cast<std::size_t>(stage)); }

std::string_view verdict_name(Verdict verdict) {
  return kVerdictNames.at(static_cast<std::size_t>(verdict));
}

std::vector<std::string> kernel_warnings(std::string_view console) {
  std::vector<std::string> found;
  each_line(console, [&](const std::string& line) {
    const bool bad = std::any_of(kSigns.begin(), kSigns.end(), [&](const Sign& sign) {
      return line.find(sign.text) != std::string::npos;
    });
    if (bad && found.size() < kTailLines) found.push_back(line);
  });
  return found;
}

std::vector<std::string> last_lines(std::string_view text, std::size_t count) {
  std::vector<std::string> lines;
  each_line(text, [&](const std::string& line) { lines.push_back(line); });
  if (lines.size() > count) {
    lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(count));
  }
  return lines;
}

GuestOutcome judge(const Evidence& evidence) {
  GuestOutcome outcome;
  ExitCode code = ExitCode::kVmFailed;
  const Judgement judged = judgement(evidence, code);
  outcome.verdict = judged.verdict;
  outcome.stage = evidence.stage;
  outcome.restored = evidence.mode == Mode::kRestore;
  outcome.console = evidence.console;
  outcome.console_warnings = kernel_warnings(evidence.console);
  if (!outcome.ok()) {
    outcome.exit_code = code;
    outcome.console_tail = last_lines(evidence.console, kTailLines);
    outcome.message = fmt::format("{} ({}): {}", verdict_name(judged.verdict),
                                  stage_name(evidence.stage), judged.message);
  }
  return outcome;
}

namespace {

double seconds_since(steady_clock::time_point start) {
  return std::chrono::duration<double>(steady_clock::now() - start).count();
}

std::string padded_cell(const GuestJob& job) {
  if (job.cell.size() > wire::kCellSize) {
    throw Failure(ExitCode::kUsage, fmt::format("the cell's text has {} bytes, a guest takes {}",
                                                job.cell.size(), wire::kCellSize));
  }
  // A parked guest reads its cell after the restore; what it was saved with must not matter.
  std::string text = job.mode == Mode::kBootAndPark ? "" : job.cell;
  text.resize(wire::kCellSize, '\0');
  return text;
}

Fd open_state(const GuestJob& job) {
  const int flags = job.mode == Mode::kRestore ? O_RDONLY : O_WRONLY | O_CREAT | O_TRUNC;
  Fd fd(::open(job.state.c_str(), flags | O_CLOEXEC, 0644));
  if (!fd) {
    throw Failure(ExitCode::kUsage,
                  fmt::format("cannot open the saved state {}: {}", job.state.string(),
                              std::generic_category().message(errno)));
  }
  return fd;
}

// A pipe, because it takes many single bytes: a socket is full after some 300 of them.
std::pair<Fd, Fd> result_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    throw Failure(ExitCode::kVmFailed,
                  fmt::format("cannot make a pipe: {}; is the host out of descriptors?",
                              std::generic_category().message(errno)));
  }
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  ::fcntl(ends[1], F_SETPIPE_SZ, 1 << 20);  // if the host allows it
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
  void follow();  // until QEMU is gone, or the guest has been saved
  void restore();
  void save();
  void take_in();  // everything that has arrived, without waiting
  void take_frames();
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
  steady_clock::time_point due_;                 // of this stage
  double limit_s_ = 0;
  double boot_s_ = 0;
  double save_s_ = 0;
  double restore_s_ = 0;

  Fd state_;
  Fd console_;
  Fd results_;
  std::optional<Qmp> qmp_;
  std::optional<Process> process_;
  wire::Decoder decoder_;
  bool results_open_ = true;
  bool output_open_ = true;
  bool parked_ = false;
  bool watchdog_ = false;  // it went off: the machine stops for that
  bool waiting_ = false;   // the last frame said that it will stop itself
  bool waits_ = false;     // it does
  bool stopping_ = false;  // we end it: what QEMU says from now on is no news
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

void Supervisor::start() {
  evidence_.mode = job_.mode;
  VmSpec spec = job_.spec;
  // A guest restored was told to park, so QEMU must be given the same command line again.
  spec.park = job_.mode != Mode::kBootAndRun;

  console_ = memory_file("");
  const Fd cell = memory_file(padded_cell(job_));
  auto [qmp_here, qmp_there] = socket_pair();
  auto [results_here, results_there] = result_pipe();
  if (job_.mode != Mode::kBootAndRun) state_ = open_state(job_);

  // The child's descriptors: 3 QMP, 4 results, 5 console, 6 cell, 7 saved state.
  std::vector<int> inherited = {qmp_there.get(), results_there.get(), console_.get(), cell.get()};
  Channels channels{"3", "/proc/self/fd/4", "/proc/self/fd/5", "/proc/self/fd/6", std::nullopt};
  if (job_.mode == Mode::kRestore) {
    inherited.push_back(state_.get());
    channels.incoming_fd = "7";
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
    const bool parks = job_.mode == Mode::kBootAndPark;
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
      decoder_.feed({buffer.data(), static_cast<std::size_t>(n)});
      while (auto frame = decoder_.next()) on_frame(*frame);
      continue;
    }
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    results_open_ = false;
  }
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
      evidence_.qmp_error = "QEMU refused `cont`: " + event->data.value("desc", "no reason given");
    } else if (event->name == "SHUTDOWN" && !stopping_) {
      evidence_.shutdown_reason = event->data.value("reason", "");
    }
  }
}

void Supervisor::on_stop() {
  if (waits_) {
    waits_ = waiting_ = false;
    if (job_.on_wait) job_.on_wait();
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

// The device that a kernel reports its panic to is also the guest's way to park; which of them it
// was, the `ready` frame tells.
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
      evidence_.qemu_output.append(buffer.data(), static_cast<std::size_t>(n));
      continue;
    }
    if (n < 0 && errno == EINTR) continue;
    if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK)) output_open_ = false;
    break;
  }
  qmp_->pump();
  // Frames after the pump: whatever the guest sent before an event is there by now.
  take_frames();
  take_events();
}

void Supervisor::restore() {
  enter(Stage::kRestore, job_.deadlines.boot_s);
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
  evidence_.saved = true;
  save_s_ = seconds_since(start);
  qmp_->call("quit", nlohmann::json::object(), patience(answer_s()));
}

void Supervisor::follow() {
  qmp_->negotiate(patience(answer_s()));
  if (job_.mode == Mode::kRestore) {
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
    if (evidence_.panic_reported || !evidence_.qmp_error.empty()) return;
    if (parked_) {
      save();
      return;
    }
  }
}

GuestOutcome Supervisor::finish() {
  // QEMU has closed everything and ends now, or it must.
  const bool let_end = !evidence_.cancelled && evidence_.overdue_s == 0 &&
                       !evidence_.panic_reported && evidence_.qmp_error.empty();
  if (let_end) evidence_.exit = process_->wait_exit(milliseconds(2000));
  take_in();
  stopping_ = true;
  process_->stop(kKillGrace);
  take_in();
  evidence_.console = content_of(console_);
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
        break;  // its exit status says more
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

void run_many(std::size_t count, unsigned workers,
              const std::function<GuestOutcome(std::size_t)>& run,
              const std::function<void(std::size_t, GuestOutcome)>& done,
              std::atomic<bool>& cancel) {
  std::mutex lock;
  std::exception_ptr first;
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    while (!cancel) {
      const std::size_t index = next++;
      if (index >= count) return;
      try {
        GuestOutcome outcome = run(index);
        const std::scoped_lock held(lock);
        done(index, std::move(outcome));
      } catch (...) {
        const std::scoped_lock held(lock);
        if (!first) first = std::current_exception();
        cancel = true;
      }
    }
  };
  std::vector<std::jthread> threads;
  const std::size_t wanted = std::min<std::size_t>(std::max(1U, workers), count);
  for (std::size_t i = 0; i < wanted; ++i) threads.emplace_back(work);
  for (std::jthread& thread : threads) thread.join();
  if (first) std::rethrow_exception(first);
}

unsigned workers_for(Accel accel) {
  if (accel != Accel::kTcgIcount) return 1;
  return std::max(1U, std::thread::hardware_concurrency());
}

}  // namespace faultline
