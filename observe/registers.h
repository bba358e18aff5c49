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
  // Before the guest's CPU is made. False: this QEMU does not tell.
  bool prepare(qemu_plugin_id_t id);
  // By an instruction's number of it (decode.h, MemoryOperand), of the CPU that runs.
  std::uint64_t read(int number);
  // Makes every instruction in the page of `address` a block of its own from now on, in callbacks
  // of the CPU alone. True of interface 3, where nothing needs it; false: this QEMU cannot.
  static bool split_blocks(std::uint64_t address);

 private:
  GByteArray* bytes_ = nullptr;
};
Registers& registers();

}  // namespace faultline::observe
