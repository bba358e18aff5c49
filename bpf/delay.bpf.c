// SPDX-License-Identifier: GPL-2.0-only
/*
 * A planted regression of a known size (harness/delay.h): so many instructions in each DAX fault.
 * An object of its own, small, because it is in every guest. Each instruction of the filler is one
 * of the machine's too; a move of a register to itself would be cut out.
 */
/* clang-format off */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
/* clang-format on */

#include "bpf/delay.h"

struct fl_delay delay_asked SEC(".data.delay");

#define FL_FILL_1(x) asm volatile("%0 &= %0" : "+r"(x))
#define FL_FILL_2(x) \
  FL_FILL_1(x);      \
  FL_FILL_1(x)
#define FL_FILL_4(x) \
  FL_FILL_2(x);      \
  FL_FILL_2(x)
#define FL_FILL_8(x) \
  FL_FILL_4(x);      \
  FL_FILL_4(x)
#define FL_FILL_16(x) \
  FL_FILL_8(x);       \
  FL_FILL_8(x)

static __always_inline int spend(void) {
  const unsigned rounds = delay_asked.rounds;
  const unsigned rest = delay_asked.rest;
  unsigned long long x = 0;
  unsigned i = 0;
  /* No round at all must cost what the other ways out of the loop cost. */
  asm volatile("" : "+r"(i));
  /* Nor may the zero be made again where it is first used, which is one instruction more. */
  asm volatile("" : "+r"(x));
  if (rest & 1) FL_FILL_1(x);
  if (rest & 2) {
    FL_FILL_2(x);
  }
  if (rest & 4) {
    FL_FILL_4(x);
  }
  if (rest & 8) {
    FL_FILL_8(x);
  }
  if (rest & 16) {
    FL_FILL_16(x);
  }
#pragma clang loop unroll(disable)
  for (; i < FL_DELAY_ROUNDS; ++i) {
    if (i >= rounds) break;
    /* With the loop's own, FL_DELAY_ROUND. */
    FL_FILL_16(x);
    FL_FILL_8(x);
    FL_FILL_2(x);
    FL_FILL_1(x);
  }
  return 0;
}

/* One per tracepoint, trace_dax_{pte,pmd}_fault(): a raw program has one place. */
SEC("raw_tp") int delay_pte(void* ctx) { return spend(); }
SEC("raw_tp") int delay_pmd(void* ctx) { return spend(); }

char license_name[] SEC("license") = "GPL";
