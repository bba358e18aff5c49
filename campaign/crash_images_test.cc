// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/crash_images.h"

#include <gtest/gtest.h>

#include "campaign/pmem_testing.h"
#include "cell/crash_page.h"
#include "cell/testing.h"

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
  classes.add(first, {.found = {{"size", 7}}, .read = read});
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

// The image of a file's page: its version at `at` of the pmem.
void put_page(PmemImage& image, std::uint64_t at, std::uint16_t page, std::uint16_t version) {
  for (std::size_t i = 0; i < kCrashWordsPerPage; ++i) {
    image.apply(store(static_cast<std::uint32_t>(at + 8 * i), crash_page_word(page, version, i)));
  }
}

TEST(FoundIn, PagesAreWhereTheExtentsAre) {
  PmemImage image;
  put_page(image, 40960, 0, 1);
  put_page(image, 49152, 1, 2);
  put_page(image, 81920, 3, 1);
  put_page(image, 86016, 4, 1);
  Recovered recovered{.found = {{"size", 4 * 4096 + 64}, {"mounted", true}}};
  recovered.found["extents"] = {
      {0, 40960, 4096, false}, {4096, 49152, 4096, false}, {12288, 81920, 16384, false}};
  const auto pages = [&](std::size_t count) { return found_in(image, recovered, count)["pages"]; };
  // Page 2 is a hole; of page 4 the file has one line.
  EXPECT_EQ(pages(9), nlohmann::json::parse("[[1], [2], [0], [1], [0, 1]]"));
  EXPECT_EQ(pages(2), nlohmann::json::parse("[[1], [2]]")) << "the judge asks for no more";
  EXPECT_EQ(found_in(image, recovered, 9)["mounted"], true);
  // At another place, or not written yet, it is another's, or nothing.
  recovered.found["extents"] = {{0, 49152, 4096, false}, {4096, 40960, 4096, true}};
  EXPECT_EQ(pages(2), nlohmann::json::parse("[[-1], [0]]"));
  EXPECT_EQ(file_blocks(recovered),
            (std::vector<std::pair<std::uint64_t, std::uint64_t>>{{49152, 4096}}));
  // What the guest has read itself stands.
  recovered.found = {{"size", 4096}, {"pages", {{7}}}};
  EXPECT_EQ(pages(9), nlohmann::json::parse("[[7]]"));
  EXPECT_TRUE(file_blocks(recovered).empty());
}

TEST(FoundIn, WhatRecoveryHasStoredIsThere) {
  PmemImage image;
  put_page(image, 40960, 0, 1);
  Recovered recovered{.found = {{"size", 4096}, {"extents", {{0, 40960, 4096, false}}}}};
  PmemImage::Bytes zeroes{};
  recovered.rewritten_pages[10] = zeroes;
  EXPECT_EQ(found_in(image, recovered, 1)["pages"], nlohmann::json::parse("[[1]]"));
  recovered.rewritten.add(40960 + 64, 40960 + 65);
  EXPECT_EQ(found_in(image, recovered, 1)["pages"], nlohmann::json::parse("[[0, 1]]"));
  recovered.rewritten.add(40960, 40960 + 4096);
  EXPECT_EQ(found_in(image, recovered, 1)["pages"], nlohmann::json::parse("[[0]]"));
}

TEST(FoundIn, ExtentsThatAreNoneAreRefused) {
  const auto message = [](const nlohmann::json& extents) {
    return message_of(ExitCode::kVmFailed, [&] {
      found_in({}, {.found = {{"size", 4096}, {"extents", extents}}}, 1);
    });
  };
  EXPECT_EQ(message({{0, UINT64_MAX, 4096, false}}),
            "the guest tells of an extent of 4096 bytes at 18446744073709551615, which is in no "
            "pmem");
  EXPECT_NE(message({{0, 0, UINT64_MAX, false}}), "");
  EXPECT_NE(message({{UINT64_MAX, 0, 4096, false}}), "");
  EXPECT_NE(message({{0, 0, 4096}}).find("not as they should be"), std::string::npos);
  EXPECT_NE(message({7}).find("not as they should be"), std::string::npos);
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
