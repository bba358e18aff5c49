// SPDX-License-Identifier: GPL-2.0-only
#include "harness/order.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "cell/failure.h"

namespace faultline {
namespace {

constexpr uint64_t kMiB = 1 << 20;

OrderSurroundings on_dax() { return {.dax = true, .size = 8 * kMiB}; }
// All of it in one extent that lies as it should.
std::vector<FileExtent> aligned() {
  return {{.logical = 0, .physical = 64 * kMiB, .bytes = 8 * kMiB}};
}

std::string why(const OrderSurroundings& around, const std::vector<FileExtent>& extents,
                uint64_t at = 0, bool stored = false) {
  return why_not_huge(around, extents, at, stored);
}

TEST(Order, WhatIsSoForAllOfTheFileComesFirst) {
  OrderSurroundings around = on_dax();
  EXPECT_EQ(why(around, aligned()), "unknown");
  around.dax = false;
  EXPECT_EQ(why(around, aligned()), "not_dax");
  around = on_dax();
  around.size = 3 * kMiB;
  EXPECT_EQ(why(around, aligned(), 2 * kMiB), "too_short");
  EXPECT_EQ(why(around, aligned(), 0), "unknown");
  around = on_dax();
  around.huge_pages = false;
  EXPECT_EQ(why(around, aligned()), "no_huge_pages");
  around = on_dax();
  around.disabled = true;
  EXPECT_EQ(why(around, aligned()), "disabled");
}

TEST(Order, OneExtentMustCoverTheStretch) {
  EXPECT_EQ(why(on_dax(), {}), "hole");
  EXPECT_EQ(why(on_dax(), {{.logical = 2 * kMiB, .physical = 64 * kMiB, .bytes = 2 * kMiB}}),
            "hole");
  const std::vector<FileExtent> halves = {
      {.logical = 0, .physical = 64 * kMiB, .bytes = kMiB},
      {.logical = kMiB, .physical = 80 * kMiB, .bytes = 3 * kMiB}};
  EXPECT_EQ(why(on_dax(), halves), "fragmented");
  EXPECT_EQ(why(on_dax(), halves, 2 * kMiB), "extent") << "it begins 1 MiB into 2 MiB";
}

TEST(Order, EachLayerMayBeOutOfStep) {
  OrderSurroundings around = on_dax();
  around.partition_start = 2048 * 512;  // as fdisk begins the first one
  EXPECT_EQ(why(around, aligned()), "partition");
  around.namespace_start = (uint64_t{4} << 30) + 16 * 4096;
  EXPECT_EQ(why(around, aligned()), "namespace");
  around = on_dax();
  around.partition_start = 4096 * 512;
  around.namespace_start = uint64_t{4} << 30;
  EXPECT_EQ(why(around, aligned()), "unknown");
  EXPECT_EQ(why(around, {{.logical = 0, .physical = 64 * kMiB + 4096, .bytes = 8 * kMiB}}),
            "extent");
}

TEST(Order, AReadTellsNothingOfWhatIsUnwritten) {
  std::vector<FileExtent> extents = aligned();
  extents[0].unwritten = true;
  EXPECT_EQ(why(on_dax(), extents), "unwritten");
  EXPECT_EQ(why(on_dax(), extents, 0, true), "unknown");
}

TEST(Order, HugeIsAllOfIt) {
  OrderAnswer answer;
  EXPECT_FALSE(answer.huge());
  answer.windows = {{.at = 0, .huge = true, .reason = ""},
                    {.at = 2 * kMiB, .huge = false, .reason = "fragmented"}};
  EXPECT_FALSE(answer.huge());
  const nlohmann::json told = order_json(answer);
  EXPECT_EQ(told["order"], "pte");
  EXPECT_EQ(told["huge"], 1);
  ASSERT_EQ(told["reasons"].size(), 1U);
  EXPECT_EQ(told["reasons"][0]["reason"], "fragmented");
  EXPECT_EQ(told["reasons"][0]["first_at"], 2 * kMiB);
  answer.windows.pop_back();
  EXPECT_TRUE(answer.huge());
  EXPECT_EQ(order_json(answer)["order"], "pmd");
}

// Of files here, which are on no DAX.
TEST(Order, OfAFileOrTheFirstOfAFolder) {
  std::string folder = (std::filesystem::temp_directory_path() / "faultline-order-XXXXXX").string();
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  EXPECT_THROW(order_of_path(folder), Failure);
  EXPECT_THROW(order_of_path(folder + "/none"), Failure);
  std::ofstream(folder + "/small") << "x";
  EXPECT_THROW(order_of_path(folder), Failure);
  std::filesystem::create_directory(folder + "/in");
  std::ofstream(folder + "/in/large") << std::string(3 * kMiB, 'x');
  const OrderAnswer answer = order_of_path(folder);
  EXPECT_EQ(answer.path, folder + "/in/large");
  EXPECT_FALSE(answer.huge());
  ASSERT_EQ(answer.windows.size(), 1U);
  EXPECT_EQ(answer.windows[0].reason, "not_dax");
  std::filesystem::remove_all(folder);
}

TEST(Order, EachReasonHasWords) {
  for (const char* id : {"not_dax", "too_short", "no_huge_pages", "disabled", "hole", "unwritten",
                         "fragmented", "namespace", "partition", "extent", "unknown"}) {
    EXPECT_STREQ(order_reason(id).id, id);
    OrderAnswer answer{.path = "/mnt/pmem/file", .fs = "xfs", .around = on_dax(), .windows = {}};
    answer.windows = {{.at = 123 * 2 * kMiB, .huge = false, .reason = id}};
    std::istringstream lines(order_text(answer));
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80U) << line;
  }
  EXPECT_STREQ(order_reason("of no kind").id, "unknown");
}

TEST(Order, AFileOnADiskIsToldOfPmem) {
  const std::string change = order_reason("not_dax").change;
  EXPECT_LT(change.find("pmem device"), change.find("dax=always")) << change;
}

}  // namespace
}  // namespace faultline
