/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which bucket of the histogram in sample.h a value falls into. Pure, and free of kernel headers:
 * the harness's tests compile it for the host.
 */
#pragma once

#include "bpf/sample.h"

#define FL_INLINE static inline __attribute__((always_inline))

/* What must happen to the index before it is bounded: the probes hide it from the compiler. */
#ifndef FL_BEFORE_BOUND
#define FL_BEFORE_BOUND(index)
#endif

FL_INLINE fl_u32 highest_bit(fl_u64 v) {
  fl_u32 bit = 0;
  if (v >> 32) v >>= 32, bit += 32;
  if (v >> 16) v >>= 16, bit += 16;
  if (v >> 8) v >>= 8, bit += 8;
  if (v >> 4) v >>= 4, bit += 4;
  if (v >> 2) v >>= 2, bit += 2;
  return bit + (v >> 1);
}

FL_INLINE fl_u64 bucket_of(fl_u64 v) {
  fl_u64 bit, bucket;
  if (v < FL_SUB) return v;
  bit = highest_bit(v);
  bucket = (bit - FL_SUB_BITS + 1) * FL_SUB + ((v >> (bit - FL_SUB_BITS)) & (FL_SUB - 1));
  FL_BEFORE_BOUND(bucket);
  if (bucket >= FL_BUCKETS) bucket = FL_BUCKETS - 1;
  return bucket;
}
