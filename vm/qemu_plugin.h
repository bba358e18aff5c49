// SPDX-License-Identifier: GPL-2.0-only
// What our plugins (pmem_log_plugin.cc, observe/plugin.cc) use of QEMU's interface. Debian has no
// package of qemu-plugin.h. A plugin names one version of the interface, which QEMU refuses if it
// is too old or too new, so that each is built twice. FAULTLINE_PLUGIN_INTERFACE is 1 (QEMU 4.2 to
// 8.2) or 3 (9.1 and later: qemu_plugin_insn_data() is as below only from there on).
#pragma once

#include <cstddef>
#include <cstdint>

// The names are QEMU's.
// NOLINTBEGIN(readability-identifier-naming)
extern "C" {
using qemu_plugin_id_t = std::uint64_t;
using qemu_plugin_meminfo_t = std::uint32_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_plugin_hwaddr;
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_CB_R_REGS };
enum qemu_plugin_mem_rw { QEMU_PLUGIN_MEM_R = 1, QEMU_PLUGIN_MEM_W, QEMU_PLUGIN_MEM_RW };
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };

// These are GLib's, which QEMU is linked with.
struct GByteArray {
  std::uint8_t* data;
  unsigned len;
};
__attribute__((weak)) GByteArray* g_byte_array_new();
__attribute__((weak)) GByteArray* g_byte_array_set_size(GByteArray* array, unsigned length);

using faultline_tb_callback = void (*)(qemu_plugin_id_t, qemu_plugin_tb*);
using faultline_exec_callback = void (*)(unsigned, void*);
using faultline_exit_callback = void (*)(qemu_plugin_id_t, void*);
using faultline_memory_callback = void (*)(unsigned, qemu_plugin_meminfo_t, std::uint64_t, void*);

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, faultline_tb_callback callback);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, faultline_exit_callback callback, void*);
void qemu_plugin_register_vcpu_tb_exec_cb(qemu_plugin_tb* tb, faultline_exec_callback callback,
                                          qemu_plugin_cb_flags flags, void* data);
void qemu_plugin_register_vcpu_insn_exec_cb(qemu_plugin_insn* insn,
                                            faultline_exec_callback callback,
                                            qemu_plugin_cb_flags flags, void* data);
void qemu_plugin_register_vcpu_mem_cb(qemu_plugin_insn* insn, faultline_memory_callback callback,
                                      qemu_plugin_cb_flags flags, qemu_plugin_mem_rw rw,
                                      void* data);
std::size_t qemu_plugin_tb_n_insns(const qemu_plugin_tb* tb);
qemu_plugin_insn* qemu_plugin_tb_get_insn(const qemu_plugin_tb* tb, std::size_t index);
std::uint64_t qemu_plugin_insn_vaddr(const qemu_plugin_insn* insn);
void* qemu_plugin_insn_haddr(const qemu_plugin_insn* insn);
std::size_t qemu_plugin_insn_size(const qemu_plugin_insn* insn);
unsigned qemu_plugin_mem_size_shift(qemu_plugin_meminfo_t info);
bool qemu_plugin_mem_is_store(qemu_plugin_meminfo_t info);
qemu_plugin_hwaddr* qemu_plugin_get_hwaddr(qemu_plugin_meminfo_t info, std::uint64_t vaddr);
bool qemu_plugin_hwaddr_is_io(const qemu_plugin_hwaddr* address);
std::uint64_t qemu_plugin_hwaddr_phys_addr(const qemu_plugin_hwaddr* address);
#if FAULTLINE_PLUGIN_INTERFACE == 1
const void* qemu_plugin_insn_data(const qemu_plugin_insn* insn);
void qemu_plugin_register_vcpu_insn_exec_inline(qemu_plugin_insn* insn, qemu_plugin_op op, void* at,
                                                std::uint64_t value);
void qemu_plugin_register_vcpu_tb_exec_inline(qemu_plugin_tb* tb, qemu_plugin_op op, void* at,
                                              std::uint64_t value);
// These are not of the interface; observe/registers.h says why they are called.
struct CPUState;
__attribute__((weak)) CPUState* qemu_get_cpu(int index);
__attribute__((weak)) int x86_cpu_gdb_read_register(CPUState* cpu, GByteArray* to, int number);
__attribute__((weak)) int cpu_breakpoint_insert(CPUState* cpu, std::uint64_t at, int flags,
                                                void** made);
__attribute__((weak)) void tb_flush(CPUState* cpu);
#else
std::size_t qemu_plugin_insn_data(const qemu_plugin_insn* insn, void* to, std::size_t bytes);
struct GArray {
  char* data;
  unsigned len;
};
struct qemu_plugin_register;
struct qemu_plugin_reg_descriptor {
  qemu_plugin_register* handle;
  const char* name;
  const char* feature;
};
using faultline_cpu_callback = void (*)(qemu_plugin_id_t, unsigned);
void qemu_plugin_register_vcpu_init_cb(qemu_plugin_id_t id, faultline_cpu_callback callback);
GArray* qemu_plugin_get_registers();
int qemu_plugin_read_register(qemu_plugin_register* handle, GByteArray* to);
struct qemu_plugin_scoreboard;  // an element of each virtual CPU
struct qemu_plugin_u64 {
  qemu_plugin_scoreboard* score;
  std::size_t offset;
};
qemu_plugin_scoreboard* qemu_plugin_scoreboard_new(std::size_t element);
void* qemu_plugin_scoreboard_find(qemu_plugin_scoreboard* score, unsigned vcpu);
void qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(qemu_plugin_insn* insn, qemu_plugin_op op,
                                                         qemu_plugin_u64 at, std::uint64_t value);
void qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(qemu_plugin_tb* tb, qemu_plugin_op op,
                                                       qemu_plugin_u64 at, std::uint64_t value);
#endif

#define FAULTLINE_EXPORT __attribute__((visibility("default")))
FAULTLINE_EXPORT extern int qemu_plugin_version;
FAULTLINE_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const void* info, int argc,
                                         char** argv);
}
// NOLINTEND(readability-identifier-naming)
