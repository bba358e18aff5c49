// SPDX-License-Identifier: GPL-2.0-only
#include "vm/qmp.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>
#include <thread>

namespace faultline {
namespace {

constexpr char kGreeting[] = "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n";

// The other side: answers each line that comes with the next of `answers`.
class FakeQemu {
 public:
  FakeQemu(Fd socket, std::vector<std::string> answers)
      : socket_(std::move(socket)), thread_([this, answers = std::move(answers)] {
          say(kGreeting);
          for (const std::string& answer : answers) {
            heard_ += line();
            if (answer == "close") break;
            say(answer);
          }
          if (!answers.empty() && answers.back() == "close") socket_.reset();
        }) {}
  std::string heard() {
    thread_.join();
    return heard_;
  }

 private:
  void say(const std::string& text) const {
    if (::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL) < 0) return;
  }
  [[nodiscard]] std::string line() const {
    std::string text;
    char c = 0;
    while (::read(socket_.get(), &c, 1) == 1) {
      text.push_back(c);
      if (c == '\n') break;
    }
    return text;
  }
  Fd socket_;
  std::string heard_;
  std::jthread thread_;
};

Patience soon() { return Patience::of(5, nullptr); }

QmpFailure::Kind kind_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const QmpFailure& failure) {
    return failure.kind();
  }
  throw std::runtime_error("it did not fail");
}

TEST(QmpStream, CutsLinesAtEveryByte) {
  const std::string text = "{\"a\": 1}\r\n\r\n{\"b\": {}}\r\n";
  for (std::size_t at = 0; at <= text.size(); ++at) {
    QmpStream stream;
    std::vector<std::string> messages;
    for (const std::string& part : {text.substr(0, at), text.substr(at)}) {
      stream.feed(part);
      while (const auto message = stream.next()) messages.push_back(message->dump());
    }
    EXPECT_EQ(messages, (std::vector<std::string>{"{\"a\":1}", "{\"b\":{}}"})) << at;
  }
  QmpStream stream;
  stream.feed("not json\n");
  EXPECT_THROW(stream.next(), QmpFailure);
}

TEST(Qmp, CallsAndEventsAreKeptApart) {
  auto [here, there] = socket_pair();
  FakeQemu qemu(std::move(there),
                {"{\"return\": {}}\r\n",
                 "{\"event\": \"STOP\"}\r\n{\"return\": {\"status\": \"paused\"}}\r\n"
                 "{\"event\": \"SHUTDOWN\", \"data\": {\"reason\": \"guest-reset\"}}\r\n"});
  Qmp qmp(std::move(here));
  qmp.negotiate(soon());
  EXPECT_EQ(qmp_status(qmp, soon()), "paused");
  EXPECT_EQ(qemu.heard(),
            "{\"arguments\":{},\"execute\":\"qmp_capabilities\"}\n"
            "{\"arguments\":{},\"execute\":\"query-status\"}\n");
  qmp.pump();
  EXPECT_EQ(qmp.next_event()->name, "STOP");
  EXPECT_EQ(qmp.next_event()->data.value("reason", ""), "guest-reset");
  EXPECT_FALSE(qmp.next_event());
}

TEST(Qmp, EveryWayToFailHasItsKind) {
  {
    auto [here, there] = socket_pair();
    FakeQemu qemu(
        std::move(there),
        {"{\"return\": {}}\r\n",
         "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no way\"}}\r\n", "close"});
    Qmp qmp(std::move(here));
    qmp.negotiate(soon());
    try {
      qmp.call("cont", nlohmann::json::object(), soon());
      FAIL();
    } catch (const QmpFailure& failure) {
      EXPECT_EQ(failure.kind(), QmpFailure::Kind::kRefused);
      EXPECT_STREQ(failure.what(), "QEMU refused `cont`: no way");
    }
    EXPECT_EQ(kind_of([&] { qmp.call("quit", nlohmann::json::object(), soon()); }),
              QmpFailure::Kind::kClosed);
  }
  auto [here, there] = socket_pair();
  Qmp qmp(std::move(here));
  EXPECT_EQ(kind_of([&] { qmp.negotiate(Patience::of(0.05, nullptr)); }),
            QmpFailure::Kind::kTimeout);
  const std::atomic<bool> cancel = true;
  EXPECT_EQ(kind_of([&] { qmp.negotiate(Patience::of(5, &cancel)); }),
            QmpFailure::Kind::kCancelled);
}

TEST(Patience, SlicesAreShortAndNeverNegative) {
  EXPECT_EQ(Patience::of(100, nullptr).slice_ms(), 50);
  EXPECT_EQ(Patience::of(-1, nullptr).slice_ms(), 0);
  EXPECT_TRUE(Patience::of(0, nullptr).over());
  EXPECT_FALSE(Patience::of(1e30, nullptr).over());
}

TEST(Patience, ACancelIsNoTimeout) {
  const std::atomic<bool> cancel = true;
  EXPECT_EQ(kind_of([&] { Patience::of(100, &cancel).require("it"); }),
            QmpFailure::Kind::kCancelled);
  EXPECT_EQ(kind_of([&] { Patience::of(0, &cancel).require("it"); }), QmpFailure::Kind::kCancelled);
  EXPECT_EQ(kind_of([] { Patience::of(0, nullptr).require("it"); }), QmpFailure::Kind::kTimeout);
  Patience::of(100, nullptr).require("it");
}

}  // namespace
}  // namespace faultline
