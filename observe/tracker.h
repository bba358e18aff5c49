// SPDX-License-Identifier: GPL-2.0-only
// Follows a guest block by block: which thread runs, in which function, called from where, and
// whether in an interruption. Counts into a Record what is executed while a loop is measured.
// Knows nothing of QEMU.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "observe/decode.h"
#include "observe/record.h"

namespace faultline::observe {

// How the CPU came to the first instruction of a block.
enum class Entry : std::uint8_t { kNone, kInterrupt, kFault, kTrap };

// A block of instructions with one way in.
struct Block {
  std::uint64_t address = 0;
  std::uint64_t end = 0;  // of its last instruction
  std::uint32_t code = 0;
  std::uint32_t count = 0;  // of instructions
  std::uint32_t function = kNoFunction;
  bool user = false;
  bool starts_function = false;
  bool thunk = false;
  bool halts = false;
  Entry entry = Entry::kNone;
  Ending ending = Ending::kOther;
  std::uint8_t mark = 0;  // of its last instruction
  // The slots in which the whole block was counted last, by the last bits of the place.
  struct Counted {
    std::uint32_t at = UINT32_MAX;
    Slot* in = nullptr;
  };
  mutable std::array<Counted, 4> counted = {};
  // Where its function was last called from, and the place that it had then.
  mutable std::uint32_t called_from = UINT32_MAX;
  mutable std::uint32_t called_at = 0;
};

class Tracker {
 public:
  // `lanes`: threads that touch, after whose last end the measured loop is over.
  Tracker(Record& record, std::vector<PluginSymbol> symbols, std::uint32_t lanes);

  // A block as it is first seen; it stays where it is.
  const Block& add_block(std::uint64_t address, std::span<const std::uint8_t> lengths,
                         const Decoded& last, bool halts);

  // The CPU comes to a block. `executed` instructions were begun before, since whenever.
  void enter(const Block& block, std::uint64_t executed);
  // Both are called in the middle of a block: the stack is from now on that of another task. The
  // instruction that does it is among the `executed`.
  void leave_task(std::uint64_t task);
  void switch_to(std::uint64_t task, std::uint64_t executed);
  // Counts an event at the current place, in the middle of a block, while the loop is measured.
  void note(Event event, std::uint64_t count = 1) {
    if (open_) here().events.at(static_cast<std::size_t>(event)) += count;
  }
  [[nodiscard]] bool is_open() const { return open_; }

 private:
  struct Frame {
    enum class Kind : std::uint8_t { kCall, kException, kInterrupt };
    Kind kind = Kind::kCall;
    std::uint64_t to = 0;          // a call's return
    std::uint32_t place = 0;       // to be in again
    const Block* after = nullptr;  // an interruption's: the block that had ended
  };
  struct State {
    Thread* told = nullptr;
    std::uint32_t place = 0;
    std::vector<Frame> frames = {};
  };

  Place& here() { return record_.place[state_->place]; }
  State& state_of(std::uint64_t task);
  std::uint32_t child(std::uint32_t parent, std::uint32_t function);
  // The thread comes to the function of a block, which `parent` called.
  void go_to(std::uint32_t parent, const Block& next) {
    if (next.called_from != parent) {
      next.called_at = child(parent, next.function);
      next.called_from = parent;
    }
    state_->place = next.called_at;
    if (open_) ++here().entered;
  }
  std::uint32_t new_place(std::uint32_t parent, std::uint32_t function);
  void count(const Block& block, std::uint32_t from, std::uint32_t to);
  Slot* slot_of(std::uint64_t key);
  // Follows the thread from the block before, which ran to its end or not, to the next.
  void step(const Block* before, const Block& next);
  void interrupted(const Block* before, const Block& next);
  bool returned(const Block& next);
  void jumped(const Block& next);
  const Block* unwind_interruption();
  void marked(std::uint8_t mark);

  Record& record_;
  std::vector<PluginSymbol> symbols_;
  std::uint32_t lanes_;
  std::vector<std::unique_ptr<Block>> blocks_;
  std::unordered_map<std::uint64_t, std::uint32_t> codes_;
  std::unordered_map<std::uint64_t, std::uint32_t> children_;
  std::unordered_map<std::uint64_t, std::unique_ptr<State>> states_;
  State* state_ = nullptr;
  const Block* current_ = nullptr;
  std::uint32_t done_ = 0;      // instructions of the current block that are counted already
  std::uint64_t executed_ = 0;  // as it was then
  bool armed_ = false;
  bool open_ = false;
};

}  // namespace faultline::observe
