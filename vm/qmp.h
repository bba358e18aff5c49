// SPDX-License-Identifier: GPL-2.0-only
// QEMU's machine protocol (QMP) over a connected socket.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <deque>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cell/failure.h"
#include "vm/process.h"

namespace faultline {

// How long something is waited for: until a point in time, or until the user cancels the command.
struct Patience {
  std::chrono::steady_clock::time_point until = {};
  const std::atomic<bool>* cancel = nullptr;

  // A patience that is over in `seconds` from now.
  static Patience of(double seconds, const std::atomic<bool>* cancel);
  [[nodiscard]] bool cancelled() const { return cancel != nullptr && cancel->load(); }
  [[nodiscard]] bool over() const {
    return cancelled() || std::chrono::steady_clock::now() >= until;
  }
  // QmpFailure(kCancelled or kTimeout) once it is over; `doing` is what was waited for.
  void require(const std::string& doing) const;
  // Milliseconds for poll(2): at most 50, so that a cancel is seen.
  [[nodiscard]] int slice_ms() const;
};

class QmpFailure : public Failure {
 public:
  enum class Kind {
    kTimeout,
    kCancelled,
    kClosed,   // QEMU is gone, or says what is no QMP
    kRefused,  // QEMU answered with an error
  };
  QmpFailure(Kind kind, const std::string& message)
      : Failure(ExitCode::kVmFailed, message), kind_(kind) {}
  [[nodiscard]] Kind kind() const { return kind_; }

 private:
  Kind kind_;
};

// Cuts a stream into messages, one JSON object a line.
class QmpStream {
 public:
  void feed(std::string_view bytes) { buffer_.append(bytes); }
  // The next message; nullopt while its line is not whole. QmpFailure(kClosed) if a line is no JSON
  // object.
  std::optional<nlohmann::json> next();

 private:
  std::string buffer_;
};

struct QmpEvent {
  std::string name = {};
  nlohmann::json data = {};
};

// Thread-compatible. Every call may throw QmpFailure.
class Qmp {
 public:
  explicit Qmp(Fd socket);

  // Takes QEMU's greeting and answers it, which must come before all else.
  void negotiate(const Patience& patience);
  // Sends a command and waits for its answer, whose `return` it gives. `pass` is a descriptor that
  // is sent along; -1 sends none.
  nlohmann::json call(const std::string& command, const nlohmann::json& arguments,
                      const Patience& patience, int pass = -1);
  // Sends a command whose answer nobody waits for. If the answer is an error, it comes as the event
  // `ERROR` with QEMU's reason as `desc`. `cont` needs this: a guest that runs may fill the channel
  // of its results before QEMU answers, and then QEMU waits until we have read from the channel.
  void post(const std::string& command, const Patience& patience);
  // Takes in what has arrived, without waiting; false once QEMU has closed the socket.
  bool pump();
  // The next of the events that have arrived; each is given once.
  std::optional<QmpEvent> next_event();

  // The descriptor for poll(2); -1 once QEMU has closed the socket.
  [[nodiscard]] int fd() const { return open_ ? socket_.get() : -1; }

 private:
  nlohmann::json wait_for_answer(const std::string& command, const Patience& patience);
  void send(std::string_view text, int pass, const Patience& patience);

  Fd socket_;
  QmpStream stream_;
  std::deque<nlohmann::json> answers_;
  std::deque<QmpEvent> events_;
  std::size_t posted_ = 0;  // how many posted commands QEMU has not answered yet
  bool open_ = true;
};

// What `query-status` says, e.g. `running`.
std::string qmp_status(Qmp& qmp, const Patience& patience);

// Saves the stopped guest into `file`, open for writing, but for memory that lies in a file which
// QEMU shares. QmpFailure(kRefused) with QEMU's reason when it cannot.
void qmp_save(Qmp& qmp, int file, const Patience& patience);

// Begins to restore what qmp_save() wrote, from descriptor `inherited` of QEMU's. The memory's file
// is taken as it is.
void qmp_restore(Qmp& qmp, int inherited, const Patience& patience);

}  // namespace faultline
