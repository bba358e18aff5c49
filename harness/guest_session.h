// SPDX-License-Identifier: GPL-2.0-only
// A command of the user's in a guest that has tools and every file system mounted: process 1 sets
// it up, carries bytes between it and the host, and tells its exit code.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace faultline {

// Runs as process 1 after begin_guest(); `ticks` are those of its start. What the host asks for is
// in wire::kCellFile: {command, tty, rows, columns, term, virtual, fs, in, out}. Powers off when
// the command ends. Never returns.
[[noreturn]] void session_main(uint64_t ticks);

// Messages from the host (harness/wire.h), taken as their bytes come.
class InputMessages {
 public:
  struct Message {
    char type = 0;
    std::string bytes;
  };
  void feed(std::string_view bytes) { buffer_.append(bytes); }
  // Takes the next message. False when none is whole yet.
  bool next(Message& message);

 private:
  std::string buffer_;
};

}  // namespace faultline
