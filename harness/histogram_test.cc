// SPDX-License-Identifier: GPL-2.0-only
#include "harness/histogram.h"

#include <gtest/gtest.h>

#include <array>
#include <utility>
#include <vector>

#include "bpf/histogram.h"

namespace faultline {
namespace {

// The buckets named, the others empty.
std::array<uint64_t, FL_BUCKETS> buckets(const std::vector<std::pair<size_t, uint64_t>>& counts) {
  std::array<uint64_t, FL_BUCKETS> buckets{};
  for (const auto& [bucket, count] : counts) buckets.at(bucket) = count;
  return buckets;
}

TEST(Histogram, BucketsBeginAt) {
  EXPECT_EQ(bucket_low(0), 0U);
  EXPECT_EQ(bucket_low(1), 1U);
  EXPECT_EQ(bucket_low(31), 31U);
  EXPECT_EQ(bucket_low(32), 32U);
  EXPECT_EQ(bucket_low(33), 33U);
  EXPECT_EQ(bucket_low(63), 63U);
  EXPECT_EQ(bucket_low(64), 64U);
  EXPECT_EQ(bucket_low(65), 66U);
  EXPECT_EQ(bucket_low(95), 126U);
  EXPECT_EQ(bucket_low(96), 128U);
  EXPECT_EQ(bucket_low(97), 132U);
  EXPECT_EQ(bucket_low(127), 252U);
  EXPECT_EQ(bucket_low(128), 256U);
  EXPECT_EQ(bucket_low(1151), 1'082'331'758'592U);  // 63 * 2^34
  EXPECT_EQ(bucket_low(1152), 1'099'511'627'776U);  // 2^40
}

TEST(Histogram, ProbesPutValuesInto) {
  EXPECT_EQ(bucket_of(0), 0U);
  EXPECT_EQ(bucket_of(31), 31U);
  EXPECT_EQ(bucket_of(32), 32U);
  EXPECT_EQ(bucket_of(63), 63U);
  EXPECT_EQ(bucket_of(64), 64U);
  EXPECT_EQ(bucket_of(65), 64U);
  EXPECT_EQ(bucket_of(66), 65U);
  EXPECT_EQ(bucket_of(127), 95U);
  EXPECT_EQ(bucket_of(128), 96U);
  EXPECT_EQ(bucket_of(131), 96U);
  EXPECT_EQ(bucket_of(132), 97U);
  EXPECT_EQ(bucket_of(1'082'331'758'591U), 1150U);
  EXPECT_EQ(bucket_of(1'082'331'758'592U), 1151U);
  EXPECT_EQ(bucket_of(1'099'511'627'775U), 1151U);
  EXPECT_EQ(bucket_of(1'099'511'627'776U), 1151U);
  EXPECT_EQ(bucket_of(UINT64_MAX), 1151U);
}

TEST(Histogram, HighestBit) {
  for (fl_u32 bit = 0; bit < 64; ++bit) {
    EXPECT_EQ(highest_bit(fl_u64{1} << bit), bit);
    EXPECT_EQ(highest_bit(UINT64_MAX >> (63 - bit)), bit);
  }
}

TEST(Histogram, ProbesAndHarnessAgree) {
  const auto agree = [](uint64_t value) {
    const uint64_t bucket = bucket_of(value);
    EXPECT_LE(bucket_low(bucket), value);
    EXPECT_LT(value, bucket_low(bucket + 1)) << value;
  };
  for (uint64_t value = 0; value < 100'000; ++value) agree(value);
  // Both sides of every edge, and what lies between.
  for (size_t bucket = 1; bucket < FL_BUCKETS; ++bucket) {
    const uint64_t low = bucket_low(bucket);
    EXPECT_EQ(bucket_of(low), bucket);
    EXPECT_EQ(bucket_of(low - 1), bucket - 1);
    agree(low + (bucket_low(bucket + 1) - low) / 2);
  }
}

TEST(Quantile, OfNothingIsZero) {
  EXPECT_EQ(quantile(buckets({}), 0.5, 99), 0U);
  EXPECT_EQ(quantile({}, 0.5, 99), 0U);
}

TEST(Quantile, OfOneEventIsThatEvent) {
  for (const double q : {0.001, 0.5, 0.99, 0.999, 1.0}) {
    EXPECT_EQ(quantile(buckets({{10, 1}}), q, 10), 10U);
    EXPECT_EQ(quantile(buckets({{0, 1}}), q, 0), 0U);
    EXPECT_EQ(quantile(buckets({{63, 1}}), q, 63), 63U);
  }
}

TEST(Quantile, RanksAtTheEdgeBelongToTheLowerBucket) {
  // 100 events: rank 50 is the last of the first bucket, rank 51 the first of the second.
  const auto even = buckets({{10, 50}, {20, 50}});
  EXPECT_EQ(quantile(even, 0.5, 20), 10U);
  EXPECT_EQ(quantile(even, 0.505, 20), 20U);
  EXPECT_EQ(quantile(even, 1.0, 20), 20U);
  // 101 events: rank 50.5 is the 51st.
  EXPECT_EQ(quantile(buckets({{10, 51}, {20, 50}}), 0.5, 20), 10U);
  EXPECT_EQ(quantile(buckets({{10, 50}, {20, 51}}), 0.5, 20), 20U);
  // 10 events, of which the 9th and the 10th differ.
  const auto ten = buckets({{1, 8}, {2, 1}, {3, 1}});
  EXPECT_EQ(quantile(ten, 0.8, 3), 1U);
  EXPECT_EQ(quantile(ten, 0.9, 3), 2U);
  EXPECT_EQ(quantile(ten, 0.99, 3), 3U);
  // 1000 events, the greatest apart.
  const auto thousand = buckets({{5, 999}, {40, 1}});
  EXPECT_EQ(quantile(thousand, 0.999, 40), 5U);
  EXPECT_EQ(quantile(thousand, 0.9999, 40), 40U);
  // 3 events.
  const auto three = buckets({{1, 1}, {2, 1}, {3, 1}});
  EXPECT_EQ(quantile(three, 0.5, 3), 2U);
  EXPECT_EQ(quantile(three, 0.9, 3), 3U);
}

TEST(Quantile, IsTheMiddleOfItsBucket) {
  EXPECT_EQ(quantile(buckets({{64, 7}}), 0.5, 1000), 64U);    // 64 and 65
  EXPECT_EQ(quantile(buckets({{96, 7}}), 0.5, 1000), 129U);   // 128 to 131
  EXPECT_EQ(quantile(buckets({{128, 7}}), 0.5, 1000), 259U);  // 256 to 263
}

TEST(Quantile, IsNeverAboveTheGreatest) {
  EXPECT_EQ(quantile(buckets({{96, 1}}), 0.5, 128), 128U);
  EXPECT_EQ(quantile(buckets({{96, 1}}), 0.5, 129), 129U);
  EXPECT_EQ(quantile(buckets({{10, 1}, {128, 9}}), 0.9, 256), 256U);
}

TEST(Distribution, AddsEventsAndOthers) {
  Distribution some;
  some.add(10);
  some.add(130);
  Distribution more;
  more.add(7);
  more.add(some);
  EXPECT_EQ(more.count, 3U);
  EXPECT_EQ(more.sum, 147U);
  EXPECT_EQ(more.max, 130U);
  EXPECT_EQ(more.buckets.at(7), 1U);
  EXPECT_EQ(more.buckets.at(10), 1U);
  EXPECT_EQ(more.buckets.at(96), 1U);  // 128 to 131
}

TEST(QuantileOf, OfExactValuesAloneIsExact) {
  const std::vector<uint64_t> values = {1, 2, 3, 4, 1000};
  EXPECT_EQ(quantile_of(values, {}, 0.5), 3U);
  EXPECT_EQ(quantile_of(values, {}, 0.8), 4U);
  EXPECT_EQ(quantile_of(values, {}, 0.81), 1000U);
  EXPECT_EQ(quantile_of(values, {}, 1.0), 1000U);
  EXPECT_EQ(quantile_of(std::span<const uint64_t>(), Distribution(), 0.5), 0U);
}

TEST(QuantileOf, TakesAllByTheirOrder) {
  Distribution beyond;
  for (int i = 0; i < 5; ++i) beyond.add(50);
  for (int i = 0; i < 4; ++i) beyond.add(257);  // counts as 257, for it is the greatest
  const std::vector<uint64_t> values = {40, 50, 60};
  EXPECT_EQ(quantile_of(values, beyond, 0.05), 40U);   // rank 1 of 12
  EXPECT_EQ(quantile_of(values, beyond, 0.50), 50U);   // rank 6
  EXPECT_EQ(quantile_of(values, beyond, 0.58), 50U);   // rank 7, the last of six
  EXPECT_EQ(quantile_of(values, beyond, 0.66), 60U);   // rank 8
  EXPECT_EQ(quantile_of(values, beyond, 0.75), 257U);  // rank 9
  EXPECT_EQ(quantile_of(values, beyond, 1.0), 257U);
  EXPECT_EQ(quantile_of(std::vector<uint64_t>{1, 2, 300, 400}, beyond, 0.99), 400U);
  EXPECT_EQ(quantile_of(std::vector<uint64_t>{1, 2, 300, 400}, beyond, 0.90),
            300U);  // rank 12 of 13
}

TEST(QuantileOf, TheGreatestIsExact) {
  Distribution beyond;
  beyond.add(256);
  beyond.add(263);  // of the same bucket, whose middle is 259
  EXPECT_EQ(quantile_of(std::vector<uint64_t>{1}, beyond, 0.5), 259U);
  EXPECT_EQ(quantile_of(std::vector<uint64_t>{1}, beyond, 1.0), 263U);
}

}  // namespace
}  // namespace faultline
