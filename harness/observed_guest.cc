// SPDX-License-Identifier: GPL-2.0-only
// Process 1 of a guest whose measured loop is known instruction by instruction, for the observer to
// be held against (cli/closed_form_vm_test.cc, where what each loop comes to is worked out). The
// cell's text is {"loop": NAME}. faultline-guest has none of it, whose layout is part of figures.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <sstream>

#include "cell/failure.h"
#include "harness/clock.h"
#include "harness/files.h"
#include "harness/init.h"
#include "harness/mapping.h"
#include "harness/wire.h"

namespace faultline {
namespace {

constexpr uint64_t kBytes = 64 * kPageSize;  // of the file
constexpr uint64_t kFresh = 16;              // pages that nobody has touched
constexpr char kCallTree[] = "/sys/module/faultline/parameters/run";

// What a loop may touch.
struct Ground {
  char* pmem;   // a mapped file, every page writable already
  char* dram;   // a page
  char* fresh;  // anonymous memory that each store faults on, once a page
  int file;
  int call_tree;  // what is written to it, the module of call_tree/ does
};

// Between the marks and the body lies one instruction, the first of what counts; the read of the
// clock is the last. rdi and rsi go through pmem and memory, rcx counts down.
#define CLOSED_FORM(body)                                                  \
  uint64_t ticks = 0;                                                      \
  asm volatile(".byte %c[begin]\n\trdtsc\n\tmovl %%eax, %%r8d\n\t" body    \
               "\n\t.byte %c[end]\n\trdtsc\n\tsubl %%r8d, %%eax"           \
               : "=a"(ticks), "+D"(pmem), "+S"(dram), "+c"(count)          \
               : [begin] "i"(wire::kMarkBegin), [end] "i"(wire::kMarkEnd)  \
               : "rdx", "r8", "r9", "r10", "r11", "xmm0", "memory", "cc"); \
  return ticks
#define LOOP(name, body)                                               \
  uint64_t name(char* pmem, char* dram, uint64_t count) { /* NOLINT */ \
    CLOSED_FORM(body);                                                 \
  }
#define REPEAT(body) "1:\n\t" body "\n\tdecq %%rcx\n\tjnz 1b"

LOOP(nothing, "")
LOOP(stride, REPEAT("movq %%rcx, (%%rdi)\n\taddq $64, %%rdi"))
LOOP(in_order, REPEAT("movq %%rcx, (%%rdi)\n\taddq $8, %%rdi"))
LOOP(widths, REPEAT("movb %%cl, (%%rdi)\n\tmovw %%cx, 2(%%rdi)\n\tmovl %%ecx, 4(%%rdi)\n\t"
                    "movq %%rcx, 8(%%rdi)\n\tmovups %%xmm0, 16(%%rdi)\n\taddq $64, %%rdi"))
LOOP(across, REPEAT("movq %%rcx, 60(%%rdi)\n\taddq $64, %%rdi"))
LOOP(by_string, "xorl %%eax, %%eax\n\trep stosq")
LOOP(non_temporal, REPEAT("movntiq %%rcx, (%%rdi)\n\taddq $8, %%rdi") "\n\tsfence")
LOOP(non_temporal_wide, REPEAT("movntdq %%xmm0, (%%rdi)\n\taddq $16, %%rdi"))
LOOP(clwb_dirty, REPEAT("movq %%rcx, (%%rdi)\n\tclwb (%%rdi)\n\taddq $64, %%rdi") "\n\tsfence")
LOOP(clwb_clean, REPEAT("clwb (%%rdi)\n\taddq $64, %%rdi") "\n\tsfence")
LOOP(clwb_twice, REPEAT("movq %%rcx, (%%rdi)\n\tclwb (%%rdi)\n\tclwb 63(%%rdi)\n\taddq $64, %%rdi"))
LOOP(evictions, REPEAT("movq %%rcx, (%%rdi)\n\tclflushopt (%%rdi)\n\tclflush (%%rdi)\n\t"
                       "addq $64, %%rdi") "\n\tmfence")
// Four of the six have nothing to wait for. An lfence is none.
LOOP(fences, REPEAT("sfence\n\tmfence\n\tclwb (%%rdi)\n\tsfence\n\tsfence\n\t"
                    "movntiq %%rcx, (%%rdi)\n\tmfence\n\tmovq %%rcx, (%%rdi)\n\tsfence\n\tlfence"))
LOOP(chase, REPEAT("movq (%%rdi), %%rdi"))
LOOP(chase_fenced, "movq %%rcx, %%r9\n\t" REPEAT("movq (%%rdi), %%rdi") "\n\tmfence\n\t"
     "movq %%r9, %%rcx\n\t2:\n\tmovq (%%rdi), %%rdi\n\tdecq %%rcx\n\tjnz 2b")
LOOP(modify, REPEAT("addq $1, (%%rdi)\n\taddq $64, %%rdi"))
LOOP(locked, REPEAT("lock incq (%%rsi)\n\txchgq %%r9, (%%rsi)\n\tlock cmpxchgq %%r9, 8(%%rsi)\n\t"
                    "incq (%%rsi)"))
LOOP(locked_pmem, REPEAT("lock xaddq %%r9, (%%rdi)\n\taddq $64, %%rdi"))
LOOP(memory, REPEAT("movq %%rcx, (%%rsi)\n\tmovq 8(%%rsi), %%r9\n\tincq 64(%%rsi)"))
LOOP(faults, REPEAT("movb %%cl, (%%rsi)\n\taddq $4096, %%rsi"))
// Stores as NOVA appends: a page past the caches, an entry of the log, then its tail, a fence after
// each.
LOOP(nova,
     "leaq 0x10000(%%rdi), %%r9\n\tleaq 0x20000(%%rdi), %%r10\n\t" REPEAT(
         "movl $512, %%r11d\n\t2:\n\tmovntiq %%r11, (%%rdi)\n\taddq $8, %%rdi\n\tdecl %%r11d\n\t"
         "jnz 2b\n\tsfence\n\t"
         "movl $8, %%r11d\n\t3:\n\tmovq %%r11, (%%r9)\n\taddq $8, %%r9\n\tdecl %%r11d\n\tjnz 3b\n\t"
         "clwb -64(%%r9)\n\tsfence\n\tmovq %%r9, (%%r10)\n\tclwb (%%r10)\n\tsfence"))

// `count` times a new mode, made durable.
uint64_t commit(int file, uint64_t count) {
  const uint64_t begin = read_ticks_marked<wire::kMarkBegin>();
  for (uint64_t i = 0; i < count; ++i) {
    if (fchmod(file, 0600 + static_cast<mode_t>(i + 1)) != 0 || fsync(file) != 0) return 0;
  }
  return read_ticks_marked<wire::kMarkEnd>() - begin;
}

uint64_t call(int call_tree, const std::string& what) {
  const uint64_t begin = read_ticks_marked<wire::kMarkBegin>();
  const ssize_t done = write(call_tree, what.data(), what.size());
  const uint64_t ticks = read_ticks_marked<wire::kMarkEnd>() - begin;
  return done == static_cast<ssize_t>(what.size()) ? ticks : 0;
}

// A line of the first `count` holds the address of the next but 36 lines, around: 37 and a power of
// two have no common divisor.
void make_chain(char* at, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i) {
    *reinterpret_cast<char**>(at + i * 64) = at + (i + 37) % count * 64;
  }
}

// The clock has just ticked: nothing interrupts for the next 4 million instructions, and whoever a
// tick has woken has run.
void wait_for_quiet() {
  timespec before{};
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &before);
  do clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  while (now.tv_sec == before.tv_sec && now.tv_nsec == before.tv_nsec);
}

