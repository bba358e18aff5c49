// SPDX-License-Identifier: GPL-2.0-only
#include "observe/registers.h"

#include <algorithm>
#include <cstring>
#include <string_view>

namespace faultline::observe {

namespace {

// gdb's order of x86-64's registers (gdb/features/i386/64bit-core.xml), by the number that
// instructions give them.
#if FAULTLINE_PLUGIN_INTERFACE == 1
constexpr std::array<int, 16> kGdbNumbers = {0, 2, 3, 1, 7, 6, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15};
#else
constexpr std::array<std::string_view, 16> kNames = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp",
                                                     "rsi", "rdi", "r8",  "r9",  "r10", "r11",
                                                     "r12", "r13", "r14", "r15"};
std::array<qemu_plugin_register*, 16> g_handles = {};  // NOLINT: a callback fills it

// The registers are known once there is a CPU.
void on_cpu(qemu_plugin_id_t /*id*/, unsigned /*vcpu*/) {
  const GArray* list = qemu_plugin_get_registers();
  const auto* descriptors = reinterpret_cast<const qemu_plugin_reg_descriptor*>(list->data);
  for (unsigned i = 0; i < list->len; ++i) {
    for (std::size_t number = 0; number < kNames.size(); ++number) {
      if (kNames.at(number) == descriptors[i].name) g_handles.at(number) = descriptors[i].handle;
    }
  }
}
#endif

}  // namespace

bool Registers::prepare([[maybe_unused]] qemu_plugin_id_t id) {
#if FAULTLINE_PLUGIN_INTERFACE == 1
  if (g_byte_array_new == nullptr || qemu_get_cpu == nullptr ||
      x86_cpu_gdb_read_register == nullptr) {
    return false;
  }
#else
  if (g_byte_array_new == nullptr) return false;
  qemu_plugin_register_vcpu_init_cb(id, on_cpu);
#endif
  bytes_ = g_byte_array_new();
  return true;
}

std::uint64_t Registers::read(int number) {
  g_byte_array_set_size(bytes_, 0);
#if FAULTLINE_PLUGIN_INTERFACE == 1
  x86_cpu_gdb_read_register(qemu_get_cpu(0), bytes_,
                            kGdbNumbers.at(static_cast<std::size_t>(number)));
#else
  qemu_plugin_read_register(g_handles.at(static_cast<std::size_t>(number)), bytes_);
#endif
  std::uint64_t value = 0;
  std::memcpy(&value, bytes_->data, std::min<std::size_t>(bytes_->len, sizeof value));
  return value;
}

bool Registers::split_blocks([[maybe_unused]] std::uint64_t address) {
#if FAULTLINE_PLUGIN_INTERFACE == 1
  if (cpu_breakpoint_insert == nullptr || tb_flush == nullptr) return false;
  // A breakpoint that is neither the debugger's nor the guest's never stops; its page is translated
  // an instruction at a time (accel/tcg/cpu-exec.c, check_for_breakpoints(), 6.2 to 8.0).
  constexpr int kOfNobody = 0;
  if (cpu_breakpoint_insert(qemu_get_cpu(0), address, kOfNobody, nullptr) != 0) return false;
  tb_flush(qemu_get_cpu(0));
#endif
  return true;
}

Registers& registers() {
  static Registers one;
  return one;
}

}  // namespace faultline::observe
