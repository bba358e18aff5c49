// SPDX-License-Identifier: GPL-2.0-only
// The arithmetic of the probes' log-linear histogram (bpf/sample.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace faultline {

// First value of a bucket; that of bucket `i + 1` is one past its last. `bucket` <= FL_BUCKETS.
uint64_t bucket_low(size_t bucket);

// The value below or at which the share `q` (0 < q <= 1) of the events lies: the middle of the
// bucket that holds the event of rank ceil(q * n), but no more than `max`. Exact below 64,
// within 1.6 % above. 0 when there are no events.
uint64_t quantile(std::span<const uint64_t> buckets, double q, uint64_t max);

}  // namespace faultline
