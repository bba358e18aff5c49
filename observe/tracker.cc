// SPDX-License-Identifier: GPL-2.0-only
#include "observe/tracker.h"

#include <numeric>

#include "harness/wire.h"

namespace faultline::observe {
namespace {

// Half of the addresses are user space's, the lower ones.
constexpr bool is_user(std::uint64_t address) { return address >> 63 == 0; }

constexpr std::uint32_t kInterruptions = 0;  // the place of that root
constexpr std::uint32_t kUserCode = 0;       // the code of all blocks of user space

}  // namespace

Tracker::Tracker(Record& record, std::vector<PluginSymbol> symbols, std::uint32_t lanes)
    : record_(record), symbols_(std::move(symbols)), lanes_(lanes) {
  record_.magic = kRecordMagic;
  new_place(0, kInterruptRoot);
  record_.codes = kUserCode + 1;
  state_ = &state_of(0);
}

const Block& Tracker::add_block(std::uint64_t address, std::span<const std::uint8_t> lengths,
                                const Decoded& last, bool halts) {
  Block& block = *blocks_.emplace_back(std::make_unique<Block>());
  block.address = address;
  block.count = static_cast<std::uint32_t>(lengths.size());
  block.end = std::accumulate(lengths.begin(), lengths.end(), address);
  block.user = is_user(address);
  block.ending = last.ending;
  block.halts = halts;
  if (block.user) {
    block.mark = last.mark;
    block.function = kUserSpace;
    block.code = kUserCode;
    return block;
  }
  block.function = find_symbol(symbols_, address);
  if (block.function != kNoFunction) {
    const PluginSymbol& symbol = symbols_[block.function];
    block.starts_function = symbol.address == address;
    block.thunk = (symbol.flags & PluginSymbol::kThunk) != 0;
    if (block.starts_function && (symbol.flags & PluginSymbol::kFault) != 0) {
      block.entry = Entry::kFault;
    } else if (block.starts_function && (symbol.flags & PluginSymbol::kTrap) != 0) {
      block.entry = Entry::kTrap;
    } else if ((symbol.flags & PluginSymbol::kInterrupt) != 0 &&
               (block.starts_function || (symbol.flags & PluginSymbol::kStubs) != 0)) {
      block.entry = Entry::kInterrupt;
    }
  }
  // A block that was translated before, or begins as one and is shorter, has its lengths already.
  const std::uint64_t key = address << 10 | block.count;
  const auto [known, added] = codes_.try_emplace(key, record_.codes);
  block.code = known->second;
  if (!added) return block;
  if (record_.codes == kMostCodes || record_.lengths_used + block.count > kMostLengths) {
    codes_.erase(known);
    block.code = kUserCode;
    record_.full = 1;
    return block;
  }
  record_.code[block.code] = {
      .address = address, .lengths = record_.lengths_used, .count = block.count};
  std::copy(lengths.begin(), lengths.end(), record_.lengths.begin() + record_.lengths_used);
  record_.lengths_used += block.count;
  ++record_.codes;
  return block;
}

Tracker::State& Tracker::state_of(std::uint64_t task) {
  std::unique_ptr<State>& state = states_[task];
  if (state) return *state;
  state = std::make_unique<State>();
  if (record_.threads == kMostThreads) {
    record_.full = 1;
    state->told = &record_.thread.back();
  } else {
    state->told = &record_.thread[record_.threads++];
    *state->told = {.task = task, .root = new_place(0, kThreadRoot), .measured = 0};
  }
  state->place = state->told->root;
  return *state;
}

std::uint32_t Tracker::new_place(std::uint32_t parent, std::uint32_t function) {
  if (record_.places == kMostPlaces) {
    record_.full = 1;
    return parent;
  }
  const std::uint32_t made = record_.places++;
  const bool root = function == kThreadRoot || function == kInterruptRoot;
  record_.place[made].parent = root ? made : parent;
  record_.place[made].function = function;
  return made;
}

std::uint32_t Tracker::child(std::uint32_t parent, std::uint32_t function) {
  const std::uint64_t key = std::uint64_t{parent} << 32 | function;
  const auto known = children_.find(key);
  if (known != children_.end()) return known->second;
  return children_.emplace(key, new_place(parent, function)).first->second;
}

Slot* Tracker::slot_of(std::uint64_t key) {
  std::uint64_t at = key * 0x9e3779b97f4a7c15U >> 46;
  for (std::uint32_t tries = 0; tries < kSlots / 2; ++tries) {
    Slot& slot = record_.slot[at];
    if (slot.key == key) return &slot;
    if (slot.key == 0) {
      slot.key = key;
      return &slot;
    }
    at = (at + 1) % kSlots;
  }
  record_.full = 1;
  return nullptr;
}

void Tracker::count(const Block& block, std::uint32_t from, std::uint32_t to) {
  if (!open_ || from == to) return;
  record_.instructions += to - from;
  if (block.halts && to == block.count) ++record_.halts;
  const std::uint32_t place = state_->place;
  const bool whole = from == 0 && to == block.count;
  Block::Counted& known = block.counted[place % block.counted.size()];
  if (whole && known.at == place) {
    ++known.in->count;
    return;
  }
  Slot* slot =
      slot_of(SlotKey{.code = block.code, .from = from, .to = to, .place = place}.packed());
  if (slot == nullptr) return;
  ++slot->count;
  if (whole) known = {.at = place, .in = slot};
}

void Tracker::enter(const Block& next, std::uint64_t executed) {
  if (current_ != nullptr) {
    auto ran = static_cast<std::uint32_t>(executed - executed_);
    // QEMU's clock has not counted the instruction that faulted, which will run again.
    if (next.entry == Entry::kFault && ran > 0) --ran;
    const bool whole = done_ + ran == current_->count;
    count(*current_, done_, done_ + ran);
    step(whole ? current_ : nullptr, next);
    if (whole && current_->mark != 0) marked(current_->mark);
  }
  if (next.entry == Entry::kFault) note(Event::kExceptions);
  current_ = &next;
  done_ = 0;
  executed_ = executed;
}

void Tracker::leave_task(std::uint64_t task) {
  // The first thread of all becomes known when it gives way.
  if (state_->told->task != 0) return;
  state_->told->task = task;
  auto first = states_.extract(0);
  first.key() = task;
  states_.insert(std::move(first));
}

void Tracker::switch_to(std::uint64_t task, std::uint64_t executed) {
  if (current_ != nullptr) {
    const auto ran = static_cast<std::uint32_t>(executed - executed_);
    count(*current_, done_, done_ + ran);
    done_ += ran;
    executed_ = executed;
  }
  state_ = &state_of(task);
}

void Tracker::step(const Block* before, const Block& next) {
  if (next.entry != Entry::kNone && !(before != nullptr && before->entry == Entry::kInterrupt &&
                                      before->ending == Ending::kOther)) {
    interrupted(before, next);
  } else if (next.user || current_->user) {
    // Back to user space, or a system call.
    state_->frames.clear();
    go_to(state_->told->root, next);
  } else if (before != nullptr && before->ending == Ending::kCall) {
    // A call to the middle of its own function is none: retpolines, and what fills the return
    // stack buffer.
    if (next.function == before->function && !next.starts_function) return;
    state_->frames.push_back({.to = before->end, .place = state_->place});
    go_to(state_->place, next);
  } else if (before != nullptr && before->ending == Ending::kReturn) {
    if (!returned(next)) jumped(next);
  } else if (before != nullptr && before->ending == Ending::kInterruptReturn) {
    // The thread goes on as if the interruption had not been.
    const Block* after = unwind_interruption();
    if (after != nullptr) {
      step(after, next);
    } else {
      jumped(next);
    }
  } else {
    jumped(next);
  }
}

void Tracker::interrupted(const Block* before, const Block& next) {
  const bool user = current_->user;
  if (user) state_->frames.clear();
  const bool interrupt = next.entry == Entry::kInterrupt;
  state_->frames.push_back({.kind = interrupt ? Frame::Kind::kInterrupt : Frame::Kind::kException,
                            .place = state_->place,
                            .after = interrupt ? before : nullptr});
  const std::uint32_t caller = user ? state_->told->root : state_->place;
  go_to(interrupt ? kInterruptions : caller, next);
}

bool Tracker::returned(const Block& next) {
  std::vector<Frame>& frames = state_->frames;
  for (auto frame = frames.rbegin(); frame != frames.rend() && frame->kind == Frame::Kind::kCall;
       ++frame) {
    if (frame->to != next.address) continue;
    state_->place = frame->place;
    frames.erase(std::next(frame).base(), frames.end());
    return true;
  }
  return false;
}

// To another function without a call: a tail call, a detour, or a return from a call that was not
// seen.
void Tracker::jumped(const Block& next) {
  const std::uint32_t from = record_.place[state_->place].function;
  if (next.function == from) return;
  const std::vector<Frame>& frames = state_->frames;
  const bool bottom = frames.empty() || frames.back().kind != Frame::Kind::kCall;
  if (!next.starts_function && bottom && !(from < kSpecialFunctions)) {
    // Nothing is known of the stack.
    go_to(state_->place, next);
    return;
  }
  // Back to a function that came here by a jump: its own cold part, say.
  const std::uint32_t caller =
      frames.empty()
          ? state_->told->root
          : (frames.back().kind == Frame::Kind::kInterrupt ? kInterruptions : frames.back().place);
  for (std::uint32_t at = state_->place; at != caller && at != record_.place[at].parent;
       at = record_.place[at].parent) {
    if (record_.place[at].function != next.function) continue;
    state_->place = at;
    return;
  }
  const bool detour =
      from < kSpecialFunctions && (symbols_[from].flags & PluginSymbol::kThunk) != 0;
  if (bottom && !next.starts_function) {
    // Out of the outermost function that is known.
    go_to(caller, next);
  } else {
    go_to(detour ? record_.place[state_->place].parent : state_->place, next);
  }
}

const Block* Tracker::unwind_interruption() {
  std::vector<Frame>& frames = state_->frames;
  while (!frames.empty() && frames.back().kind == Frame::Kind::kCall) frames.pop_back();
  if (frames.empty()) return nullptr;
  const Frame frame = frames.back();
  frames.pop_back();
  state_->place = frame.place;
  return frame.after;
}

void Tracker::marked(std::uint8_t mark) {
  switch (mark) {
    case wire::kMarkArm:
      armed_ = true;
      break;
    case wire::kMarkBegin:
      if (!armed_) break;
      state_->told->measured = 1;
      ++record_.begun;
      open_ = true;
      break;
    case wire::kMarkPause:
      open_ = false;
      break;
    case wire::kMarkResume:
      open_ = armed_ && record_.begun > 0;
      break;
    case wire::kMarkEnd:
      if (!armed_) break;
      ++record_.ended;
      if (record_.ended < lanes_) break;
      armed_ = false;
      open_ = false;
      break;
    default:
      break;
  }
}

}  // namespace faultline::observe
