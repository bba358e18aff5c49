// SPDX-License-Identifier: GPL-2.0-only
// A plugin of QEMU's TCG: watches a guest and moves no instruction of it. It counts what is
// executed while a cell's loop is measured, by place in the tree of calls, what is stored to pmem,
// written back, fenced, and what a modelled TLB and modelled caches make of it (record.h).
//
// Arguments: out=FILE, of the size of a Record, which is mapped; symbols=FILE, of PluginSymbol;
// lanes=N threads that touch; low=MIB of RAM below 4 GiB; pmem=MIB from there on. What else is
// wanted: vector=1, events; tlb=SETSxWAYS, of them a TLB's; llc=SETSxWAYS, caches, with l1i= and
// l1d=, perhaps l2=, and line=BYTES. QEMU calls it from the one thread of its virtual CPU.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "observe/caches.h"
#include "observe/events.h"
#include "observe/guest_code.h"
#include "observe/tlb.h"
#include "observe/tracker.h"
#include "vm/qemu_plugin.h"

int qemu_plugin_version = FAULTLINE_PLUGIN_INTERFACE;

namespace faultline::observe {
namespace {

struct Observer {
  std::unique_ptr<Tracker> tracker;
  bool vector = false;
  std::unique_ptr<PmemLines> lines;  // without: events are not counted
  std::optional<SetsOfWays> tlb_size;
  std::unique_ptr<Tlb> tlb;
  std::optional<CacheSizes> cache_sizes;
  std::unique_ptr<Caches> caches;
  std::uint64_t low = 0;
  std::uint64_t pmem = 0;
  std::uint32_t lanes = 1;
  Record* record = nullptr;
  std::vector<PluginSymbol> symbols;
#if FAULTLINE_PLUGIN_INTERFACE == 1
  std::uint64_t executed = 0;
#else
  qemu_plugin_u64 executed = {};
  std::uint64_t* executed_here = nullptr;
#endif
};
Observer g;  // NOLINT: QEMU gives callbacks no place of their own

// `count` instructions, of which `insn` is the last, when it is begun. One that faults leaves the
// rest of its block.
void count_instructions(qemu_plugin_insn* insn, std::uint64_t count) {
#if FAULTLINE_PLUGIN_INTERFACE == 1
  qemu_plugin_register_vcpu_insn_exec_inline(insn, QEMU_PLUGIN_INLINE_ADD_U64, &g.executed, count);
#else
  qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(insn, QEMU_PLUGIN_INLINE_ADD_U64, g.executed,
                                                      count);
#endif
}

std::uint64_t executed() {
#if FAULTLINE_PLUGIN_INTERFACE == 1
  return g.executed;
#else
  if (g.executed_here == nullptr) {
    g.executed_here = static_cast<std::uint64_t*>(qemu_plugin_scoreboard_find(g.executed.score, 0));
  }
  return *g.executed_here;
#endif
}

void on_block(unsigned /*vcpu*/, void* data) {
  g.tracker->enter(*static_cast<const Block*>(data), executed());
}

// A part of a block that lies in one page, as the caches and the TLB see it.
struct Fetch {
  std::uint64_t address = 0;
  std::uint64_t host = 0;  // where QEMU has it; 0: not in memory
  std::uint64_t bytes = 0;
};
struct FetchedBlock {
  const Block* block = nullptr;
  std::array<Fetch, 2> parts = {};
};

// The task that the stack is of: the address is OFFSET past it.
void* as_data(std::int32_t offset) {
  return reinterpret_cast<void*>(static_cast<std::intptr_t>(offset));  // NOLINT: a number
}
std::uint64_t task_of(std::uint64_t address, void* data) {
  return address - static_cast<std::uint64_t>(reinterpret_cast<std::intptr_t>(data));
}
void on_save(unsigned /*vcpu*/, qemu_plugin_meminfo_t /*info*/, std::uint64_t address, void* data) {
  g.tracker->leave_task(task_of(address, data));
}
void on_load(unsigned /*vcpu*/, qemu_plugin_meminfo_t /*info*/, std::uint64_t address, void* data) {
  g.tracker->switch_to(task_of(address, data), executed());
}

constexpr std::uint64_t kNoMemory = UINT64_MAX;  // a device's

// Where a page of the guest's addresses lies, as it was when it was last looked up: as in a TLB,
// until the guest invalidates its own.
class Pages {
 public:
  static constexpr std::uint64_t kPage = 4096;
  std::uint64_t physical_of(qemu_plugin_meminfo_t info, std::uint64_t address);
  void forget() { ++epoch_; }

