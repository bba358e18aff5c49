/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tells faultline's crash test what a program does to persistent memory, for
 *
 *     faultline crashtest --run "PROGRAM ARGUMENTS"
 *
 * The program is started in a directory of the file system under test: as `PROGRAM ARGUMENTS
 * write`, in a guest whose stores are logged; and, after each power cut that is made of the log, as
 * `PROGRAM ARGUMENTS check` over what was recovered. While it writes it says of things that it
 * numbers as it likes when their first store comes and when they are durable. When it checks it
 * prints the numbers of the things that it finds whole, one a line, and exits 0; any other exit
 * means that what it found is broken, and its last line says how. A promise is kept if the thing is
 * found; a thing that was never begun must not be.
 *
 * Each call is one store to memory of the program's own, which QEMU's plugin sees. Outside a crash
 * test they do nothing.
 */
#ifndef FAULTLINE_CRASH_H
#define FAULTLINE_CRASH_H

#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

/* Where the plugin looks, and the two words that a program says there: above 56 bits of a number.
 */
#define FAULTLINE_CRASH_ADDRESS 0x5fa017000000
#define FAULTLINE_CRASH_SHIFT 56
#define FAULTLINE_CRASH_ITEM_BEGUN 10
#define FAULTLINE_CRASH_ITEM_PROMISED 11

/* NOLINTBEGIN(performance-no-int-to-ptr): addresses, of a word and of lines. */

/* Before the other calls; 0, or -1 with errno if the address is taken. */
static inline int faultline_crash_open(void) {
  void* at = mmap((void*)FAULTLINE_CRASH_ADDRESS, 4096, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_POPULATE, -1, 0);
  return at == MAP_FAILED ? -1 : 0;
}

static inline void faultline_crash_say(uint64_t word, uint64_t item) {
  *(volatile uint64_t*)FAULTLINE_CRASH_ADDRESS = word << FAULTLINE_CRASH_SHIFT | item;
}

/* The first store of an item comes next. */
static inline void faultline_begun(uint64_t item) {
  faultline_crash_say(FAULTLINE_CRASH_ITEM_BEGUN, item);
}

/* An item is durable: from now on it must be found. */
static inline void faultline_promised(uint64_t item) {
  faultline_crash_say(FAULTLINE_CRASH_ITEM_PROMISED, item);
}

/*
 * Writes back the lines of `bytes` bytes at `at`, without a fence. Behind a jump, which ends a
 * block of QEMU's: at the beginning of one alone does QEMU 7.2 tell which line is written back. A
 * program that has clwb elsewhere is run a second time, an instruction at a time, which takes seven
 * times as long.
 */
static inline void faultline_write_back(const void* at, size_t bytes) {
  const char* line = (const char*)((uintptr_t)at & ~(uintptr_t)63);
  for (; line < (const char*)at + bytes; line += 64)
    __asm__ volatile("jmp 1f\n1:\tclflushopt %0" : : "m"(*line) : "memory");
}

static inline void faultline_fence(void) { __asm__ volatile("sfence" : : : "memory"); }

/* NOLINTEND(performance-no-int-to-ptr) */

#endif
