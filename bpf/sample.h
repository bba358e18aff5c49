/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the probes and the harness share: one struct of counters per probe, one record per sample.
 * Fixed-width types only; the sizes are asserted on both sides.
 */
#pragma once

#ifdef __cplusplus
#include <cstdint>
#define FL_ASSERT_SIZE(type, size) static_assert(sizeof(type) == (size), #type " is the ABI")
using fl_u32 = uint32_t;
using fl_u64 = uint64_t;
#else
#define FL_ASSERT_SIZE(type, size) _Static_assert(sizeof(type) == (size), #type " is the ABI")
typedef unsigned int fl_u32;
typedef unsigned long long fl_u64;
#endif

/*
 * Log-linear histogram: values below FL_SUB have a bucket each, above them every power of two is
 * cut into FL_SUB equal buckets, so a bucket is at most 1/32 (3.1 %) wide. The last takes all from
 * 2^40 on.
 */
#define FL_SUB_BITS 5
#define FL_SUB (1 << FL_SUB_BITS)
#define FL_BUCKETS 1152

/* In-flight entries by thread id; two threads that meet in one slot are counted in `slots`. */
#define FL_SLOTS 4096

/* Counters of one probe. Times in nanoseconds of the kernel's monotonic clock: under -icount
 * shift=0 one nanosecond is one instruction. */
struct fl_state {
  fl_u32 tgid;     /* only this process; 0: any */
  fl_u32 sampling; /* 1: write a record per event to the ring buffer */
  fl_u64 count;    /* events that ended */
  fl_u64 sum;      /* their time */
  fl_u64 max;
  fl_u64 huge;      /* of these, events of order above 0 */
  fl_u64 fallbacks; /* attempts that fell back or asked for a retry; not in count */
  fl_u64 errors;    /* attempts that ended in VM_FAULT_ERROR; not in count */
  fl_u64 slots;     /* events lost because two threads shared a slot */
  fl_u64 dropped;   /* records lost because the ring buffer was full */
  fl_u64 buckets[FL_BUCKETS];
};
FL_ASSERT_SIZE(struct fl_state, 72 + 8 * FL_BUCKETS);

/* One event, in the ring buffer. */
struct fl_sample {
  fl_u32 type; /* index of the probe in probes.def */
  fl_u32 tid;
  fl_u64 start;    /* ns, monotonic clock */
  fl_u64 duration; /* ns */
  fl_u64 address;  /* of the fault; 0 where there is none */
  fl_u32 result;   /* the function's return value (VM_FAULT_*) */
  fl_u32 order;    /* second argument of the function, 0: pte */
};
FL_ASSERT_SIZE(struct fl_sample, 40);
