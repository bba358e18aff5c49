// SPDX-License-Identifier: GPL-2.0-only
// A program of a few loops over memory, which cachegrind_test runs under valgrind: strides, a chase
// over pointers, stores, changes in place, accesses that run over a line's end. Without a C library
// and on a stack of its own, so that each run accesses the same addresses.
//
// Each loop lies in a line of its own: of an access of two lines that misses one of them cachegrind
// asks its last level for both, and the model, as a CPU, for that which was missed. An instruction
// that runs over a line's end would show it, wherever a compiler happens to put one.
#include <cstdint>

extern "C" {
alignas(4096) std::uint8_t faultline_memory[16384 * 64];  // NOLINT: 1 MiB, named by what is below
alignas(4096) std::uint8_t faultline_stack[4096];         // NOLINT
}

asm(R"(
  .set lines, 16384
  .globl _start
  .p2align 6
_start:
  lea faultline_stack+4096(%rip), %rsp
  lea faultline_memory(%rip), %rbx
  xor %eax, %eax
  mov $3, %edx
  call strides
  jmp chased

  # 300 lines, which a L1D of 32 KiB holds, three times.
  .p2align 6
strides:
  xor %ecx, %ecx
1: add (%rbx,%rcx), %rax
  add $64, %rcx
  cmp $300*64, %rcx
  jb 1b
  dec %edx
  jnz strides
  xor %ecx, %ecx
2: add (%rbx,%rcx), %rax
  add $24, %rcx
  cmp $lines*64-8, %rcx
  jbe 2b
  ret

  # Each line is given the place of another: the step is odd and the lines a power of two, so that
  # the chase comes to all of them before it comes to one again.
  .p2align 6
chased:
  xor %ecx, %ecx
  mov $1641*64, %edx
1: mov %rdx, (%rbx,%rcx)
  add $5*64, %edx
  and $lines*64-1, %edx
  add $64, %ecx
  cmp $lines*64, %ecx
  jb 1b
  mov $2*lines, %ecx
  xor %edx, %edx
  .p2align 6
2: mov (%rbx,%rdx), %rdx
  dec %ecx
  jnz 2b
  xor %ecx, %ecx
3: add %rax, 8(%rbx,%rcx)
  add $3*64, %rcx
  cmp $lines*64, %rcx
  jb 3b
  jmp halves

  # Half of each store lies in the next line, and so does half of the first instruction, whose lines
  # nobody has fetched before.
  .p2align 6
  .skip 62
halves:
  mov $0, %ecx
1: mov %rax, 60(%rbx,%rcx)
  add $7*64, %rcx
  cmp $(lines-1)*64, %rcx
  jb 1b
  mov $3, %edx
2: xor %ecx, %ecx
3: mov %rax, 16(%rbx,%rcx)
  add $64, %rcx
  cmp $3000*64, %rcx
  jb 3b
  jmp 4f
  .p2align 6
4: dec %edx
  jnz 2b
  xor %edi, %edi
  mov $60, %eax
  syscall
)");
