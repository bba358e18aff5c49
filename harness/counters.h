// SPDX-License-Identifier: GPL-2.0-only
// The CPU's own counters over a stretch of this process, its new threads included: one perf event
// group, so that all were on the CPU at the same time.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace faultline {

struct CounterRow {
  const char* id;  // the field of the result
  uint32_t type;   // PERF_TYPE_*
  uint64_t config;
  bool kernel_only;
};

// Instructions, cycles and dTLB load misses, in the kernel alone.
std::span<const CounterRow> kernel_counters();

struct CountersRead {
  std::map<std::string, uint64_t> counts = {};  // by id
  std::string reason = {};
};

class Counters {
 public:
  explicit Counters(std::span<const CounterRow> rows = kernel_counters()) : rows_(rows) {}
  ~Counters();
  Counters(const Counters&) = delete;
  Counters& operator=(const Counters&) = delete;

  // Opens the events and lets them count. What is refused is told by stop(); throws nothing. A
  // process forked from here on is counted too, so fork those that do something else before.
  void start();
  // What each row counted; what was refused is not there, and the reason says why.
  CountersRead stop();

 private:
  struct Open {
    const CounterRow* row = nullptr;
    int fd = -1;
  };
  void close_all();
  std::span<const CounterRow> rows_;
  std::vector<Open> open_;
  std::string reason_;
};

// What the kernel's refusal of an event means to a user; `paranoid` is perf_event_paranoid.
std::string why_no_counter(const char* id, int error, const std::string& paranoid);

}  // namespace faultline
