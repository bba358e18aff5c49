// SPDX-License-Identifier: GPL-2.0-only
#include "harness/histogram.h"

#include <algorithm>
#include <cmath>

#include "bpf/sample.h"

namespace faultline {

uint64_t bucket_low(size_t bucket) {
  if (bucket < FL_SUB) return bucket;
  const size_t power = bucket / FL_SUB - 1;
  return (FL_SUB + bucket % FL_SUB) << power;
}

uint64_t quantile(std::span<const uint64_t> buckets, double q, uint64_t max) {
  uint64_t total = 0;
  for (const uint64_t n : buckets) total += n;
  if (total == 0) return 0;
  const auto rank =
      std::max<uint64_t>(1, static_cast<uint64_t>(std::ceil(q * static_cast<double>(total))));
  uint64_t seen = 0;
  for (size_t i = 0; i < buckets.size(); ++i) {
    seen += buckets[i];
    if (seen >= rank) {
      const uint64_t low = bucket_low(i);
      return std::min(max, low + (bucket_low(i + 1) - 1 - low) / 2);
    }
  }
  return max;
}

}  // namespace faultline