 private:
  struct Entry {
    std::uint64_t page = 0;
    std::uint64_t epoch = 0;
    std::uint64_t at = 0;
  };
  std::array<Entry, 4096> entries_ = {};
  std::uint64_t epoch_ = 1;
};
Pages g_pages;  // NOLINT: as above

// A physical address, or kNoMemory. What QEMU calls one here (plugins/api.c,
// qemu_plugin_hwaddr_phys_addr()) is one from 8.2 on. Before, it is an offset into all memory that
// QEMU has given the guest, which begins with its RAM, and behind that its pmem.
std::uint64_t physical_address(qemu_plugin_meminfo_t info, std::uint64_t address) {
  const qemu_plugin_hwaddr* where = qemu_plugin_get_hwaddr(info, address);
  if (where == nullptr || qemu_plugin_hwaddr_is_io(where)) return kNoMemory;
  const std::uint64_t at = qemu_plugin_hwaddr_phys_addr(where);
  return at < kPmemAt && at >= g.low && at - g.low < g.pmem ? at - g.low + kPmemAt : at;
}

std::uint64_t Pages::physical_of(qemu_plugin_meminfo_t info, std::uint64_t address) {
  const std::uint64_t page = address / kPage;
  Entry& entry = entries_[page % entries_.size()];
  if (entry.page != page || entry.epoch != epoch_) {
    const std::uint64_t at = physical_address(info, address);
    entry = {
        .page = page, .epoch = epoch_, .at = at == kNoMemory ? kNoMemory : at - address % kPage};
  }
  return entry.at == kNoMemory ? kNoMemory : entry.at + address % kPage;
}

void note_caches() {
  const CacheCounts counts = g.caches->take();
  const auto put = [](Event event, std::uint64_t count) {
    if (count != 0) g.tracker->note(event, count);
  };
  put(Event::kL1iMisses, counts.l1i);
  put(Event::kL1dMisses, counts.l1d);
  put(Event::kL2Misses, counts.l2);
  constexpr auto kDram = static_cast<std::size_t>(Memory::kDram);
  constexpr auto kPmem = static_cast<std::size_t>(Memory::kPmem);
  put(Event::kDramReads, counts.llc[kDram]);
  put(Event::kPmemReads, counts.llc[kPmem]);
  put(Event::kDramWrites, counts.written[kDram]);
  put(Event::kPmemWrites, counts.written[kPmem]);
}

// Hands an access to the modelled caches. If it runs over the end of its page they see the first
// page's part, for where the other lies is not told.
void access_caches(std::uint64_t at, std::uint64_t bytes, bool store, bool non_temporal) {
  bytes = std::min(bytes, Pages::kPage - at % Pages::kPage);
  bool nothing = false;
  if (!store) {
    nothing = g.caches->load(at, bytes);
  } else if (non_temporal) {
    g.caches->store_non_temporal(at, bytes);
  } else {
    nothing = g.caches->store(at, bytes);
  }
  if (!nothing) note_caches();
}

void count_pmem(std::uint64_t offset, std::uint64_t bytes, bool store, bool non_temporal) {
  if (!store) {
    g.tracker->note(Event::kLinesRead, g.lines->load(offset, bytes));
    return;
  }
  const PmemLines::Fresh fresh = g.lines->store(offset, bytes, non_temporal);
  g.tracker->note(Event::kBytes, bytes);
  if (non_temporal) g.tracker->note(Event::kBytesNt, bytes);
  g.tracker->note(Event::kLines, fresh.lines);
  g.tracker->note(Event::kBlocks256, fresh.blocks);
}

void on_access(qemu_plugin_meminfo_t info, std::uint64_t address, bool non_temporal) {
  // What is modelled is so from the life's beginning on, and warm as the measured loop begins.
  if (g.tlb && !g.tlb->touch(address)) g.tracker->note(Event::kTlbRefills);
  const bool counted = g.lines && g.tracker->is_open();
  if (!counted && !g.caches) return;
  const std::uint64_t at = g_pages.physical_of(info, address);
  if (at == kNoMemory) return;
  const std::uint64_t bytes = std::uint64_t{1} << qemu_plugin_mem_size_shift(info);
  const bool store = qemu_plugin_mem_is_store(info);
  if (g.caches) access_caches(at, bytes, store, non_temporal);
  if (counted && at >= kPmemAt && at - kPmemAt < g.pmem) {
    count_pmem(at - kPmemAt, bytes, store, non_temporal);
  }
}
void on_memory(unsigned /*vcpu*/, qemu_plugin_meminfo_t info, std::uint64_t address,
               void* /*data*/) {
  on_access(info, address, false);
}
void on_non_temporal(unsigned /*vcpu*/, qemu_plugin_meminfo_t info, std::uint64_t address,
                     void* /*data*/) {
  on_access(info, address, true);
}

// Where QEMU has the guest's memory of physical address 0, which lies in one piece. It tells that
// of instructions alone, and of them not the physical address, which is known of the kernel's
// image: without KASLR it lies where it was linked to (phys_base is 0).
class HostMemory {
 public:
  void learn(std::uint64_t address, std::uint64_t host) {
    if (!begin_ && host != 0 && address >= kImage && address < kImageEnd) {
      begin_ = host - (address - kImage);
    }
  }
  [[nodiscard]] std::uint64_t physical_of(std::uint64_t host) const {
    if (!begin_ || host < *begin_ || host - *begin_ >= g.low) return kNoMemory;
    return host - *begin_;
  }

