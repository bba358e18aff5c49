/* SPDX-License-Identifier: GPL-2.0-only */
/* What bpf/cost.bpf.c and harness/bpf_cost.cc have in common. */
#pragma once

/* How many entries each array and each hash of bpf/cost.bpf.c has. */
#define FL_COST_ENTRIES 64
/* Bytes: 8192 records of 16 bytes with their headers, and more. */
#define FL_COST_RING (256 << 10)
