// SPDX-License-Identifier: GPL-2.0-only
// The arithmetic of the log-linear histogram (bpf/sample.h) that the probes and the contests keep.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "bpf/sample.h"

namespace faultline {

// First value of a bucket; that of bucket `i + 1` is one past its last. `bucket` <= FL_BUCKETS.
uint64_t bucket_low(size_t bucket);

// The durations of many events, each by its bucket.
struct Distribution {
  uint64_t count = 0;
  uint64_t sum = 0;
  uint64_t max = 0;
  std::array<uint64_t, FL_BUCKETS> buckets = {};

  void add(uint64_t duration);
  void add(const fl_overflow& more);
  void add(const Distribution& more);
};

// The value below or at which the share `q` (0 < q <= 1) of the events lies: the middle of the
// bucket that holds the event of rank ceil(q * n), but no more than `max`. Exact below 64,
// within 1.6 % above. 0 when there are no events.
uint64_t quantile(std::span<const uint64_t> buckets, double q, uint64_t max);

// The same quantile of events of which those in `sorted` (rising) are known exactly, and those in
// `beyond` by their bucket alone. It is exact when `beyond` is empty, and for q = 1, which is the
// greatest.
uint64_t quantile_of(std::span<const uint64_t> sorted, const Distribution& beyond, double q);

}  // namespace faultline