 private:
  std::optional<std::uint64_t> begin_;
};
HostMemory g_host_memory;  // NOLINT: as above

// All of a block is fetched as it is entered, be it left by an instruction that faults.
void on_fetched_block(unsigned /*vcpu*/, void* data) {
  const auto& fetched = *static_cast<const FetchedBlock*>(data);
  g.tracker->enter(*fetched.block, executed());
  for (const Fetch& part : fetched.parts) {
    if (part.bytes == 0) break;
    if (g.tlb && !g.tlb->touch(part.address)) g.tracker->note(Event::kTlbRefills);
    if (!g.caches) continue;
    const std::uint64_t at = g_host_memory.physical_of(part.host);
    if (at != kNoMemory && !g.caches->fetch(at, part.bytes)) note_caches();
  }
}

void on_flush(unsigned /*vcpu*/, void* /*data*/) {
  if (!g.tracker->is_open()) return;
  g.tracker->note(Event::kFlushed);
  g.lines->write_back_somewhere();
}
void on_fence(unsigned /*vcpu*/, void* /*data*/) {
  if (!g.tracker->is_open()) return;
  g.tracker->note(Event::kFences);
  if (!g.lines->fence()) g.tracker->note(Event::kFencesIdle);
}
void on_locked(unsigned /*vcpu*/, void* /*data*/) { g.tracker->note(Event::kLocked); }
void on_tlb(unsigned /*vcpu*/, void* /*data*/) {
  g.tracker->note(Event::kTlbInvalidations);
  g_pages.forget();
}
void on_address_space(unsigned vcpu, void* data) {
  on_tlb(vcpu, data);
  if (g.tlb) g.tlb->forget_user();
}
void on_flags(unsigned /*vcpu*/, void* /*data*/) {
  g_pages.forget();
  if (g.tlb) g.tlb->forget_all();
}

void watch_events(qemu_plugin_insn* insn, const Decoded& decoded) {
  const auto when_executed = [&](faultline_exec_callback callback) {
    qemu_plugin_register_vcpu_insn_exec_cb(insn, callback, QEMU_PLUGIN_CB_NO_REGS, nullptr);
  };
  qemu_plugin_register_vcpu_mem_cb(insn, decoded.non_temporal ? on_non_temporal : on_memory,
                                   QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW, nullptr);
  if (decoded.tlb_invalidation) when_executed(decoded.address_space ? on_address_space : on_tlb);
  if (decoded.control_register) when_executed(on_flags);
  if (!g.lines) return;
  if (decoded.flush != Flush::kNone) when_executed(on_flush);
  if (decoded.fence) when_executed(on_fence);
  if (decoded.locked) when_executed(on_locked);
}

std::array<Fetch, 2> parts_of(const qemu_plugin_tb* tb, const Block& block) {
  const auto host_of = [](const qemu_plugin_insn* insn) {
    const auto host = reinterpret_cast<std::uint64_t>(qemu_plugin_insn_haddr(insn));  // NOLINT
    g_host_memory.learn(qemu_plugin_insn_vaddr(insn), host);
    return host;
  };
  const std::uint64_t next_page = (block.address / Pages::kPage + 1) * Pages::kPage;
  const std::uint64_t first_end = std::min(block.end, next_page);
  std::array<Fetch, 2> parts = {Fetch{.address = block.address,
                                      .host = host_of(qemu_plugin_tb_get_insn(tb, 0)),
                                      .bytes = first_end - block.address}};
  if (block.end <= next_page) return parts;
  // Where the second page lies tells an instruction that begins in it, if any does.
  parts[1] = {.address = next_page, .host = 0, .bytes = block.end - next_page};
  const qemu_plugin_insn* last = qemu_plugin_tb_get_insn(tb, qemu_plugin_tb_n_insns(tb) - 1);
  const std::uint64_t past = qemu_plugin_insn_vaddr(last) - next_page;
  if (qemu_plugin_insn_vaddr(last) >= next_page) parts[1].host = host_of(last) - past;
  return parts;
}

void on_translate(qemu_plugin_id_t /*id*/, qemu_plugin_tb* tb) {
  const std::size_t count = qemu_plugin_tb_n_insns(tb);
  static std::vector<std::uint8_t> lengths;
  lengths.clear();
  Decoded last;
  bool halts = false;
  // QEMU 7.2 takes an instruction out of a block again that runs over the end of the block's page,
  // and tells it all the same.
  const std::uint64_t last_at = qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(tb, count - 1));
  const bool last_may_be_none = last_at % Pages::kPage + kMostBytes > Pages::kPage;
  std::uint64_t uncounted = 0;
  for (std::size_t i = 0; i < count; ++i) {
    qemu_plugin_insn* insn = qemu_plugin_tb_get_insn(tb, i);
    std::array<std::uint8_t, kMostBytes> buffer{};
    const std::span<const std::uint8_t> bytes = bytes_of(insn, buffer);
    lengths.push_back(static_cast<std::uint8_t>(bytes.size()));
    last = decode(bytes);
    halts = halts || last.halt;
    ++uncounted;
    if (last.may_fault || i + 1 == count || (last_may_be_none && i + 2 == count)) {
      count_instructions(insn, uncounted);
      uncounted = 0;
    }
    // Both loads and stores are asked for: QEMU 7.2 tells nothing to who asks for loads alone.
    if (last.saves_stack) {
      qemu_plugin_register_vcpu_mem_cb(insn, on_save, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW,
                                       as_data(last.offset));
    }
    if (last.loads_stack) {
      qemu_plugin_register_vcpu_mem_cb(insn, on_load, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW,
                                       as_data(last.offset));
    }
    if (g.lines || g.caches) watch_events(insn, last);
  }
  const Block& block = g.tracker->add_block(qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(tb, 0)),
                                            lengths, last, halts);
  if (!g.tlb && !g.caches) {
    qemu_plugin_register_vcpu_tb_exec_cb(
        tb, on_block, QEMU_PLUGIN_CB_NO_REGS,
        const_cast<Block*>(&block));  // NOLINT: given back as const
    return;
  }
  static std::deque<FetchedBlock> fetched;
  fetched.push_back({.block = &block, .parts = parts_of(tb, block)});
  qemu_plugin_register_vcpu_tb_exec_cb(tb, on_fetched_block, QEMU_PLUGIN_CB_NO_REGS,
                                       &fetched.back());
}

