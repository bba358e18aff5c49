// SPDX-License-Identifier: GPL-2.0-only
// A plugin of QEMU's TCG: logs every store of a guest to its pmem (vm/pmem_log.h).
//
// Arguments: ram=FILE, which backs the guest's RAM; low=MIB of it below 4 GiB; pmem=MIB of it from
// 4 GiB on; out=FOLDER. QEMU calls it from the one thread of its virtual CPU.
// Built for the interfaces 1 and 2 (qemu_plugin.h).
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "harness/wire.h"
#include "vm/pmem_log.h"
#include "vm/qemu_plugin.h"

int qemu_plugin_version = FAULTLINE_PLUGIN_INTERFACE;

namespace faultline {
namespace {

struct Log {
  std::string folder;
  int ram_file = -1;
  const unsigned char* ram = nullptr;
  std::uint64_t low = 0;
  std::uint64_t pmem = 0;
  std::FILE* out = nullptr;  // open between the words kBegin and kEnd
#if FAULTLINE_PLUGIN_INTERFACE == 1
  std::uint64_t executed = 0;
#else
  qemu_plugin_u64 executed = {};
#endif
  std::uint64_t told = 0;  // how many executed instructions the log tells already
};
Log g;  // NOLINT: QEMU gives callbacks no place of their own

[[noreturn]] void give_up(const char* what) {
  std::fprintf(stderr, "faultline's pmem log: %s: %s\n", what, std::strerror(errno));
  std::_Exit(1);
}

// Counts the instructions that the guest executes, from the block `tb` on.
void count_block(qemu_plugin_tb* tb, std::size_t instructions) {
#if FAULTLINE_PLUGIN_INTERFACE == 1
  qemu_plugin_register_vcpu_tb_exec_inline(tb, QEMU_PLUGIN_INLINE_ADD_U64, &g.executed,
                                           instructions);
#else
  qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(tb, QEMU_PLUGIN_INLINE_ADD_U64, g.executed,
                                                    instructions);
#endif
}

std::uint64_t executed() {
#if FAULTLINE_PLUGIN_INTERFACE == 1
  return g.executed;
#else
  return *static_cast<std::uint64_t*>(qemu_plugin_scoreboard_find(g.executed.score, 0));
#endif
}

// The offset of an address in the file that backs the guest's RAM; past the file's end if the
// address is no RAM. What QEMU calls a physical address here (plugins/api.c,
// qemu_plugin_hwaddr_phys_addr()) is one from 8.2 on: the pmem begins at 4 GiB. Before, it is an
// offset into all memory that QEMU has given the guest, of which the file is the first.
std::uint64_t offset_of(qemu_plugin_meminfo_t info, std::uint64_t address) {
  constexpr std::uint64_t kHigh = std::uint64_t{4} << 30;
  const qemu_plugin_hwaddr* where = qemu_plugin_get_hwaddr(info, address);
  if (where == nullptr || qemu_plugin_hwaddr_is_io(where)) return UINT64_MAX;
  const std::uint64_t at = qemu_plugin_hwaddr_phys_addr(where);
  return at < kHigh ? at : at - kHigh + g.low;
}

void put(std::uint64_t value, std::uint64_t offset, unsigned kind) {
  PmemRecord record;
  record.value = value;
  record.where = static_cast<std::uint32_t>(offset) | kind << PmemRecord::kOffsetBits;
  const std::uint64_t now = executed();
  record.instructions =
      static_cast<std::uint32_t>(std::min<std::uint64_t>(now - g.told, UINT32_MAX));
  g.told = now;
  if (std::fwrite(&record, sizeof record, 1, g.out) != 1) give_up("log");
}

// The pages of the pmem that are not all zeroes.
void dump(const char* name) {
  std::FILE* out = std::fopen((g.folder + "/" + name).c_str(), "we");
  if (out == nullptr) give_up(name);
  static constexpr std::array<unsigned char, kPmemPage> kZeroes{};
  PmemPage page;
  for (std::uint64_t at = 0; at < g.pmem; at += kPmemPage) {
    const unsigned char* bytes = g.ram + g.low + at;
    if (std::memcmp(bytes, kZeroes.data(), kPmemPage) == 0) continue;
    page.index = at / kPmemPage;
    std::memcpy(page.bytes, bytes, kPmemPage);
    if (std::fwrite(&page, sizeof page, 1, out) != 1) give_up(name);
  }
  if (std::fclose(out) != 0) give_up(name);
}

void on_word(std::uint64_t word) {
  const auto kind = static_cast<wire::CrashWord>(word >> wire::kCrashWordShift);
  if (kind == wire::CrashWord::kBegin && g.out == nullptr) {
    dump(kPmemBeginFile);
    g.out = std::fopen((g.folder + "/" + kPmemLogFile).c_str(), "we");
    if (g.out == nullptr) give_up(kPmemLogFile);
    g.told = executed();
  }
  if (g.out == nullptr) return;
  put(word, 0, PmemRecord::kWord);
  if (kind != wire::CrashWord::kEnd) return;
  if (std::fclose(g.out) != 0) give_up(kPmemLogFile);
  g.out = nullptr;
  dump(kPmemEndFile);
}

void on_part(qemu_plugin_meminfo_t info, std::uint64_t address, unsigned shift) {
  const std::uint64_t at = offset_of(info, address);
  if (at < g.low || at >= g.low + g.pmem) return;
  std::uint64_t value = 0;
  std::memcpy(&value, g.ram + at, std::size_t{1} << shift);
  put(value, at - g.low, shift);
}

// Called after each store has been executed.
void on_store(unsigned /*vcpu*/, qemu_plugin_meminfo_t info, std::uint64_t address,
              void* /*data*/) {
  if (address == wire::kCrashWordAddress) {
    const std::uint64_t at = offset_of(info, address);
    if (at >= g.low) return;
    std::uint64_t word = 0;
    std::memcpy(&word, g.ram + at, sizeof word);
    on_word(word);
    return;
  }
  if (g.out == nullptr) return;
  const unsigned shift = qemu_plugin_mem_size_shift(info);
  const std::uint64_t size = std::uint64_t{1} << shift;
  if (shift <= 3 && address % kPmemPage + size <= kPmemPage) {
    on_part(info, address, shift);
  } else {
    for (std::uint64_t i = 0; i < size; ++i) on_part(info, address + i, 0);
  }
}

void on_translate(qemu_plugin_id_t /*id*/, qemu_plugin_tb* tb) {
  const std::size_t count = qemu_plugin_tb_n_insns(tb);
  count_block(tb, count);
  for (std::size_t i = 0; i < count; ++i) {
    qemu_plugin_register_vcpu_mem_cb(qemu_plugin_tb_get_insn(tb, i), on_store,
                                     QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_W, nullptr);
  }
}

void on_exit(qemu_plugin_id_t /*id*/, void* /*data*/) {
  if (g.out != nullptr) std::fclose(g.out);
  g.out = nullptr;
}

bool take_argument(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos) return false;
  const std::string_view key = text.substr(0, equals);
  const std::string value(text.substr(equals + 1));
  if (key == "ram") {
    g.ram_file = ::open(value.c_str(), O_RDONLY | O_CLOEXEC);
    return g.ram_file >= 0;
  }
  if (key == "out") {
    g.folder = value;
    return true;
  }
  const std::uint64_t bytes = std::strtoull(value.c_str(), nullptr, 10) << 20;
  if (key == "low") g.low = bytes;
  if (key == "pmem") g.pmem = bytes;
  return key == "low" || key == "pmem";
}

}  // namespace
}  // namespace faultline

int qemu_plugin_install(qemu_plugin_id_t id, const void* /*info*/, int argc, char** argv) {
  using namespace faultline;
  for (int i = 0; i < argc; ++i) {
    if (take_argument(argv[i])) continue;
    std::fprintf(stderr, "faultline's pmem log: %s cannot be used\n", argv[i]);
    return -1;
  }
  if (g.pmem == 0 || g.pmem > std::uint64_t{1} << PmemRecord::kOffsetBits) return -1;
  void* ram = ::mmap(nullptr, g.low + g.pmem, PROT_READ, MAP_SHARED, g.ram_file, 0);
  if (ram == MAP_FAILED) return -1;
  g.ram = static_cast<const unsigned char*>(ram);
#if FAULTLINE_PLUGIN_INTERFACE != 1
  g.executed = {.score = qemu_plugin_scoreboard_new(sizeof(std::uint64_t)), .offset = 0};
#endif
  qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
  qemu_plugin_register_atexit_cb(id, on_exit, nullptr);
  return 0;
}
