// SPDX-License-Identifier: GPL-2.0-only
// What of an x86-64 instruction the observer has to know, by its bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace faultline::observe {

// How a block ends.
enum class Ending : std::uint8_t { kOther, kCall, kReturn, kInterruptReturn };

// What an instruction does to a line, in this order: nothing; clwb; clflushopt; clflush, which
// alone is done when it is executed (Intel SDM volume 2, CLFLUSH).
enum class Flush : std::uint8_t { kNone, kWriteBack, kEvict, kEvictInOrder };

struct Decoded {
  Ending ending = Ending::kOther;
  Flush flush = Flush::kNone;
  bool fence = false;             // sfence, mfence
  bool locked = false;            // by a prefix, or xchg with memory
  bool non_temporal = false;      // a store past the caches
  bool tlb_invalidation = false;  // invlpg, invpcid, mov to CR3
  bool address_space = false;     // of these mov to CR3
  bool control_register = false;  // a store to another than CR3, which may invalidate as well
  bool halt = false;
  bool may_fault = true;  // false: of what a compiler makes, registers alone
  std::uint8_t mark = 0;  // the prefix of a read of the clock that is marked (harness/wire.h)
  // The stack's switch from one thread to another, __switch_to_asm() of every kernel: where the
  // stack pointer lies from the address of the task.
  bool saves_stack = false;  // mov %rsp, OFFSET(%rdi): the task that goes
  bool loads_stack = false;  // mov OFFSET(%rsi), %rsp: the task that comes
  std::int32_t offset = 0;
};
Decoded decode(std::span<const std::uint8_t> bytes);

// Where an instruction finds its operand in memory: base + index * scale + displacement. Registers
// by the numbers that instructions give them (rax 0, rcx 1, rdx 2, rbx 3, rsp 4, ... r15 15).
struct MemoryOperand {
  static constexpr int kNone = -1;
  static constexpr int kNextInstruction = 16;  // the base is the next instruction's address
  int base = kNone;
  int index = kNone;
  unsigned scale = 1;
  std::int32_t displacement = 0;
};
// The operand of a write-back of a line (Decoded::flush); nullopt if the instruction is none, is
// cut short, or lies in a segment of its own (fs, gs).
std::optional<MemoryOperand> flushed_operand(std::span<const std::uint8_t> bytes);

}  // namespace faultline::observe
