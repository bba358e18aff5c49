// SPDX-License-Identifier: GPL-2.0-only
// A plugin of QEMU's TCG: logs what a guest does to its pmem (observe/pmem_log.h), or marks which
// lines of it a guest reads and writes.
//
// Arguments: low=MIB of RAM below 4 GiB; pmem=MIB of it from there on. To log: ram=FILE, which
// backs the guest's RAM; out=FOLDER; lines=1, if what writes lines back and fences is wanted too
// (leaves kPmemInBlockFile where QEMU then has to run with -singlestep). To mark:
// touched=FILE, a byte a line, of kLineRead and kLineWritten. can=lines alone: ends QEMU with exit
// 0 if it can tell of lines, else 1. QEMU calls it from the one thread of its virtual CPU.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "harness/wire.h"
#include "observe/decode.h"
#include "observe/guest_code.h"
#include "observe/pmem_log.h"
#include "observe/registers.h"
#include "vm/qemu_plugin.h"

int qemu_plugin_version = FAULTLINE_PLUGIN_INTERFACE;

namespace faultline {
namespace {

using observe::Decoded;
using observe::Flush;
using observe::kImage;
using observe::kImageEnd;
using observe::kMostBytes;
using observe::kPmemAt;
using observe::MemoryOperand;
using Kind = PmemRecord::Kind;

struct Log {
  std::string folder;
  bool lines = false;                // what writes back and fences is told, too
  unsigned char* touched = nullptr;  // of each line, when a guest's accesses are marked
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
  std::uint64_t told = 0;    // how many executed instructions the log tells already
  bool outstanding = false;  // there are lines that the next fence makes durable
  // Where pages of the pmem were last stored to by addresses outside of the kernel's direct map.
  std::unordered_map<std::uint64_t, std::uint64_t> pages = {};
  std::FILE* stacks = nullptr;
  std::map<std::uint64_t, std::uint32_t> stack_ids = {};  // by a hash
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
  const qemu_plugin_hwaddr* where = qemu_plugin_get_hwaddr(info, address);
  if (where == nullptr || qemu_plugin_hwaddr_is_io(where)) return UINT64_MAX;
  const std::uint64_t at = qemu_plugin_hwaddr_phys_addr(where);
  return at < kPmemAt ? at : at - kPmemAt + g.low;
}

void put(PmemRecord record) {
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

// The kernel's write-backs shall begin blocks, so that their registers can be read.
void split_write_backs() {
  // Where the image's code is (CONFIG_PHYSICAL_START, and 32 MiB at most).
  constexpr std::uint64_t kBegin = 16 << 20;
  constexpr std::uint64_t kEnd = 48 << 20;
  std::uint64_t page = 0;
  for (std::uint64_t at = kBegin; at < std::min(kEnd, g.low); ++at) {
    const unsigned char* code = g.ram + at;
    if (code[0] != 0x0f || code[1] != 0xae || code[2] >= 0xc0) continue;
    const unsigned reg = code[2] >> 3 & 7;
    if (reg != 7 && (reg != 6 || (code[-1] != 0x66 && code[-2] != 0x66))) continue;
    if (at / kPmemPage == page) continue;
    page = at / kPmemPage;
    if (!observe::Registers::split_blocks(kImage + at)) return;
  }
}

void on_word(std::uint64_t word) {
  const auto kind = static_cast<wire::CrashWord>(word >> wire::kCrashWordShift);
  if (kind == wire::CrashWord::kBegin && g.out == nullptr) {
    dump(kPmemBeginFile);
    g.out = std::fopen((g.folder + "/" + kPmemLogFile).c_str(), "we");
    g.stacks = std::fopen((g.folder + "/" + kPmemStacksFile).c_str(), "we");
    if (g.out == nullptr || g.stacks == nullptr) give_up(kPmemLogFile);
    g.told = executed();
    if (g.lines && FAULTLINE_PLUGIN_INTERFACE == 1) split_write_backs();
  }
  if (g.out == nullptr) return;
  put({.value = word, .stack = kStackOfNobody, .kind = Kind::kWord});
  if (kind != wire::CrashWord::kEnd) return;
  if (std::fclose(g.out) != 0 || std::fclose(g.stacks) != 0) give_up(kPmemLogFile);
  g.out = nullptr;
  dump(kPmemEndFile);
}

// What is known of an instruction when it is translated.
struct Site {
  bool told = true;  // its registers can be read
  std::uint64_t address = 0;
  std::uint64_t next = 0;
  Kind kind = Kind::kStore;
  MemoryOperand operand = {};
};

// The kernel's direct map of all physical memory, without KASLR (Documentation/arch/x86/x86_64/
// mm.rst, four levels of page tables).
constexpr std::uint64_t kDirectMap = 0xffff888000000000;
constexpr std::uint64_t kDirectMapEnd = 0xffffc88000000000;

// Pages of the guest's stacks, as they were last stored to: where the file that backs its RAM has
// them.
class StackPages {
 public:
  void note(std::uint64_t address, std::uint64_t at) {
    entries_[address / kPmemPage % entries_.size()] = {address / kPmemPage,
                                                       at / kPmemPage * kPmemPage};
  }
  // nullptr: not known.
  [[nodiscard]] const unsigned char* find(std::uint64_t address) const {
    const Entry& entry = entries_[address / kPmemPage % entries_.size()];
    if (entry.page != address / kPmemPage) return nullptr;
    return g.ram + entry.at + address % kPmemPage;
  }

 private:
  struct Entry {
    std::uint64_t page = 0;
    std::uint64_t at = 0;
  };
  std::array<Entry, 4096> entries_ = {};
};
StackPages g_stack_pages;  // NOLINT: as above

constexpr std::uint64_t kModulesEnd = 0xffffffffff000000;

const unsigned char* text_at(std::uint64_t address) {
  if (address < kImage || address >= kImageEnd || address - kImage >= g.low) return nullptr;
  return g.ram + (address - kImage);
}

// Tells whether `word` is where a call of the code at `inside` returns to: behind a direct call of
// what begins little before `inside`, or of one of the kernel's thunks for indirect calls, or
// behind an indirect call. Of modules the code is not looked at.
bool returns_from(std::uint64_t word, std::uint64_t inside, bool strict) {
  if (word < kImage + kPmemPage || word >= kModulesEnd) return false;
  const unsigned char* code = text_at(word);
  if (code == nullptr) return word >= kImageEnd;
  if (code[-2] == 0xff && (code[-1] & 0xf8) == 0xd0) return true;
  if (code[-5] != 0xe8) return false;
  std::int32_t distance = 0;
  std::memcpy(&distance, code - 4, sizeof distance);
  const std::uint64_t callee = word + static_cast<std::uint64_t>(std::int64_t{distance});
  constexpr std::uint64_t kLongestFunction = 0x8000;
  if (callee <= inside && inside - callee < kLongestFunction) return true;
  const unsigned char* thunk = text_at(callee);
  const bool retpoline = thunk != nullptr && thunk[0] == 0xe8 && thunk[2] == 0 && thunk[3] == 0;
  return retpoline || !strict;
}

PmemStack stack_of(std::uint64_t site) {
  constexpr std::uint64_t kStackBytes = 16384;  // THREAD_SIZE
  constexpr std::uint64_t kNear = 512;          // the next frame lies mostly within
  PmemStack stack{.site = site};
  std::uint64_t at = observe::registers().read(4);
  if (site < kImage || at % 8 != 0) return stack;
  const std::uint64_t end = (at / kStackBytes + 1) * kStackBytes;
  std::uint64_t inside = site;
  for (std::uint64_t& frame : stack.returns) {
    std::uint64_t loose = 0;
    std::uint64_t found = 0;
    for (std::uint64_t look = at; look < end && found == 0; look += 8) {
      const unsigned char* here = g_stack_pages.find(look);
      if (here == nullptr) break;
      std::uint64_t word = 0;
      std::memcpy(&word, here, sizeof word);
      if (returns_from(word, inside, true)) {
        found = look;
      } else if (loose == 0 && look - at < kNear && returns_from(word, inside, false)) {
        loose = look;
      }
      if (loose != 0 && look - at >= kNear) break;
    }
    if (found == 0) found = loose;
    if (found == 0) break;
    std::memcpy(&frame, g_stack_pages.find(found), sizeof frame);
    inside = frame;
    at = found + 8;
  }
  return stack;
}

// The number of the stack in the file of stacks, in which each stands once.
std::uint32_t note_stack(std::uint64_t site) {
  const PmemStack stack = stack_of(site);
  const std::uint64_t key = std::hash<std::string_view>{}(
      std::string_view(reinterpret_cast<const char*>(&stack), sizeof stack));
  const auto [entry, fresh] =
      g.stack_ids.emplace(key, static_cast<std::uint32_t>(g.stack_ids.size()));
  if (fresh && std::fwrite(&stack, sizeof stack, 1, g.stacks) != 1) give_up(kPmemStacksFile);
  return entry->second;
}

// A store of a part of a line.
void on_part(qemu_plugin_meminfo_t info, std::uint64_t address, std::size_t bytes,
             const Site& site) {
  const std::uint64_t at = offset_of(info, address);
  if (g.lines && at < g.low) g_stack_pages.note(address, at);
  if (at < g.low || at >= g.low + g.pmem) return;
  const std::uint64_t offset = at - g.low;
  PmemRecord record{.site = site.address,
                    .where = static_cast<std::uint32_t>(offset),
                    .stack = kStackOfNobody,
                    .kind = site.kind,
                    .bytes = static_cast<std::uint8_t>(bytes)};
  std::memcpy(&record.value, g.ram + at, bytes);
  if (g.lines) {
    if (address < kDirectMap || address >= kDirectMapEnd) {
      g.pages[address / kPmemPage] = offset / kPmemPage;
    } else if (address - kDirectMap != kPmemAt + offset) {
      errno = EINVAL;
      give_up("the kernel's direct map lies elsewhere");
    }
    if (site.kind == Kind::kNonTemporal) {
      g.outstanding = true;
      record.stack = note_stack(site.address);
    }
  }
  put(record);
}

// Called after each store has been executed.
void on_store(unsigned /*vcpu*/, qemu_plugin_meminfo_t info, std::uint64_t address, void* data) {
  if (address == wire::kCrashWordAddress) {
    const std::uint64_t at = offset_of(info, address);
    if (at >= g.low) return;
    std::uint64_t word = 0;
    std::memcpy(&word, g.ram + at, sizeof word);
    on_word(word);
    return;
  }
  // QEMU 7.2 calls it for the loads, too, of an instruction that does both (rep movs).
  if (g.out == nullptr || !qemu_plugin_mem_is_store(info)) return;
  const Site& site = *static_cast<const Site*>(data);
  const std::uint64_t size = std::uint64_t{1} << qemu_plugin_mem_size_shift(info);
  if (size <= 8 && address % kPmemLine + size <= kPmemLine) {
    on_part(info, address, size, site);
  } else if (size > 8 && address % 8 == 0) {
    for (std::uint64_t i = 0; i < size; i += 8) on_part(info, address + i, 8, site);
  } else {
    for (std::uint64_t i = 0; i < size; ++i) on_part(info, address + i, 1, site);
  }
}

std::uint64_t address_of(const Site& site) {
  const MemoryOperand& operand = site.operand;
  auto address = static_cast<std::uint64_t>(std::int64_t{operand.displacement});
  if (operand.base == MemoryOperand::kNextInstruction) {
    address += site.next;
  } else if (operand.base != MemoryOperand::kNone) {
    address += observe::registers().read(operand.base);
  }
  if (operand.index != MemoryOperand::kNone) {
    address += observe::registers().read(operand.index) * operand.scale;
  }
  return address;
}

// Called before a line is written back.
void on_write_back(unsigned /*vcpu*/, void* data) {
  if (g.out == nullptr) return;
  const Site& site = *static_cast<const Site*>(data);
  if (!site.told) {
    std::FILE* out = std::fopen((g.folder + "/" + kPmemInBlockFile).c_str(), "we");
    if (out != nullptr) std::fclose(out);
    errno = EINVAL;
    give_up("a line was written back in the middle of a block");
  }
  const std::uint64_t address = address_of(site);
  std::uint64_t offset = UINT64_MAX;
  if (address >= kDirectMap && address < kDirectMapEnd) {
    offset = address - kDirectMap - kPmemAt;
  } else if (const auto page = g.pages.find(address / kPmemPage); page != g.pages.end()) {
    offset = page->second * kPmemPage + address % kPmemPage;
  }
  // A page that was not stored to by such an address has nothing to write back.
  if (offset >= g.pmem) return;
  g.outstanding = g.outstanding || site.kind == Kind::kWriteBack;
  put({.site = site.address,
       .where = static_cast<std::uint32_t>(offset / kPmemLine * kPmemLine),
       .stack = note_stack(site.address),
       .kind = site.kind});
}

// Called before it is executed.
void on_fence(unsigned /*vcpu*/, void* data) {
  if (g.out == nullptr) return;
  const Site& site = *static_cast<const Site*>(data);
  if (site.kind == Kind::kLocked && !g.outstanding) return;
  g.outstanding = false;
  put({.site = site.address, .stack = note_stack(site.address), .kind = site.kind});
}

// Where in all memory an access of a guest whose accesses are marked goes. QEMU is not asked of the
// kernel's direct map, once the pmem was seen where it should be there: that is where most go, and
// asking costs more than the access.
std::uint64_t touched_at(qemu_plugin_meminfo_t info, std::uint64_t address) {
  static enum class Map { kNotSeen, kAsExpected, kElsewhere } map = Map::kNotSeen;
  const bool direct = address >= kDirectMap && address < kDirectMapEnd;
  if (direct && map == Map::kAsExpected) {
    const std::uint64_t at = address - kDirectMap;
    return at < kPmemAt ? UINT64_MAX : at - kPmemAt + g.low;
  }
  const std::uint64_t at = offset_of(info, address);
  if (direct && map == Map::kNotSeen && at >= g.low && at < g.low + g.pmem) {
    map = address - kDirectMap == kPmemAt + (at - g.low) ? Map::kAsExpected : Map::kElsewhere;
  }
  return at;
}

// Called for each access of a guest whose accesses are marked.
void on_touch(unsigned /*vcpu*/, qemu_plugin_meminfo_t info, std::uint64_t address,
              void* /*data*/) {
  const std::uint64_t at = touched_at(info, address);
  if (at < g.low || at >= g.low + g.pmem) return;
  const std::uint64_t first = at - g.low;
  const std::uint64_t last = first + (std::uint64_t{1} << qemu_plugin_mem_size_shift(info)) - 1;
  const unsigned char mark = qemu_plugin_mem_is_store(info) ? kLineWritten : kLineRead;
  g.touched[first / kPmemLine] |= mark;
  g.touched[std::min(last, g.pmem - 1) / kPmemLine] |= mark;
}

void watch_lines(qemu_plugin_insn* insn, const Decoded& decoded, const Site& site) {
  const auto when_executed = [&](faultline_exec_callback callback, const Site& of) {
    static std::deque<Site> sites;
    sites.push_back(of);
    qemu_plugin_register_vcpu_insn_exec_cb(insn, callback, QEMU_PLUGIN_CB_R_REGS, &sites.back());
  };
  Site here = site;
  if (decoded.flush != Flush::kNone) {
    here.kind = decoded.flush == Flush::kEvictInOrder ? Kind::kWriteBackAtOnce : Kind::kWriteBack;
    when_executed(on_write_back, here);
  }
  if (decoded.fence || decoded.locked) {
    here.kind = decoded.fence ? Kind::kFence : Kind::kLocked;
    when_executed(on_fence, here);
  }
}

void on_translate(qemu_plugin_id_t /*id*/, qemu_plugin_tb* tb) {
  const std::size_t count = qemu_plugin_tb_n_insns(tb);
  if (g.touched == nullptr) count_block(tb, count);
  static std::deque<Site> sites;
  for (std::size_t i = 0; i < count; ++i) {
    qemu_plugin_insn* insn = qemu_plugin_tb_get_insn(tb, i);
    if (g.touched != nullptr) {
      qemu_plugin_register_vcpu_mem_cb(insn, on_touch, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW,
                                       nullptr);
      continue;
    }
    std::array<std::uint8_t, kMostBytes> buffer{};
    const std::span<const std::uint8_t> bytes = observe::bytes_of(insn, buffer);
    const Decoded decoded = observe::decode(bytes);
    sites.push_back({.address = qemu_plugin_insn_vaddr(insn),
                     .next = qemu_plugin_insn_vaddr(insn) + bytes.size(),
                     .kind = decoded.non_temporal ? Kind::kNonTemporal : Kind::kStore,
                     .operand = observe::flushed_operand(bytes).value_or(MemoryOperand{})});
    sites.back().told = i == 0 || FAULTLINE_PLUGIN_INTERFACE != 1;
    if (g.lines) watch_lines(insn, decoded, sites.back());
    qemu_plugin_register_vcpu_mem_cb(
        insn, on_store,
        g.lines && decoded.non_temporal ? QEMU_PLUGIN_CB_R_REGS : QEMU_PLUGIN_CB_NO_REGS,
        QEMU_PLUGIN_MEM_W, &sites.back());
  }
}

void on_exit(qemu_plugin_id_t /*id*/, void* /*data*/) {
  if (g.out != nullptr) std::fclose(g.out);
  g.out = nullptr;
}

// `pmem` has been given before.
bool map_touched(const std::string& file) {
  const int fd = ::open(file.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return false;
  void* at = ::mmap(nullptr, g.pmem / kPmemLine, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  ::close(fd);
  if (at == MAP_FAILED) return false;
  g.touched = static_cast<unsigned char*>(at);
  return true;
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
  if (key == "lines") {
    g.lines = value == "1";
    return true;
  }
  const std::uint64_t bytes = std::strtoull(value.c_str(), nullptr, 10) << 20;
  if (key == "low") g.low = bytes;
  if (key == "pmem") g.pmem = bytes;
  if (key == "touched") return map_touched(value);
  return key == "low" || key == "pmem";
}

}  // namespace
}  // namespace faultline

int qemu_plugin_install(qemu_plugin_id_t id, const void* /*info*/, int argc, char** argv) {
  using namespace faultline;
  if (argc == 1 && std::string_view(argv[0]) == "can=lines") {
    std::_Exit(observe::registers().prepare(id) ? 0 : 1);
  }
  for (int i = 0; i < argc; ++i) {
    if (take_argument(argv[i])) continue;
    std::fprintf(stderr, "faultline's pmem log: %s cannot be used\n", argv[i]);
    return -1;
  }
  if (g.pmem == 0 || g.pmem > std::uint64_t{1} << 32) return -1;
  if (g.touched == nullptr) {
    void* ram = ::mmap(nullptr, g.low + g.pmem, PROT_READ, MAP_SHARED, g.ram_file, 0);
    if (ram == MAP_FAILED) return -1;
    g.ram = static_cast<const unsigned char*>(ram);
#if FAULTLINE_PLUGIN_INTERFACE != 1
    g.executed = {.score = qemu_plugin_scoreboard_new(sizeof(std::uint64_t)), .offset = 0};
#endif
  }
  if (g.lines && !observe::registers().prepare(id)) {
    std::fputs("faultline's pmem log: this QEMU does not tell a guest's registers\n", stderr);
    return -1;
  }
  qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
  qemu_plugin_register_atexit_cb(id, on_exit, nullptr);
  return 0;
}
