// SPDX-License-Identifier: GPL-2.0-only
#include "harness/histogram.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "bpf/histogram.h"

namespace faultline {
namespace {

// The rank, from 1 on, of the event below or at which the share `q` of `total` events lies.
uint64_t rank_of(double q, uint64_t total) {
  return std::max<uint64_t>(1, static_cast<uint64_t>(std::ceil(q * static_cast<double>(total))));
}

// What an event of the bucket counts as: the bucket's middle, but no more than `max`.
uint64_t bucket_value(size_t bucket, uint64_t max) {
  const uint64_t low = bucket_low(bucket);
  return std::min(max, low + (bucket_low(bucket + 1) - 1 - low) / 2);
}

uint64_t total_of(std::span<const uint64_t> buckets) {
  return std::accumulate(buckets.begin(), buckets.end(), uint64_t{0});
}

}  // namespace

uint64_t bucket_low(size_t bucket) {
  if (bucket < FL_SUB) return bucket;
  const size_t power = bucket / FL_SUB - 1;
  return (FL_SUB + bucket % FL_SUB) << power;
}

void Distribution::add(uint64_t duration) {
  ++count;
  sum += duration;
  max = std::max(max, duration);
  ++buckets.at(bucket_of(duration));
}

void Distribution::add(const fl_overflow& more) {
  count += more.count;
  sum += more.sum;
  max = std::max<uint64_t>(max, more.max);
  for (size_t i = 0; i < buckets.size(); ++i) buckets.at(i) += more.buckets[i];
}

void Distribution::add(const Distribution& more) {
  count += more.count;
  sum += more.sum;
  max = std::max(max, more.max);
  for (size_t i = 0; i < buckets.size(); ++i) buckets.at(i) += more.buckets.at(i);
}

uint64_t quantile(std::span<const uint64_t> buckets, double q, uint64_t max) {
  const uint64_t total = total_of(buckets);
  if (total == 0) return 0;
  const uint64_t rank = rank_of(q, total);
  uint64_t seen = 0;
  for (size_t i = 0; i < buckets.size(); ++i) {
    seen += buckets[i];
    if (seen >= rank) return bucket_value(i, max);
  }
  return max;
}

uint64_t quantile_of(std::span<const uint64_t> sorted, const Distribution& beyond, double q) {
  const uint64_t total = sorted.size() + total_of(beyond.buckets);
  if (total == 0) return 0;
  const uint64_t rank = rank_of(q, total);
  const uint64_t greatest = std::max(beyond.max, sorted.empty() ? 0 : sorted.back());
  if (rank >= total) return greatest;
  uint64_t seen = 0;
  size_t exact = 0;  // of `sorted`, those that were seen
  for (size_t i = 0; i < beyond.buckets.size(); ++i) {
    if (beyond.buckets.at(i) == 0) continue;
    const uint64_t value = bucket_value(i, beyond.max);
    for (; exact < sorted.size() && sorted[exact] <= value; ++exact) {
      if (++seen == rank) return sorted[exact];
    }
    seen += beyond.buckets.at(i);
    if (seen >= rank) return value;
  }
  return sorted[exact + (rank - seen) - 1];
}

}  // namespace faultline
