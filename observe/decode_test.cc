// SPDX-License-Identifier: GPL-2.0-only
#include "observe/decode.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <vector>

#include "harness/wire.h"

namespace faultline::observe {
namespace {

Decoded decoded(std::initializer_list<std::uint8_t> bytes) {
  return decode(std::vector<std::uint8_t>(bytes));
}

TEST(Decode, HowABlockEnds) {
  EXPECT_EQ(decoded({0xe8, 0x01, 0, 0, 0}).ending, Ending::kCall);
  EXPECT_EQ(decoded({0xff, 0xd0}).ending, Ending::kCall) << "call *%rax";
  EXPECT_EQ(decoded({0x41, 0xff, 0xd3}).ending, Ending::kCall) << "call *%r11";
  EXPECT_EQ(decoded({0xff, 0x14, 0xc5, 0, 0, 0, 0}).ending, Ending::kCall);
  EXPECT_EQ(decoded({0xff, 0xe0}).ending, Ending::kOther) << "jmp *%rax";
  EXPECT_EQ(decoded({0xc3}).ending, Ending::kReturn);
  EXPECT_EQ(decoded({0xf3, 0xc3}).ending, Ending::kReturn) << "rep ret";
  EXPECT_EQ(decoded({0x48, 0xcf}).ending, Ending::kInterruptReturn);
  EXPECT_EQ(decoded({0x48, 0x0f, 0x07}).ending, Ending::kInterruptReturn) << "sysretq";
  EXPECT_EQ(decoded({0x0f, 0x05}).ending, Ending::kOther) << "syscall";
  EXPECT_TRUE(decoded({0xf4}).halt);
  EXPECT_EQ(decoded({}).ending, Ending::kOther);
}

TEST(Decode, WriteBacksAndFences) {
  EXPECT_EQ(decoded({0x66, 0x0f, 0xae, 0x30}).flush, Flush::kWriteBack) << "clwb (%rax)";
  EXPECT_EQ(decoded({0x66, 0x0f, 0xae, 0x38}).flush, Flush::kEvict) << "clflushopt (%rax)";
  EXPECT_EQ(decoded({0x0f, 0xae, 0x38}).flush, Flush::kEvictInOrder) << "clflush (%rax)";
  EXPECT_EQ(decoded({0x0f, 0xae, 0x30}).flush, Flush::kNone) << "xsaveopt (%rax)";
  EXPECT_TRUE(decoded({0x0f, 0xae, 0xf8}).fence) << "sfence";
  EXPECT_TRUE(decoded({0x0f, 0xae, 0xf0}).fence) << "mfence";
  EXPECT_FALSE(decoded({0x0f, 0xae, 0xe8}).fence) << "lfence";
  EXPECT_FALSE(decoded({0x66, 0x0f, 0xae, 0xf0}).fence) << "tpause";
}

TEST(Decode, StoresPastTheCaches) {
  EXPECT_TRUE(decoded({0x4c, 0x0f, 0xc3, 0x07}).non_temporal) << "movnti %r8, (%rdi)";
  EXPECT_TRUE(decoded({0x66, 0x0f, 0xe7, 0x07}).non_temporal) << "movntdq";
  EXPECT_TRUE(decoded({0x0f, 0x2b, 0x07}).non_temporal) << "movntps";
  EXPECT_TRUE(decoded({0xc5, 0xfd, 0xe7, 0x07}).non_temporal) << "vmovntdq %ymm0, (%rdi)";
  EXPECT_TRUE(decoded({0xc4, 0xc1, 0x7d, 0xe7, 0x07}).non_temporal) << "vmovntdq %ymm0, (%r15)";
  EXPECT_FALSE(decoded({0xc5, 0xfd, 0x6f, 0x07}).non_temporal) << "vmovdqa";
  EXPECT_FALSE(decoded({0xc4, 0xe2, 0x7d, 0x2b, 0x07}).non_temporal)
      << "vpackusdw (%rdi), %ymm0, %ymm0: the opcode of vmovntps in another map";
  EXPECT_FALSE(decoded({0x48, 0x89, 0x07}).non_temporal);
}

TEST(Decode, WhatLocksAndWhatInvalidates) {
  EXPECT_TRUE(decoded({0xf0, 0x0f, 0xb1, 0x0f}).locked) << "lock cmpxchg";
  EXPECT_TRUE(decoded({0x87, 0x07}).locked) << "xchg %eax, (%rdi)";
  EXPECT_FALSE(decoded({0x87, 0xc7}).locked) << "xchg %eax, %edi";
  EXPECT_TRUE(decoded({0x0f, 0x01, 0x38}).tlb_invalidation) << "invlpg (%rax)";
  EXPECT_FALSE(decoded({0x0f, 0x01, 0xf8}).tlb_invalidation) << "swapgs";
  EXPECT_TRUE(decoded({0x0f, 0x22, 0xd8}).tlb_invalidation) << "mov %rax, %cr3";
  EXPECT_TRUE(decoded({0x0f, 0x22, 0xd8}).address_space) << "the same";
  EXPECT_FALSE(decoded({0x0f, 0x01, 0x38}).address_space) << "invlpg (%rax)";
  EXPECT_FALSE(decoded({0x0f, 0x22, 0xe0}).tlb_invalidation) << "mov %rax, %cr4";
  EXPECT_FALSE(decoded({0x0f, 0x22, 0xe0}).address_space) << "the same";
  EXPECT_TRUE(decoded({0x66, 0x0f, 0x38, 0x82, 0x08}).tlb_invalidation) << "invpcid";
}

TEST(Decode, ReadsOfTheClockByTheirPrefix) {
  EXPECT_EQ(decoded({0x0f, 0x31}).mark, 0);
  EXPECT_EQ(decoded({0x3e, 0x0f, 0x31}).mark, wire::kMarkBegin);
  EXPECT_EQ(decoded({0x2e, 0x0f, 0x31}).mark, wire::kMarkEnd);
  EXPECT_EQ(decoded({0x3e, 0x48, 0x89, 0x07}).mark, 0);
}

TEST(Decode, TheStacksSwitch) {
  const Decoded saves = decoded({0x48, 0x89, 0xa7, 0xd8, 0x14, 0, 0});
  EXPECT_TRUE(saves.saves_stack);
  EXPECT_FALSE(saves.loads_stack);
  EXPECT_EQ(saves.offset, 0x14d8);
  const Decoded loads = decoded({0x48, 0x8b, 0xa6, 0xd8, 0x14, 0, 0});
  EXPECT_TRUE(loads.loads_stack);
  EXPECT_EQ(loads.offset, 0x14d8);
  EXPECT_FALSE(decoded({0x48, 0x8b, 0x9e, 0x78, 0x09, 0, 0}).loads_stack) << "into rbx";
}

// Encodings as GNU as makes them.
TEST(Decode, WhereAWriteBackFindsItsLine) {
  using Bytes = std::vector<std::uint8_t>;
  const auto operand = [](const Bytes& bytes) {
    return flushed_operand(bytes).value_or(MemoryOperand{.base = -7});
  };
  const auto is = [](const MemoryOperand& found, int base, int index, unsigned scale, int more) {
    return found.base == base && found.index == index && found.scale == scale &&
           found.displacement == more;
  };
  EXPECT_TRUE(is(operand({0x66, 0x0f, 0xae, 0x30}), 0, -1, 1, 0)) << "clwb (%rax)";
  EXPECT_TRUE(is(operand({0x66, 0x41, 0x0f, 0xae, 0x33}), 11, -1, 1, 0)) << "clwb (%r11)";
  EXPECT_TRUE(is(operand({0x66, 0x0f, 0xae, 0x77, 0xc0}), 7, -1, 1, -64)) << "clwb -64(%rdi)";
  EXPECT_TRUE(is(operand({0x0f, 0xae, 0xb8, 0, 1, 0, 0}), 0, -1, 1, 256)) << "clflush 256(%rax)";
  EXPECT_TRUE(is(operand({0x66, 0x0f, 0xae, 0x34, 0xc8}), 0, 1, 8, 0)) << "clwb (%rax,%rcx,8)";
  EXPECT_TRUE(is(operand({0x66, 0x42, 0x0f, 0xae, 0x34, 0x20}), 0, 12, 1, 0)) << "(%rax,%r12)";
  EXPECT_TRUE(is(operand({0x66, 0x43, 0x0f, 0xae, 0x7c, 0x65, 0x08}), 13, 12, 2, 8))
      << "clflushopt 8(%r13,%r12,2)";
  EXPECT_TRUE(is(operand({0x66, 0x0f, 0xae, 0x34, 0x24}), 4, -1, 1, 0)) << "clwb (%rsp)";
  EXPECT_TRUE(is(operand({0x66, 0x0f, 0xae, 0x34, 0x25, 0, 0x10, 0, 0}), -1, -1, 1, 4096))
      << "clwb 4096";
  EXPECT_TRUE(is(operand({0x66, 0x0f, 0xae, 0x35, 0xf0, 0xff, 0xff, 0xff}),
                 MemoryOperand::kNextInstruction, -1, 1, -16))
      << "clwb -16(%rip)";
  EXPECT_TRUE(is(operand({0x66, 0x41, 0x0f, 0xae, 0x75, 0x00}), 13, -1, 1, 0)) << "clwb (%r13)";
  EXPECT_FALSE(flushed_operand(Bytes{0x48, 0x89, 0x07})) << "a store";
  EXPECT_FALSE(flushed_operand(Bytes{0x66, 0x0f, 0xae, 0x77})) << "cut short";
  EXPECT_FALSE(flushed_operand(Bytes{0x65, 0x66, 0x0f, 0xae, 0x30})) << "clwb %gs:(%rax)";
}

}  // namespace
}  // namespace faultline::observe
