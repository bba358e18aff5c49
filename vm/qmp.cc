// SPDX-License-Identifier: GPL-2.0-only
#include "vm/qmp.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

#include "cell/json_text.h"

namespace faultline {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

[[noreturn]] void closed(const std::string& what) {
  throw QmpFailure(QmpFailure::Kind::kClosed, "QEMU " + what);
}

void wait_for(int fd, short events, const std::string& doing, const Patience& patience) {
  patience.require(doing);
  pollfd entry{fd, events, 0};
  ::poll(&entry, 1, patience.slice_ms());
}

}  // namespace

Patience Patience::of(double seconds, const std::atomic<bool>* cancel) {
  const std::chrono::duration<double> span(std::clamp(seconds, 0.0, 1e8));
  return {steady_clock::now() + std::chrono::duration_cast<steady_clock::duration>(span), cancel};
}

void Patience::require(const std::string& doing) const {
  if (cancelled()) throw QmpFailure(QmpFailure::Kind::kCancelled, "cancelled");
  if (over()) {
    throw QmpFailure(QmpFailure::Kind::kTimeout,
                     fmt::format("QEMU did not answer `{}` in time", doing));
  }
}

int Patience::slice_ms() const {
  const auto left = std::chrono::ceil<milliseconds>(until - steady_clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 50));
}

std::optional<json> QmpStream::next() {
  for (;;) {
    const std::size_t end = buffer_.find('\n');
    if (end == std::string::npos) return std::nullopt;
    std::string line = buffer_.substr(0, end);
    buffer_.erase(0, end + 1);
    if (line.find_first_not_of(" \r\t") == std::string::npos) continue;
    json message = parse_json(line);
    if (!message.is_object()) closed("says what is no QMP: " + line.substr(0, 80));
    return message;
  }
}

Qmp::Qmp(Fd socket) : socket_(std::move(socket)) { ::fcntl(socket_.get(), F_SETFL, O_NONBLOCK); }

bool Qmp::pump() {
  std::array<char, 1 << 14> buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  while (open_) {
    const ssize_t n = ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (n > 0) {
      stream_.feed({buffer.data(), static_cast<std::size_t>(n)});
      continue;
    }
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    open_ = false;
  }
  while (std::optional<json> message = stream_.next()) {
    if (message->contains("event")) {
      events_.push_back({text_in(*message, "event"), message->value("data", json::object())});
    } else if (posted_ > 0) {
      --posted_;
      if (message->contains("error")) events_.push_back({"ERROR", message->at("error")});
    } else {
      answers_.push_back(*std::move(message));
    }
  }
  return open_;
}

json Qmp::wait_for_answer(const std::string& command, const Patience& patience) {
  for (;;) {
    const bool open = pump();
    if (!answers_.empty()) {
      json answer = std::move(answers_.front());
      answers_.pop_front();
      return answer;
    }
    if (!open) closed(fmt::format("ended while `{}` was waited for", command));
    wait_for(socket_.get(), POLLIN, command, patience);
  }
}

void Qmp::negotiate(const Patience& patience) {
  const json greeting = wait_for_answer("greeting", patience);
  if (!greeting.contains("QMP")) closed("greets with what is no QMP");
  call("qmp_capabilities", json::object(), patience);
}

void Qmp::send(std::string_view text, int pass, const Patience& patience) {
  while (!text.empty()) {
    iovec part{const_cast<char*>(text.data()), text.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    if (pass >= 0) {
      message.msg_control = control.data();
      message.msg_controllen = control.size();
      cmsghdr* header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(sizeof(int));
      std::memcpy(CMSG_DATA(header), &pass, sizeof pass);
    }
    const ssize_t n = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) {
      text.remove_prefix(static_cast<std::size_t>(n));
      pass = -1;
    } else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      wait_for(socket_.get(), POLLOUT, "command", patience);
    } else if (n >= 0 || errno != EINTR) {
      closed("takes no more commands");
    }
  }
}

json Qmp::call(const std::string& command, const json& arguments, const Patience& patience,
               int pass) {
  send(json{{"execute", command}, {"arguments", arguments}}.dump() + "\n", pass, patience);
  const json answer = wait_for_answer(command, patience);
  if (answer.contains("error")) {
    throw QmpFailure(QmpFailure::Kind::kRefused,
                     fmt::format("QEMU refused `{}`: {}", command,
                                 text_in(answer["error"], "desc", "no reason given")));
  }
  return answer.value("return", json::object());
}

void Qmp::post(const std::string& command, const Patience& patience) {
  send(json{{"execute", command}}.dump() + "\n", -1, patience);
  ++posted_;
}

std::optional<QmpEvent> Qmp::next_event() {
  if (events_.empty()) return std::nullopt;
  QmpEvent event = std::move(events_.front());
  events_.pop_front();
  return event;
}

std::string qmp_status(Qmp& qmp, const Patience& patience) {
  return text_in(qmp.call("query-status", json::object(), patience), "status");
}

namespace {

void leave_shared_memory_out(Qmp& qmp, const Patience& patience) {
  qmp.call("migrate-set-capabilities",
           {{"capabilities", json::array({{{"capability", "x-ignore-shared"}, {"state", true}}})}},
           patience);
}

}  // namespace

void qmp_restore(Qmp& qmp, int inherited, const Patience& patience) {
  leave_shared_memory_out(qmp, patience);
  qmp.call("migrate-incoming", {{"uri", fmt::format("fd:{}", inherited)}}, patience);
}

void qmp_save(Qmp& qmp, int file, const Patience& patience) {
  leave_shared_memory_out(qmp, patience);
  // QEMU limits its speed for the sake of a guest that runs meanwhile. This one stands still, so no
  // limit is needed.
  qmp.call("migrate-set-parameters", {{"max-bandwidth", 1'000'000'000'000}}, patience);
  qmp.call("getfd", {{"fdname", "state"}}, patience, file);
  qmp.call("migrate", {{"uri", "fd:state"}}, patience);
  auto nap = milliseconds(2);
  for (;;) {
    const json answer = qmp.call("query-migrate", json::object(), patience);
    const std::string status = text_in(answer, "status");
    if (status == "completed") return;
    if (status == "failed" || status == "cancelled") {
      throw QmpFailure(QmpFailure::Kind::kRefused,
                       fmt::format("QEMU cannot save the guest: {}",
                                   text_in(answer, "error-desc", "no reason given")));
    }
    patience.require("migrate");
    std::this_thread::sleep_for(nap);
    nap = std::min(nap * 2, milliseconds(20));
  }
}

}  // namespace faultline
