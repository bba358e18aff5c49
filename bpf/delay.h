/* SPDX-License-Identifier: GPL-2.0-only */
/* What harness/delay.cc and bpf/delay.bpf.c share. */
#pragma once

/* Instructions of one round, and the most rounds that the program can be asked for: the verifier
 * walks through each. */
#define FL_DELAY_ROUND 32
#define FL_DELAY_ROUNDS 640

struct fl_delay {
  unsigned rounds;
  unsigned rest; /* below FL_DELAY_ROUND */
};
