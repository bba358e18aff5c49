// SPDX-License-Identifier: GPL-2.0-only
// Guests of a few blocks, whose call trees are known.
#include "observe/tracker.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <memory>
#include <string>

#include "cell/failure.h"
#include "harness/wire.h"
#include "observe/export.h"
#include "observe/profile.h"

namespace faultline::observe {
namespace {

constexpr std::uint64_t kTextStart = 0xffffffff81000000;
constexpr std::uint64_t kUser = 0x400000;

// Functions of 0x100 bytes each, and instructions of one byte.
const char* const kFunctions[] = {"asm_exc_page_fault",
                                  "asm_sysvec_apic_timer_interrupt",
                                  "__switch_to_asm",
                                  "fault",
                                  "leaf",
                                  "tail",
                                  "kjournald2",
                                  "__x86_indirect_thunk_rax",
                                  "entry_SYSCALL_64",
                                  "ext4_fc_commit"};

std::string kallsyms() {
  std::string text;
  std::uint64_t at = kTextStart;
  for (const char* name : kFunctions) {
    char line[64];
    std::snprintf(line, sizeof line, "%016lx T %s\n", at, name);
    text += line;
    at += 0x100;
  }
  return text;
}

std::uint64_t address_of(const std::string& name) {
  std::uint64_t at = kTextStart;
  for (const char* other : kFunctions) {
    if (name == other) return at;
    at += 0x100;
  }
  return 0;
}

class Guest : public testing::Test {
 protected:
  Guest()
      : symbols_(Symbols::of_kallsyms(kallsyms())),
        record_(std::make_unique<Record>()),
        tracker_(*record_, symbols_.for_plugin(), 1) {}

  // `count` instructions at an offset of a function; the block is entered, and it runs unless
  // something happens.
  void run(const std::string& function, std::uint64_t offset, std::uint32_t count,
           Ending ending = Ending::kOther) {
    enter(address_of(function) + offset, count, {.ending = ending}, count);
  }
  // The last of `begun` instructions faults.
  void run_into_fault(const std::string& function, std::uint64_t offset, std::uint32_t count,
                      std::uint32_t begun) {
    enter(address_of(function) + offset, count, {}, begun);
  }
  void user(std::uint32_t count, std::uint8_t mark = 0) {
    enter(kUser, count, {.mark = mark}, count);
  }
  void user_into_fault(std::uint32_t count, std::uint32_t begun) { enter(kUser, count, {}, begun); }
  void begin() {
    user(1, wire::kMarkArm);
    user(1, wire::kMarkBegin);
  }
  void end() {
    user(1, wire::kMarkEnd);
    user(1);
  }
  Profile profile() { return profile_of(*record_, symbols_, record_->instructions); }
  std::map<std::string, std::uint64_t> stacks() {
    std::map<std::string, std::uint64_t> all;
    for (const auto& [stack, instructions] : profile().stacks) {
      std::string line;
      for (const std::string& frame : stack) line += (line.empty() ? "" : ";") + frame;
      all[line] = instructions;
    }
    return all;
  }

  void enter(std::uint64_t address, std::uint32_t count, const Decoded& last, std::uint32_t begun) {
    const std::vector<std::uint8_t> lengths(count, 1);
    tracker_.enter(tracker_.add_block(address, lengths, last, last.halt), executed_);
    executed_ += begun;
  }

