// SPDX-License-Identifier: GPL-2.0-only
#include "observe/profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "cell/failure.h"

namespace faultline::observe {
namespace {

constexpr const char* kNames[kParties] = {"touch",        "user", "jbd2", "kworker",
                                          "interruption", "idle", "other"};
constexpr EventName kEventNames[] = {
#define FAULTLINE_NAME(event, id_, means_) {.id = (id_), .means = (means_)},
    FAULTLINE_EVENTS(FAULTLINE_NAME)
#undef FAULTLINE_NAME
};
constexpr const char* kUserFunction = "[user]";
constexpr const char* kHaltedFunction = "[halted]";
constexpr const char* kUnknownFunction = "[unknown]";

// What a thread is, by a function that no other kind of thread runs.
Party party_by(const std::set<std::string>& functions) {
  if (functions.contains("kjournald2")) return Party::kJournal;
  if (functions.contains("do_idle") || functions.contains("cpuidle_idle_call")) return Party::kIdle;
  if (functions.contains("worker_thread") || functions.contains("process_one_work")) {
    return Party::kWorker;
  }
  return Party::kOther;
}

class Reader {
 public:
  Reader(const Record& record, const Symbols& symbols) : record_(record), symbols_(symbols) {
    name_parties();
  }

  void read(Profile& into) {
    for (const Slot& slot : record_.slot) {
      if (slot.key != 0 && slot.count != 0) add(SlotKey::of(slot.key), slot.count, into);
    }
    for (std::uint32_t at = 0; at < record_.places; ++at) {
      const Place& place = record_.place[at];
      if (place.entered != 0 && place.parent != root_of(at)) {
        const Party party = party_of(at);
        into.calls[{full_name(party, name_of(record_.place[place.parent].function)),
                    full_name(party, name_of(place.function))}] += place.entered;
      }
      if (place.events == EventCounts{}) continue;
      EventCounts& of_stack = into.stack_events[stack_of(at, party_of(at))];
      for (std::size_t i = 0; i < kEvents; ++i) {
        into.events[i] += place.events[i];
        of_stack[i] += place.events[i];
      }
      if (const std::uint64_t bytes = place.events[static_cast<std::size_t>(Event::kBytes)];
          bytes != 0 && (party_of(at) == Party::kJournal || is_fast_commit(at))) {
        into.journal_bytes += bytes;
      }
    }
  }

 private:
  [[nodiscard]] std::uint32_t root_of(std::uint32_t place) const {
    while (record_.place[place].parent != place) place = record_.place[place].parent;
    return place;
  }
  // Written by whoever asks for it (fs/ext4/fast_commit.c, ext4_fc_commit(), from 5.10 on).
  [[nodiscard]] bool is_fast_commit(std::uint32_t place) const {
    for (; record_.place[place].parent != place; place = record_.place[place].parent) {
      if (name_of(record_.place[place].function) == "ext4_fc_commit") return true;
    }
    return false;
  }
  [[nodiscard]] std::string name_of(std::uint32_t function) const {
    if (function == kUserSpace) return kUserFunction;
    return function < symbols_.size() ? symbols_.name(function) : kUnknownFunction;
  }
  // Functions of others than the threads that touch bear their party's name.
  static std::string full_name(Party party, const std::string& name) {
    if (party == Party::kTouch || party == Party::kUser) return name;
    return std::string(party_name(party)) + ":" + name;
  }
  [[nodiscard]] Party party_of(std::uint32_t place) const {
    const Party party = parties_.at(root_of(place));
    return party == Party::kTouch && record_.place[place].function == kUserSpace ? Party::kUser
                                                                                 : party;
  }

  void name_parties() {
    std::map<std::uint32_t, std::set<std::string>> functions;
    for (std::uint32_t at = 0; at < record_.places; ++at) {
      functions[root_of(at)].insert(name_of(record_.place[at].function));
    }
    for (const auto& [root, names] : functions) {
      parties_[root] =
          record_.place[root].function == kInterruptRoot ? Party::kInterruption : party_by(names);
    }
    for (std::uint32_t i = 0; i < record_.threads; ++i) {
      if (record_.thread[i].measured != 0) parties_[record_.thread[i].root] = Party::kTouch;
    }
  }

