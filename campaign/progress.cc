// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>

namespace faultline {
namespace {

// Between two plain lines, where there is no terminal.
constexpr std::chrono::seconds kPlainInterval{10};
constexpr size_t kColumns = 79;

}  // namespace

std::string clock_text(double seconds) {
  const long s = std::lround(seconds);
  if (s >= 3600) return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
  return fmt::format("{}:{:02}", s / 60, s % 60);
}

void tell(const std::string& line) {
  std::fputs((line + "\n").c_str(), stderr);
  std::fflush(stderr);
}

ProgressLine::ProgressLine(bool quiet) : quiet_(quiet), terminal_(isatty(STDERR_FILENO) == 1) {}

ProgressLine::~ProgressLine() {
  const std::lock_guard lock(mutex_);
  clear_line();
}

void ProgressLine::clear_line() {
  if (drawn_) std::fputs("\r\033[K", stderr);
  drawn_ = false;
  std::fflush(stderr);
}

void ProgressLine::say(const std::string& line) {
  if (quiet_) return;
  const std::lock_guard lock(mutex_);
  clear_line();
  tell(line);
}

void ProgressLine::start(size_t total) {
  const std::lock_guard lock(mutex_);
  total_ = total;
  done_ = 0;
  begin_ = std::chrono::steady_clock::now();
  last_line_ = begin_;
}

void ProgressLine::step(const std::string& what) {
  if (quiet_) return;
  const std::lock_guard lock(mutex_);
  ++done_;
  draw(what);
}

void ProgressLine::draw(const std::string& what) {
  const auto now = std::chrono::steady_clock::now();
  const double elapsed = std::chrono::duration<double>(now - begin_).count();
  const double left = elapsed / static_cast<double>(done_) * static_cast<double>(total_ - done_);
  std::string line = fmt::format("{:>4}/{}  {} elapsed, {} left  ", done_, total_,
                                 clock_text(elapsed), clock_text(left));
  line += what.substr(0, kColumns > line.size() ? kColumns - line.size() : 0);
  if (terminal_) {
    std::fputs(("\r\033[K" + line).c_str(), stderr);
    drawn_ = true;
  } else if (now - last_line_ >= kPlainInterval || done_ == total_) {
    tell(line);
    last_line_ = now;
  }
  std::fflush(stderr);
}

}  // namespace faultline
