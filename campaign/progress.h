// SPDX-License-Identifier: GPL-2.0-only
// What is running, how far it is, how long it takes: one line that is redrawn on a terminal, plain
// lines now and then elsewhere. On standard error.
#pragma once

#include <chrono>
#include <cstddef>
#include <mutex>
#include <string>

namespace faultline {

// Seconds as "1:02:03" or "2:03".
std::string clock_text(double seconds);

// A line on standard error. That nobody reads it any more is no failure: what is measured goes on.
void tell(const std::string& line);

// Thread-safe.
class ProgressLine {
 public:
  // If `quiet`, nothing at all is printed.
  explicit ProgressLine(bool quiet);
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  // Prints a line for the user that stays.
  void say(const std::string& line);
  // `total` pieces of work begin.
  void start(size_t total);
  // One piece is done; `what` names it.
  void step(const std::string& what);

 private:
  void clear_line();
  void draw(const std::string& what);

  std::mutex mutex_;
  bool quiet_;
  bool terminal_;
  bool drawn_ = false;
  size_t total_ = 0;
  size_t done_ = 0;
  std::chrono::steady_clock::time_point begin_;
  std::chrono::steady_clock::time_point last_line_;
};

}  // namespace faultline