  Symbols symbols_;
  std::unique_ptr<Record> record_;
  Tracker tracker_;
  std::uint64_t executed_ = 0;
};

using Stacks = std::map<std::string, std::uint64_t>;

TEST_F(Guest, OnlyTheArmedLoopCounts) {
  user(5);
  user(1, wire::kMarkBegin);  // the warm-up's
  user(7);
  user(1, wire::kMarkEnd);
  begin();
  user(3);
  end();
  user(1, wire::kMarkBegin);  // the cost of the bare loop
  user(9);
  end();
  EXPECT_EQ(record_->instructions, 4U) << "after the one mark, up to the other";
  EXPECT_EQ(record_->begun, 1U);
  EXPECT_EQ(stacks(), (Stacks{{"touch;[user]", 4}}));
}

TEST_F(Guest, APauseDoesNotCount) {
  begin();
  user(2);
  user(4, wire::kMarkPause);
  user(50);
  user(1, wire::kMarkResume);
  user(3);
  end();
  EXPECT_EQ(record_->instructions, 2U + 4 + 3 + 1);
}

TEST_F(Guest, AFaultingInstructionIsCountedWhenItIsDone) {
  begin();
  user_into_fault(4, 2);  // the second of four faults
  run("asm_exc_page_fault", 0, 2, Ending::kCall);
  run("fault", 0, 3, Ending::kReturn);
  run("asm_exc_page_fault", 2, 1, Ending::kInterruptReturn);
  user(3);  // from the faulting one on
  end();
  EXPECT_EQ(stacks(), (Stacks{{"touch;[user]", 1 + 3 + 1},
                              {"touch;asm_exc_page_fault", 3},
                              {"touch;asm_exc_page_fault;fault", 3}}));
  EXPECT_EQ(profile().event(Event::kExceptions), 1U);
  EXPECT_EQ(profile().path(), 11U);
}

TEST_F(Guest, CallsTailCallsAndReturns) {
  begin();
  run("entry_SYSCALL_64", 0, 2, Ending::kCall);
  run("fault", 0, 1, Ending::kCall);
  run("leaf", 0, 4, Ending::kReturn);
  run("fault", 1, 2);                  // jumps to
  run("tail", 0, 5, Ending::kReturn);  // which returns for it
  run("entry_SYSCALL_64", 2, 1, Ending::kInterruptReturn);
  end();
  EXPECT_EQ(stacks(), (Stacks{{"touch;[user]", 1},
                              {"touch;entry_SYSCALL_64", 3},
                              {"touch;entry_SYSCALL_64;fault", 3},
                              {"touch;entry_SYSCALL_64;fault;leaf", 4},
                              {"touch;entry_SYSCALL_64;fault;tail", 5}}));
  EXPECT_EQ((profile().calls.at({"fault", "leaf"})), 1U);
}

TEST_F(Guest, RetpolinesAndReturnStackFillsAreNoCalls) {
  begin();
  run("entry_SYSCALL_64", 0, 1, Ending::kCall);
  run("__x86_indirect_thunk_rax", 0, 1, Ending::kCall);
  run("__x86_indirect_thunk_rax", 3, 2, Ending::kReturn);  // to where rax points
  run("leaf", 0, 4, Ending::kCall);
  run("leaf", 8, 2, Ending::kReturn);  // past what fills the buffer: to leaf's caller
  run("entry_SYSCALL_64", 1, 1, Ending::kInterruptReturn);
  end();
  EXPECT_EQ(stacks(), (Stacks{{"touch;[user]", 1},
                              {"touch;entry_SYSCALL_64", 2},
                              {"touch;entry_SYSCALL_64;__x86_indirect_thunk_rax", 3},
                              {"touch;entry_SYSCALL_64;leaf", 6}}));
}

TEST_F(Guest, AnInterruptionIsApartAndChangesNothing) {
  begin();
  run("entry_SYSCALL_64", 0, 2, Ending::kCall);
  // Between a call and the function that is called.
  run("asm_sysvec_apic_timer_interrupt", 0, 1, Ending::kCall);
  run("leaf", 0, 7, Ending::kReturn);
  run("asm_sysvec_apic_timer_interrupt", 1, 2, Ending::kInterruptReturn);
  run("fault", 0, 3, Ending::kReturn);
  run("entry_SYSCALL_64", 2, 1, Ending::kInterruptReturn);
  end();
  EXPECT_EQ(stacks(), (Stacks{{"interruption;asm_sysvec_apic_timer_interrupt", 3},
                              {"interruption;asm_sysvec_apic_timer_interrupt;leaf", 7},
                              {"touch;[user]", 1},
                              {"touch;entry_SYSCALL_64", 3},
                              {"touch;entry_SYSCALL_64;fault", 3}}));
  EXPECT_EQ(profile().path(), 7U);
  EXPECT_EQ(profile().functions.at("interruption:leaf"), 7U);
}

TEST_F(Guest, AnotherThreadHasAStackOfItsOwn) {
  begin();
  run("entry_SYSCALL_64", 0, 2, Ending::kCall);
  run("__switch_to_asm", 0, 4);
  executed_ -= 2;  // half of the block has run when the stack is another's
  tracker_.leave_task(0xff01);
  tracker_.switch_to(0xff02, executed_);
  executed_ += 2;
  run("kjournald2", 5, 6, Ending::kCall);
  run("__switch_to_asm", 0, 4);
  executed_ -= 2;
  tracker_.switch_to(0xff01, executed_);
  executed_ += 2;
  run("entry_SYSCALL_64", 2, 1, Ending::kInterruptReturn);
  end();
  const Stacks all = stacks();
  EXPECT_EQ(all.at("jbd2;kjournald2"), 6U);
  EXPECT_EQ(all.at("jbd2;kjournald2;__switch_to_asm"), 2U);
  EXPECT_EQ(all.at("touch;entry_SYSCALL_64;__switch_to_asm"), 4U);
  EXPECT_EQ(profile().parties[static_cast<std::size_t>(Party::kJournal)], 10U);
  EXPECT_EQ(profile().path(), profile().total());
}

TEST_F(Guest, AClockThatJumpedIsIdleOnlyAfterAHalt) {
  begin();
  user(3);
  end();
  EXPECT_THROW(profile_of(*record_, symbols_, 5), Failure);
  EXPECT_THROW(profile_of(*record_, symbols_, 3), Failure);
  record_->halts = 1;
  const Profile profile = profile_of(*record_, symbols_, 1000);
  EXPECT_EQ(profile.skipped, 996U);
  EXPECT_EQ(profile.total(), 1000U);
  EXPECT_EQ(profile.path(), 4U);
  EXPECT_EQ(profile.functions.at("[halted]"), 996U);
}

TEST_F(Guest, WhatIsOfNoFunctionIsSaid) {
  begin();
  enter(kTextStart + 0x900 + (1U << 16), 3, {}, 3);
  end();
  EXPECT_EQ(profile().unattributed, 3U);
}

TEST_F(Guest, ALoopThatDidNotEndIsRefused) {
  begin();
  user(3);
  user(1);
  EXPECT_THROW(profile(), Failure);
}

TEST_F(Guest, AFastCommitIsOfTheJournal) {
  begin();
  run("entry_SYSCALL_64", 0, 2, Ending::kCall);
  run("ext4_fc_commit", 0, 3, Ending::kCall);
  run("leaf", 0, 1);
  tracker_.note(Event::kBytes, 4096);
  run("leaf", 1, 1, Ending::kReturn);
  run("ext4_fc_commit", 3, 1, Ending::kReturn);
  run("entry_SYSCALL_64", 2, 1);
  tracker_.note(Event::kBytes, 8);
  run("entry_SYSCALL_64", 3, 1, Ending::kInterruptReturn);
  end();
  EXPECT_EQ(profile().journal_bytes, 4096U);
  EXPECT_EQ(profile().event(Event::kBytes), 4104U);
}

TEST_F(Guest, ItsProfileIsWrittenForOtherTools) {
  begin();
  run("entry_SYSCALL_64", 0, 2, Ending::kCall);
  run("fault", 0, 3, Ending::kReturn);
  run("entry_SYSCALL_64", 2, 1, Ending::kInterruptReturn);
  end();
  EXPECT_EQ(folded(profile()),
            "touch;[user] 1\ntouch;entry_SYSCALL_64 3\ntouch;entry_SYSCALL_64;fault 3\n");
  EXPECT_EQ(callgrind(profile(), "a cell"),
            "# callgrind format\nversion: 1\ncreator: faultline\ncmd: a cell\n"
            "positions: line\nevent: Ir : instructions\nevents: Ir\nsummary: 7\n\nfl=guest\n"
            "\nfn=[user]\n0 1\n"
            "\nfn=entry_SYSCALL_64\n0 3\ncfn=fault\ncalls=1 0\n0 3\n"
            "\nfn=fault\n0 3\n\ntotals: 7\n");
  const std::string packed = pprof(profile(), "a cell");
  std::string text(1000, '\0');
  z_stream stream{};
  ASSERT_EQ(inflateInit2(&stream, 15 + 16), Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(text.data());
  stream.avail_out = static_cast<uInt>(text.size());
  ASSERT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  text.resize(stream.total_out);
  inflateEnd(&stream);
  // sample_type {type: 1, unit: 2}, then the first sample: locations 1 and 2, one instruction.
  EXPECT_EQ(text.substr(0, 6), std::string("\x0a\x04\x08\x01\x10\x02", 6));
  EXPECT_EQ(text.substr(6, 9), std::string("\x12\x07\x0a\x02\x01\x02\x12\x01\x01", 9));
}

}  // namespace
}  // namespace faultline::observe