  [[nodiscard]] Profile::Stack stack_of(std::uint32_t place, Party party) const {
    Profile::Stack stack;
    for (; record_.place[place].parent != place; place = record_.place[place].parent) {
      stack.push_back(name_of(record_.place[place].function));
    }
    // What is in user space is under the threads that touch.
    stack.emplace_back(party_name(party == Party::kUser ? Party::kTouch : party));
    std::reverse(stack.begin(), stack.end());
    return stack;
  }

  void add(const SlotKey& key, std::uint64_t count, Profile& into) const {
    const Party party = party_of(key.place);
    const std::uint32_t here = record_.place[key.place].function;
    const Code& code = record_.code[key.code];
    const auto put = [&](std::uint32_t function, std::uint64_t instructions) {
      const std::uint64_t all = instructions * count;
      into.instructions += all;
      into.parties[static_cast<std::size_t>(party)] += all;
      if (function == kNoFunction) into.unattributed += all;
      const std::string name = name_of(function);
      into.functions[full_name(party, name)] += all;
      Profile::Stack stack = stack_of(key.place, party);
      // A block that runs on into what stands behind its function.
      if (function != here) stack.push_back(name);
      into.stacks[std::move(stack)] += all;
    };
    if (here == kUserSpace || code.address == 0) {
      put(kUserSpace, key.to - key.from);
      return;
    }
    std::uint64_t address = code.address;
    for (std::uint32_t i = 0; i < key.from; ++i) address += record_.lengths[code.lengths + i];
    std::uint32_t run = 0;
    std::uint32_t function = symbols_.find(address);
    for (std::uint32_t i = key.from; i < key.to; ++i) {
      const std::uint32_t of = symbols_.find(address);
      if (of != function) {
        put(function, run);
        function = of;
        run = 0;
      }
      ++run;
      address += record_.lengths[code.lengths + i];
    }
    put(function, run);
  }

  const Record& record_;
  const Symbols& symbols_;
  std::map<std::uint32_t, Party> parties_;  // by root
};

[[noreturn]] void refuse(const std::string& why) {
  throw Failure(ExitCode::kRegression, "the observer: " + why);
}

}  // namespace

const char* party_name(Party party) { return kNames[static_cast<std::size_t>(party)]; }

const EventName& event_name(Event event) { return kEventNames[static_cast<std::size_t>(event)]; }

std::string frame_name(const std::vector<std::string>& stack, std::size_t frame) {
  return stack.front() == party_name(Party::kTouch) ? stack[frame]
                                                    : stack.front() + ":" + stack[frame];
}

bool is_path(Party party) {
  return party == Party::kTouch || party == Party::kUser || party == Party::kJournal ||
         party == Party::kWorker;
}

std::uint64_t Profile::path() const {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < kParties; ++i) {
    if (is_path(static_cast<Party>(i))) sum += parties[i];
  }
  return sum;
}

Profile profile_of(const Record& record, const Symbols& symbols, std::uint64_t figure) {
  if (record.magic != kRecordMagic) refuse("QEMU did not run it");
  if (record.full != 0) refuse("a table was full, what came then is lost");
  if (record.begun == 0 || record.begun != record.ended) {
    refuse(fmt::format("{} loops began and {} ended", record.begun, record.ended));
  }
  Profile profile;
  profile.flush_addresses = record.flush_addresses != 0;
  Reader(record, symbols).read(profile);
  if (profile.instructions != record.instructions) {
    refuse(fmt::format("functions come to {} instructions, {} were executed", profile.instructions,
                       record.instructions));
  }
  if (figure < record.instructions || (figure > record.instructions && record.halts == 0)) {
    refuse(fmt::format("{} instructions were executed where the guest's clock counts {}",
                       record.instructions, figure));
  }
  profile.skipped = figure - record.instructions;
  if (profile.skipped == 0) return profile;
  profile.functions[kHaltedFunction] += profile.skipped;
  profile.parties[static_cast<std::size_t>(Party::kIdle)] += profile.skipped;
  profile.stacks[{party_name(Party::kIdle), kHaltedFunction}] += profile.skipped;
  return profile;
}

}  // namespace faultline::observe
