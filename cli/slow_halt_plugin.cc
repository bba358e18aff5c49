// SPDX-License-Identifier: GPL-2.0-only
// For busy_vm_test.cc: a plugin of QEMU's TCG, of interface 1, that makes the race of
// harness/wait.h a certainty. Preloaded too, it holds QEMU's vCPU thread for some time between its
// mark that the CPU has halted and its account of the instructions that ran before (7.2:
// accel/tcg/cpu-exec-common.c, cpu_loop_exit(), which do_hlt() of target/i386 calls). Makes the
// file that FAULTLINE_HALTED names a byte longer each time.
#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <ctime>

#include "vm/qemu_plugin.h"

int qemu_plugin_version = FAULTLINE_PLUGIN_INTERFACE;

namespace {

constexpr long kHeldNs = 300'000;
constexpr unsigned char kHlt = 0xf4;

thread_local bool t_halting = false;

void on_hlt(unsigned /*vcpu*/, void* /*data*/) { t_halting = true; }

void on_translation(qemu_plugin_id_t /*id*/, qemu_plugin_tb* tb) {
  for (std::size_t i = 0; i < qemu_plugin_tb_n_insns(tb); ++i) {
    qemu_plugin_insn* insn = qemu_plugin_tb_get_insn(tb, i);
    if (qemu_plugin_insn_size(insn) != 1 ||
        *static_cast<const unsigned char*>(qemu_plugin_insn_data(insn)) != kHlt) {
      continue;
    }
    qemu_plugin_register_vcpu_insn_exec_cb(insn, on_hlt, QEMU_PLUGIN_CB_NO_REGS, nullptr);
  }
}

[[noreturn]] void jump(const char* name, void* to, int value) {
  if (t_halting) {
    t_halting = false;
    const timespec held{0, kHeldNs};
    nanosleep(&held, nullptr);
    static const int told =
        ::open(std::getenv("FAULTLINE_HALTED"), O_CREAT | O_WRONLY | O_APPEND, 0600);
    if (::write(told, "h", 1) != 1) std::abort();
  }
  reinterpret_cast<void (*)(void*, int)>(dlsym(RTLD_NEXT, name))(to, value);
  __builtin_unreachable();
}

}  // namespace

int qemu_plugin_install(qemu_plugin_id_t id, const void* /*info*/, int /*argc*/, char** /*argv*/) {
  qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
  return 0;
}

// The names are the C library's.
// NOLINTBEGIN(readability-identifier-naming, bugprone-reserved-identifier)
extern "C" {
[[noreturn]] FAULTLINE_EXPORT void __longjmp_chk(void* to, int value) {
  jump("__longjmp_chk", to, value);
}
[[noreturn]] FAULTLINE_EXPORT void siglongjmp(void* to, int value) {
  jump("siglongjmp", to, value);
}
}
// NOLINTEND(readability-identifier-naming, bugprone-reserved-identifier)
