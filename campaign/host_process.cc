// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/host_process.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstring>
#include <sstream>

#include "cell/json_text.h"
#include "harness/wire.h"
#include "vm/process.h"

namespace faultline {

namespace fs = std::filesystem;
using std::chrono::steady_clock;

namespace {

constexpr size_t kTailLines = 20;
constexpr std::chrono::milliseconds kPoll{50};

// Appends what there is to read; false at the end of the stream.
bool drain(int fd, std::string& into) {
  std::array<char, 4096> buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  for (;;) {
    const ssize_t n = ::read(fd, buffer.data(), buffer.size());
    if (n > 0) into.append(buffer.data(), static_cast<size_t>(n));
    if (n == 0) return false;
    if (n < 0 && errno != EINTR) return errno == EAGAIN;
  }
}

std::vector<std::string> tail_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    if (!line.empty()) lines.push_back(line);
  }
  if (lines.size() > kTailLines) lines.erase(lines.begin(), lines.end() - kTailLines);
  return lines;
}

const char* hint(int signal) {
  switch (signal) {
    case SIGBUS:
      return "; a store found no block: is the file system full, or gone?";
    case SIGKILL:
      return "; was the machine out of memory?";
    default:
      return "";
  }
}

}  // namespace

HostProcess::HostProcess(const CommandContext& context, const std::string& dir)
    : context_(context) {
  std::error_code error;
  dir_ = fs::canonical(dir, error);
  if (error || !fs::is_directory(dir_, error)) {
    throw Failure(ExitCode::kUsage,
                  fmt::format("--dir: {} is no folder; name one on the mount to measure", dir));
  }
  try {
    folder_ = std::make_unique<TempDir>(dir_, "faultline-");
  } catch (const Failure& failure) {
    throw Failure(failure.code(), fmt::format("--dir: {}", failure.what()));
  }
}

HostProcess::~HostProcess() {
  const fs::path folder = folder_->path();
  folder_.reset();
  std::error_code error;
  if (fs::exists(fs::symlink_status(folder, error))) {
    fmt::print(stderr, "faultline: {} could not be removed; please do so\n", folder.string());
  }
}

GuestOutcome HostProcess::run(const std::string& cell, double deadline_s,
                              const FrameCallback& on_frame,
                              const std::atomic<bool>& cancel) const {
  const auto begin = steady_clock::now();
  const auto seconds = [&] {
    return std::chrono::duration<double>(steady_clock::now() - begin).count();
  };
  const Fd frames = memory_file("");
  const Fd cell_file = memory_file(cell);
  std::vector<std::string> argv = {context_.parts.guest_binary.string(),
                                   "host",
                                   "--dir",
                                   folder_->path().string(),
                                   "--frames",
                                   "3"};
  if (!cell.empty()) argv.insert(argv.end(), {"--cell", "/proc/self/fd/4"});
  CellEnd end;
  {
    Process process(argv, {frames.get(), cell_file.get()});
    for (bool open = true; open && !process.exit_status();) {
      pollfd wait{process.output_fd(), POLLIN, 0};
      ::poll(&wait, 1, static_cast<int>(kPoll.count()));
      open = drain(process.output_fd(), end.output);
      end.cancelled = cancel;
      if (deadline_s > 0 && seconds() > deadline_s) end.overdue_s = deadline_s;
      if (end.cancelled || end.overdue_s > 0) process.stop(std::chrono::milliseconds(0));
    }
    process.wait_exit(std::chrono::seconds(5));  // its output is closed: it is about to end
    const ExitStatus status = process.stop(std::chrono::milliseconds(0));
    drain(process.output_fd(), end.output);
    end.exit_code = status.code;
    end.signal = status.signal;
  }
  wire::Decoder decoder;
  decoder.feed(content_of(frames));
  while (const auto frame = decoder.next()) {
    if (frame->type == wire::kDone) end.done = true;
    if (frame->type == wire::kFail) end.fail = frame->payload;
    on_frame(*frame);
  }
  GuestOutcome outcome = judge_cell(end);
  outcome.cell_s = seconds();
  return outcome;
}

GuestOutcome judge_cell(const CellEnd& end) {
  GuestOutcome outcome;
  outcome.stage = Stage::kCell;
  const auto failed = [&](Verdict verdict, const std::string& message) {
    outcome.verdict = verdict;
    outcome.exit_code = ExitCode::kRegression;
    outcome.message = message;
    outcome.console_tail = tail_of(end.output);
    return outcome;
  };
  if (end.cancelled) return failed(Verdict::kCancelled, "interrupted");
  if (end.overdue_s > 0) {
    return failed(Verdict::kHang,
                  fmt::format("hang: not ended within {} s (--cell-deadline)", end.overdue_s));
  }
  if (end.signal != 0) {
    return failed(Verdict::kInitDied,
                  fmt::format("the cell's process died of signal {} ({}){}", end.signal,
                              ::strsignal(end.signal), hint(end.signal)));
  }
  if (!end.fail.empty()) {
    const nlohmann::json fail = parse_json(end.fail);
    return failed(Verdict::kGuestFailed,
                  fail.is_object() ? text_in(fail, "message", "no reason given") : end.fail);
  }
  if (end.exit_code != 0 || !end.done) {
    const std::vector<std::string> lines = tail_of(end.output);
    return failed(Verdict::kNoDone,
                  fmt::format("the cell's process ended with {}{}{}", end.exit_code,
                              lines.empty() ? "" : ": ", lines.empty() ? "" : lines.back()));
  }
  return outcome;
}

nlohmann::json host_kernel() {
  utsname name{};
  uname(&name);
  nlohmann::json config = nullptr;
  std::error_code error;
  if (const fs::path file = fmt::format("/boot/config-{}", name.release); fs::exists(file, error)) {
    try {
      config = sha256_of_file(file);
    } catch (const Failure&) {
      // Not for everybody to read.
    }
  }
  return {{"release", name.release},   {"version", name.version}, {"package", nullptr},
          {"vmlinuz_sha256", nullptr}, {"config_sha256", config}, {"btf_crc32", nullptr},
          {"image_sha256", nullptr},   {"command_line", nullptr}, {"cpu_model", nullptr}};
}

}  // namespace faultline
