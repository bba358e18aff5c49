// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/crash_images.h"

#include <gtest/gtest.h>

#include "campaign/pmem_testing.h"

namespace faultline {
namespace {

using Kind = PmemRecord::Kind;

PmemImage image_of(const std::vector<PmemRecord>& stores) {
  PmemImage image;
  for (const PmemRecord& record : stores) image.apply(record);
  return image;
}

PmemTrace trace() {
  PmemTrace trace;
  trace.records = {word(wire::CrashWord::kBegin),
                   store(0, 1),
                   store(64, 1),
                   {.where = 0, .instructions = 1, .kind = Kind::kWriteBackAtOnce},
                   store(4096, 1),
                   word(wire::CrashWord::kEnd)};
  return trace;
}

TEST(CrashImages, InOrderEachPointIsOne) {
  const PmemTrace log = trace();
  CrashImages images(log, {2, 5}, {.model = CrashModel::kOrder, .per_point = 8});
  const auto first = images.next();
  ASSERT_TRUE(first);
  EXPECT_TRUE(first->last);
  EXPECT_EQ(stored_at(first->bytes, 0), 1U);
  EXPECT_EQ(stored_at(first->bytes, 64), 0U);
  EXPECT_EQ(first->state.instructions, 20U);
  const auto second = images.next();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->point, 1U);
  EXPECT_EQ(stored_at(second->bytes, 4096), 1U);
  EXPECT_FALSE(images.next());
}

TEST(CrashImages, BySurvivalAPointIsMany) {
  const PmemTrace log = trace();
  CrashImages images(log, {2, 5}, {.model = CrashModel::kPx86, .per_point = 8});
  std::vector<std::pair<std::size_t, std::size_t>> seen;
  std::size_t last = 0;
  for (auto image = images.next(); image; image = images.next()) {
    seen.emplace_back(image->point, image->number);
    last += image->last ? 1 : 0;
    if (image->point == 1) {
      EXPECT_EQ(stored_at(image->bytes, 0), 1U) << "written back at once";
    }
  }
  // Before the write-back x alone is uncertain, after it two lines.
  EXPECT_EQ(seen, (std::vector<std::pair<std::size_t, std::size_t>>{
                      {0, 0}, {0, 1}, {1, 0}, {1, 1}, {1, 2}, {1, 3}}));
  EXPECT_EQ(last, 2U);
}

TEST(CrashImages, OneOfAPointIsTheSameAlone) {
  const PmemTrace log = trace();
  CrashImages all(log, {2, 5}, {.model = CrashModel::kPx86, .per_point = 8});
  std::vector<CrashImage> whole;
  for (auto image = all.next(); image; image = all.next()) whole.push_back(*image);
  CrashImages one(log, {2, 5},
                  {.model = CrashModel::kPx86, .per_point = 8, .point = 1, .image = 2});
  const auto again = one.next();
  ASSERT_TRUE(again);
  EXPECT_EQ(again->point, 1U);
  EXPECT_EQ(again->number, 2U);
  EXPECT_TRUE(again->last);
  EXPECT_EQ(again->bytes.first_difference(whole[4].bytes), -1);
  EXPECT_FALSE(one.next());
}

TEST(RecoveryClasses, AnImageIsOfAClassThatReadsTheSame) {
  RecoveryClasses classes;
  const PmemImage first = image_of({store(0, 1), store(64, 1), store(8192, 1)});
  EXPECT_EQ(classes.find(first), nullptr);
  LineSet read;  // the first line, and two of page 2
  read.add(8192, 8193);
  read.add(8192 + 128, 8192 + 129);
  read.add(0, 64);
  classes.add(first, read, {.found = {{"size", 7}}});
  EXPECT_EQ(classes.count(), 1U);
  const Recovered* same = classes.find(image_of({store(0, 1), store(64, 2), store(8192, 1)}));
  ASSERT_NE(same, nullptr) << "they differ in what nobody reads";
  EXPECT_EQ(same->found["size"], 7);
  EXPECT_EQ(classes.find(image_of({store(0, 2), store(64, 1), store(8192, 1)})), nullptr);
  EXPECT_EQ(classes.find(image_of({store(0, 1), store(64, 1), store(8192, 2)})), nullptr);
  EXPECT_EQ(classes.find(image_of({store(0, 1), store(64, 1)})), nullptr);
  EXPECT_EQ(classes.find(image_of({store(0, 1), store(8192, 1), store(8192 + 128, 1)})), nullptr);
  EXPECT_NE(classes.find(first), nullptr) << "what differed before is looked at first, not alone";
}

TEST(LineSet, AreAllThatHoldSomeOfTheBytes) {
  LineSet lines;
  EXPECT_EQ(lines.of_page(0), 0U);
  lines.add(60, 65);
  EXPECT_EQ(lines.of_page(0), 0b11U);
  lines.add(4095, 4096 + 64 + 1);
  EXPECT_EQ(lines.of_page(0), 0b11U | std::uint64_t{1} << 63);
  EXPECT_EQ(lines.of_page(1), 0b11U);
  lines.add(3 * 4096, 5 * 4096);
  EXPECT_EQ(lines.of_page(2), 0U);
  EXPECT_EQ(lines.of_page(3), ~std::uint64_t{0});
  EXPECT_EQ(lines.of_page(4), ~std::uint64_t{0});
  EXPECT_EQ(lines.of_page(5), 0U);
}

TEST(PmemImage, SaysForWhichSectorItsFileSystemWasMade) {
  PmemImage image;
  EXPECT_EQ(sector_of(image), 512U);
  image.apply(store(0, 0x42534658, 2));  // "XFSB"
  image.apply(store(102, 0x0010, 1));    // 4096, the more significant byte first
  EXPECT_EQ(sector_of(image), 4096U);
}

TEST(PmemImage, CopiesShareWhatDoesNotDiffer) {
  PmemImage first = image_of({store(0, 1), store(4096, 1)});
  const PmemImage copy = first;
  EXPECT_TRUE(first.differences(copy).empty());
  first.apply(store(4096, 2));
  first.apply(store(8192, 1));
  EXPECT_EQ(first.differences(copy), (std::vector<std::uint64_t>{1, 2}));
  EXPECT_EQ(stored_at(copy, 4096), 1U);
  EXPECT_EQ(first.first_difference(copy), 1);
}

}  // namespace
}  // namespace faultline
