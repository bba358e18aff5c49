// SPDX-License-Identifier: GPL-2.0-only
// What all writers of the crash test share: how they tell the host what they do, and how they make
// stores durable, or do not.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "harness/wire.h"

namespace faultline {

// Throws Failure(kVmFailed) that says `what` and errno.
[[noreturn]] void fail_crash(const std::string& what);

// A descriptor that is closed when it goes; -1, with errno, when the file does not open.
class Descriptor {
 public:
  Descriptor(const std::string& path, int flags);
  ~Descriptor();
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
};

// What a test plants in a writer: it promises, but does not sync, write back, or fence.
struct CrashPlants {
  // `plant` is an id of cell/crash_writer.h. One that is not done in the writer, or an empty one,
  // plants nothing here.
  explicit CrashPlants(const std::string& plant);
  bool skips_syncs = false;
  bool skips_flushes = false;
  bool skips_fences = false;
};

// Tells the host what the writer does: each event is a store to one address, which QEMU's plugin
// writes into its log among the stores to pmem, in the order in which they happen.
class EventChannel {
 public:
  // Throws Failure(kVmFailed) when the address is taken.
  EventChannel();
  ~EventChannel();
  EventChannel(const EventChannel&) = delete;
  EventChannel& operator=(const EventChannel&) = delete;
  void tell(wire::CrashWord event, uint64_t value = 0) const {
    *word_ = wire::crash_word_of(event, value);
  }
  void tell(wire::CrashWord event, uint16_t page, uint16_t sequence) const {
    tell(event, static_cast<uint64_t>(page) << wire::kCrashPageShift | sequence);
  }

 private:
  volatile uint64_t* word_ = nullptr;
};

// Writes back the lines of a whole page or more, and fences.
void write_back_lines(char* at, uint64_t bytes, const CrashPlants& plants);

// The versions that a page of a file holds (crash_versions_in()); none beyond the file's end. For a
// page that cannot be read it is kCrashForeign, with errno, which is 0 else.
std::vector<int> versions_of_page(int fd, uint16_t page);

}  // namespace faultline
