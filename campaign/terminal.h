// SPDX-License-Identifier: GPL-2.0-only
// The user's terminal while a guest has it.
#pragma once

#include <termios.h>

#include <cstdint>

namespace faultline {

struct WindowSize {
  std::uint16_t rows = 24;
  std::uint16_t columns = 80;
};
WindowSize window_of(int fd);

// Every key goes through, and nothing is echoed, for as long as this lives; then it is as it was.
class RawTerminal {
 public:
  explicit RawTerminal(int fd);
  ~RawTerminal();
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;

 private:
  int fd_;
  termios before_{};
  bool changed_ = false;
};

}  // namespace faultline
