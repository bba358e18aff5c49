// SPDX-License-Identifier: GPL-2.0-only
// A program of a few loops over memory, which cachegrind_test runs under valgrind: strides, a chase
// over pointers, stores, changes in place, accesses that run over a line's end. Without a C library
// and on a stack of its own, so that each run accesses the same addresses.
#include <cstdint>

namespace {

constexpr std::uint32_t kLine = 64;
constexpr std::uint32_t kLines = 16384;  // 1 MiB
constexpr std::uint32_t kSmall = 300;    // fit in a L1D of 32 KiB

alignas(4096) std::uint8_t g_memory[kLines * kLine];  // NOLINT: all of it is the program's

std::uint64_t& at(std::uint64_t offset) {
  return *reinterpret_cast<std::uint64_t*>(g_memory + offset);  // NOLINT
}
std::uint64_t load(std::uint64_t offset) {
  return *const_cast<volatile std::uint64_t*>(&at(offset));
}
void store(std::uint64_t offset, std::uint64_t value) {
  *const_cast<volatile std::uint64_t*>(&at(offset)) = value;
}

}  // namespace

extern "C" {
alignas(4096) std::uint8_t faultline_stack[4096];  // NOLINT: named by what is below

// A system call ends it: there is nobody to return to.
__attribute__((used)) void faultline_loops() {
  std::uint64_t sum = 0;
  for (std::uint32_t pass = 0; pass < 3; ++pass) {
    for (std::uint32_t i = 0; i < kSmall; ++i) sum += load(std::uint64_t{i} * kLine);
  }
  for (std::uint64_t offset = 0; offset + 8 <= sizeof g_memory; offset += 24) sum += load(offset);
  // A full period: the step is odd, the number of lines a power of two.
  for (std::uint32_t i = 0; i < kLines; ++i) {
    store(std::uint64_t{i} * kLine, (i * std::uint64_t{5} + 1641) % kLines * kLine);
  }
  for (std::uint32_t i = 0, place = 0; i < 2 * kLines; ++i) {
    place = static_cast<std::uint32_t>(load(place));
  }
  for (std::uint32_t i = 0; i < kLines; i += 3) at(i * kLine + 8) += sum;
  // Half of each lies in the next line.
  for (std::uint32_t i = 0; i + 1 < kLines; i += 7) store(i * kLine + kLine - 4, sum);
  for (std::uint32_t pass = 0; pass < 3; ++pass) {
    for (std::uint32_t i = 0; i < 3000; ++i) store(i * kLine + 16, sum);
  }
  asm volatile("syscall" ::"a"(60), "D"(0));
}

asm(".globl _start\n"
    "_start:\n"
    "  lea faultline_stack+4096(%rip), %rsp\n"
    "  call faultline_loops\n");
}
