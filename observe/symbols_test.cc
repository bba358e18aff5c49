// SPDX-License-Identifier: GPL-2.0-only
#include "observe/symbols.h"

#include <gtest/gtest.h>

namespace faultline::observe {
namespace {

constexpr char kText[] =
    "0000000000001000 T user\n"
    "ffffffff81000100 t second\n"
    "ffffffff81000000 t __alias\n"
    "ffffffff81000000 T first\n"
    "ffffffff81000180 D data\n"
    "nonsense\n"
    "ffffffff81000190 t \t[of_no_name]\n"
    "ffffffffc0000000 t in_module\t[ext4]\n"
    "ffffffff81000200 T asm_sysvec_apic_timer_interrupt";

TEST(Symbols, AreOfCodeInOrder) {
  const Symbols symbols = Symbols::of_kallsyms(kText);
  ASSERT_EQ(symbols.size(), 4U);
  EXPECT_EQ(symbols.name(0), "first") << "a global name before a local one";
  EXPECT_EQ(symbols.name(1), "second");
  EXPECT_EQ(symbols.name(3), "in_module");
  EXPECT_EQ(symbols.for_plugin()[0].size, 0x100U);
  EXPECT_EQ(symbols.for_plugin()[2].flags, PluginSymbol::kInterrupt);
}

TEST(Symbols, AnAddressIsOfTheOneBefore) {
  const Symbols symbols = Symbols::of_kallsyms(kText);
  EXPECT_EQ(symbols.find(0xffffffff81000000), 0U);
  EXPECT_EQ(symbols.find(0xffffffff810000ff), 0U);
  EXPECT_EQ(symbols.find(0xffffffff81000100), 1U);
  EXPECT_EQ(symbols.find(0xffffffff80ffffff), kNoFunction);
  EXPECT_EQ(symbols.find(0xffffffffa0000000), kNoFunction) << "too far from any";
  EXPECT_EQ(symbols.find(0xffffffffc0000010), 3U);
}

TEST(Symbols, WhatTheCpuEnters) {
  EXPECT_EQ(symbol_flags("asm_exc_page_fault"), PluginSymbol::kFault);
  EXPECT_EQ(symbol_flags("asm_exc_int3"), PluginSymbol::kTrap);
  EXPECT_EQ(symbol_flags("asm_exc_nmi"), PluginSymbol::kInterrupt);
  EXPECT_EQ(symbol_flags("asm_common_interrupt"), PluginSymbol::kInterrupt);
  EXPECT_EQ(symbol_flags("irq_entries_start"), PluginSymbol::kInterrupt | PluginSymbol::kStubs);
  EXPECT_EQ(symbol_flags("__x86_indirect_thunk_rax"), PluginSymbol::kThunk);
  EXPECT_EQ(symbol_flags("exc_page_fault"), 0U);
}

}  // namespace
}  // namespace faultline::observe