using Loop = uint64_t (*)(char* pmem, char* dram, uint64_t count);
struct NamedLoop {
  const char* name;
  Loop loop;
  uint64_t count;
};
constexpr NamedLoop kLoops[] = {
    {.name = "nothing", .loop = nothing, .count = 0},
    {.name = "stride", .loop = stride, .count = 1024},
    {.name = "in_order", .loop = in_order, .count = 1024},
    {.name = "widths", .loop = widths, .count = 32},
    {.name = "across", .loop = across, .count = 63},
    {.name = "by_string", .loop = by_string, .count = 512},
    {.name = "non_temporal", .loop = non_temporal, .count = 512},
    {.name = "non_temporal_wide", .loop = non_temporal_wide, .count = 64},
    {.name = "clwb_dirty", .loop = clwb_dirty, .count = 64},
    {.name = "clwb_clean", .loop = clwb_clean, .count = 64},
    {.name = "clwb_twice", .loop = clwb_twice, .count = 64},
    {.name = "evictions", .loop = evictions, .count = 16},
    {.name = "fences", .loop = fences, .count = 10},
    {.name = "chase", .loop = chase, .count = 512},
    {.name = "chase_fenced", .loop = chase_fenced, .count = 256},
    {.name = "modify", .loop = modify, .count = 64},
    {.name = "locked", .loop = locked, .count = 100},
    {.name = "locked_pmem", .loop = locked_pmem, .count = 64},
    {.name = "memory", .loop = memory, .count = 100},
    {.name = "nova", .loop = nova, .count = 8}};
