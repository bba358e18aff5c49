// SPDX-License-Identifier: GPL-2.0-only
// The guest's general registers, as a plugin of QEMU's reads them.
//
// Interface 3 has a call for it; callbacks that read registers are registered with
// QEMU_PLUGIN_CB_R_REGS. Interface 1 has none: there we call what QEMU's own debugger's stub calls
// (target/i386/gdbstub.c, x86_cpu_gdb_read_register(), which Debian's 7.2 exports for its modules).
// That is right where the CPU's state is in memory: at the beginning of a translated block, and of
// the stack pointer after an access to memory.
#pragma once

#include <array>
#include <cstdint>

#include "vm/qemu_plugin.h"

namespace faultline::observe {

class Registers {
 public:
  // Must be called before the guest's CPU is made. False if this QEMU does not tell registers.
  bool prepare(qemu_plugin_id_t id);
  // The value of a register of the CPU that runs, by the number that instructions give it
  // (decode.h, MemoryOperand).
  std::uint64_t read(int number);
  // Makes every instruction in the page of `address` a block of its own from now on. Must be called
  // in a callback of the CPU. Returns true with interface 3, where nothing needs it, and false
  // where this QEMU cannot.
  static bool split_blocks(std::uint64_t address);

 private:
  GByteArray* bytes_ = nullptr;
};
Registers& registers();

}  // namespace faultline::observe