bool map_record(const std::string& file) {
  const int fd = ::open(file.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return false;
  void* at = ::mmap(nullptr, sizeof(Record), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  ::close(fd);
  if (at == MAP_FAILED) return false;
  g.record = static_cast<Record*>(at);
  return true;
}

bool read_symbols(const std::string& file) {
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat info {};
  if (fd < 0 || ::fstat(fd, &info) != 0) return false;
  g.symbols.resize(static_cast<std::size_t>(info.st_size) / sizeof(PluginSymbol));
  const bool whole = ::pread(fd, g.symbols.data(), static_cast<std::size_t>(info.st_size), 0) ==
                     static_cast<ssize_t>(info.st_size);
  ::close(fd);
  return whole;
}

CacheSizes& cache_sizes() {
  if (!g.cache_sizes) g.cache_sizes.emplace();
  return *g.cache_sizes;
}

bool take_sets(std::string_view key, const SetsOfWays& sets) {
  if (key == "tlb") g.tlb_size = sets;
  if (key == "l1i") cache_sizes().l1i = sets;
  if (key == "l1d") cache_sizes().l1d = sets;
  if (key == "l2") cache_sizes().l2 = sets;
  if (key == "llc") cache_sizes().llc = sets;
  return key == "tlb" || key == "l1i" || key == "l1d" || key == "l2" || key == "llc";
}

bool take_argument(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos) return false;
  const std::string_view key = text.substr(0, equals);
  const std::string value(text.substr(equals + 1));
  if (key == "out") return map_record(value);
  if (key == "symbols") return read_symbols(value);
  char* rest = nullptr;
  const std::uint64_t number = std::strtoull(value.c_str(), &rest, 10);
  if (*rest == 'x') {
    return take_sets(
        key,
        {.sets = number, .ways = static_cast<std::uint32_t>(std::strtoull(rest + 1, nullptr, 10))});
  }
  if (key == "low") g.low = number << 20;
  if (key == "pmem") g.pmem = number << 20;
  if (key == "lanes") g.lanes = static_cast<std::uint32_t>(number);
  if (key == "vector") g.vector = number != 0;
  if (key == "line") cache_sizes().line = number;
  return key == "low" || key == "pmem" || key == "lanes" || key == "vector" || key == "line";
}

}  // namespace
}  // namespace faultline::observe

int qemu_plugin_install(qemu_plugin_id_t id, const void* /*info*/, int argc, char** argv) {
  using namespace faultline::observe;
  for (int i = 0; i < argc; ++i) {
    if (take_argument(argv[i])) continue;
    std::fprintf(stderr, "faultline's observer: %s cannot be used\n", argv[i]);
    return -1;
  }
  if (g.record == nullptr) return -1;
  if (g.vector) g.lines = std::make_unique<PmemLines>(g.pmem);
  if (g.tlb_size) g.tlb = std::make_unique<Tlb>(*g.tlb_size);
  if (g.cache_sizes) g.caches = std::make_unique<Caches>(*g.cache_sizes, kPmemAt);
  g.tracker = std::make_unique<Tracker>(*g.record, std::move(g.symbols), g.lanes);
#if FAULTLINE_PLUGIN_INTERFACE != 1
  g.executed = {.score = qemu_plugin_scoreboard_new(sizeof(std::uint64_t)), .offset = 0};
#endif
  qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
  return 0;
}
