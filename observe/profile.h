// SPDX-License-Identifier: GPL-2.0-only
// What the observer's tables come to: each executed instruction of a measured loop by the function
// that executed it and by who called that.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "observe/record.h"
#include "observe/symbols.h"

namespace faultline::observe {

// The party for whom an instruction was executed.
enum class Party : unsigned {
  kTouch,         // the threads that touch, in the kernel
  kUser,          // the same in user space
  kJournal,       // jbd2's thread
  kWorker,        // the kernel's workers (XFS's log)
  kInterruption,  // ticks, and the softirqs that run as they end
  kIdle,          // nobody had work
  kOther,         // all other threads
  kParties
};
inline constexpr std::size_t kParties = static_cast<std::size_t>(Party::kParties);
const char* party_name(Party party);
// An event's name in the callgrind format, and what it means.
struct EventName {
  const char* id;
  const char* means;
};
const EventName& event_name(Event event);
// The name that `functions` has of a frame of a stack.
std::string frame_name(const std::vector<std::string>& stack, std::size_t frame);
// Tells whether what is executed for a party belongs to the fault's own path.
bool is_path(Party party);

struct Profile {
  // A stack's frames, the outermost, which is the party, first. `stacks` has the instructions of
  // the innermost frame's own.
  using Stack = std::vector<std::string>;

  std::uint64_t instructions = 0;  // all that were executed
  std::uint64_t skipped = 0;       // of the clock, while the CPU was halted
  std::uint64_t unattributed = 0;  // of the instructions, outside every known function
  std::array<std::uint64_t, kParties> parties = {};
  std::map<std::string, std::uint64_t> functions = {};
  std::map<Stack, std::uint64_t> stacks = {};
  // How often a function was come to from another, both by the names that `functions` has.
  std::map<std::pair<std::string, std::string>, std::uint64_t> calls = {};
  EventCounts events = {};                         // of all places
  std::map<Stack, EventCounts> stack_events = {};  // of each that has any
  std::uint64_t journal_bytes = 0;  // stored to pmem by jbd2's thread, and in fast commits
  bool flush_addresses = false;

  [[nodiscard]] std::uint64_t total() const { return instructions + skipped; }
  [[nodiscard]] std::uint64_t path() const;
  [[nodiscard]] std::uint64_t event(Event event) const {
    return events.at(static_cast<std::size_t>(event));
  }
};

// `figure`: the loop's length by the guest's own clock, which is the record's count of instructions
// and, if the CPU was halted, what the clock moved on meanwhile. Failure(kRegression), in words,
// for a record that is not whole or comes to something else.
Profile profile_of(const Record& record, const Symbols& symbols, std::uint64_t figure);

}  // namespace faultline::observe