constexpr uint64_t kChain = 256;

uint64_t run(const std::string& name, const Ground& ground) {
  std::memset(ground.pmem, 0, kBytes);
  if (name.starts_with("chase")) make_chain(ground.pmem, kChain);
  wait_for_quiet();
  read_ticks_marked<wire::kMarkArm>();
  if (name == "faults") return faults(ground.pmem, ground.fresh, kFresh);
  if (name == "commit") return commit(ground.file, 4);
  if (name.starts_with("call:")) {
    return call(ground.call_tree,
                fmt::format("{} {}", name.substr(5), reinterpret_cast<uintptr_t>(ground.fresh)));
  }
  for (const NamedLoop& one : kLoops) {
    if (name == one.name) return one.loop(ground.pmem, ground.dram, one.count);
  }
  throw Failure(ExitCode::kUsage, "no loop is called " + name);
}

void load_call_tree() {
  const int fd = open(wire::kStrategyModule, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  if (syscall(SYS_finit_module, fd, "", 0) != 0) {
    throw Failure(ExitCode::kVmFailed, fmt::format("the call tree: {}", std::strerror(errno)));
  }
  close(fd);
}

char* memory_of(uint64_t bytes) {
  void* at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) throw Failure(ExitCode::kVmFailed, "no memory");
  madvise(at, bytes, MADV_NOHUGEPAGE);
  return static_cast<char*>(at);
}

void serve(const FileSystem& fs) {
  try {
    load_call_tree();
    make_and_mount(fs, kPmemDevice, kMountPoint);
    commit_once(kMountPoint);
    const TestFile file(fmt::format("{}/ground", kMountPoint), kBytes, State::kWritten, false);
    const Mapping mapping(file, kBytes, true, Order::kPte);
    const Ground ground = {.pmem = mapping.base(),
                           .dram = memory_of(kPageSize),
                           .fresh = memory_of(kFresh * kPageSize),
                           .file = file.fd(),
                           .call_tree = open(kCallTree, O_WRONLY | O_CLOEXEC)};
    std::memset(ground.dram, 0, kPageSize);
    send_frame(wire::kReady, nlohmann::json::object());
    // The pages of the program, and none of `fresh`.
    if (mlockall(MCL_CURRENT | MCL_ONFAULT) != 0) {
      throw Failure(ExitCode::kVmFailed, fmt::format("mlockall: {}", std::strerror(errno)));
    }
    if (kernel_parameter(wire::kParamPark) == "1") park();
    const std::string name = take_request().at("loop");
    if (name == "symbols") {
      send_bytes(wire::kSymbols, packed_symbols());
    } else {
      send_frame(wire::kResult, {{"ticks", run(name, ground)}});
    }
    send_frame(wire::kDone, nlohmann::json::object());
    power_off();
  } catch (const Failure& failure) {
    send_failure("cell", failure);
  }
}

}  // namespace
}  // namespace faultline

int main() {
  if (getpid() != 1) {
    std::fprintf(stderr, "observed_guest is a guest's process 1; closed_form_vm_test runs it\n");
    return 77;
  }
  faultline::run_guest(faultline::serve);
}
