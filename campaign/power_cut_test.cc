// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/power_cut.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "campaign/pmem_testing.h"
#include "campaign/testing.h"
#include "cell/failure.h"
#include "cell/testing.h"
#include "harness/wire.h"
#include "vm/process.h"

namespace faultline {
namespace {

using wire::CrashWord;

template <typename Item>
void write_items(const std::string& file, const std::vector<Item>& items) {
  std::ofstream out(file, std::ios::binary);
  out.write(reinterpret_cast<const char*>(items.data()),
            static_cast<std::streamsize>(items.size() * sizeof(Item)));
}
PmemPage page_of(std::uint64_t index, std::size_t at, unsigned char byte) {
  PmemPage page;
  page.index = index;
  page.bytes[at] = byte;
  return page;
}

CrashState after(std::size_t pages, const std::vector<PmemRecord>& records) {
  CrashState state(pages);
  for (const PmemRecord& record : records) state.apply(record);
  return state;
}

// What the guest says of a file that it could read.
nlohmann::json found(std::uint64_t size, std::uint64_t mtime, std::vector<std::vector<int>> pages) {
  return {{"mounted", true}, {"size", size}, {"mtime", mtime}, {"pages", pages}, {"error", ""}};
}

TEST(PmemImage, IsTheBeginAndTheStoresSince) {
  const Scratch scratch;
  write_items<PmemPage>(scratch / "begin", {page_of(1, 5, 7)});
  PmemImage image(scratch / "begin");
  image.apply(store(4096 + 8, 0x0102030405060708));
  image.apply(store(3 * 4096 + 4095, 0xff, 0));
  image.apply(word(CrashWord::kEnd));
  const std::string file = scratch / "image";
  {
    std::ofstream out(file);
    out << std::string(3 * 4096, 'x');
  }
  const Fd fd(::open(file.c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_EQ(ftruncate(fd.get(), 6 * 4096), 0);
  image.write(fd.get(), 4096, 4 * 4096);
  const std::string bytes = read_file(file);
  EXPECT_EQ(bytes.substr(0, 4096), std::string(4096, 'x')) << "what is before stays";
  EXPECT_EQ(bytes[4096], 0) << "what was there is gone";
  EXPECT_EQ(bytes[2 * 4096 + 5], 7);
  EXPECT_EQ(bytes[2 * 4096 + 8], 8);
  EXPECT_EQ(bytes[2 * 4096 + 15], 1);
  EXPECT_EQ(bytes[4 * 4096 + 4095], '\xff');
}

TEST(PmemImage, LosesItsNewestCommitAlone) {
  PmemImage image;
  const auto jbd2 = [&](std::uint64_t page, unsigned type, unsigned sequence) {
    image.apply(store(
        page * 4096, __builtin_bswap32(0xc03b3998) | std::uint64_t{__builtin_bswap32(type)} << 32));
    image.apply(store(page * 4096 + 8, __builtin_bswap32(sequence), 2));
  };
  jbd2(2, 2, 9);
  jbd2(3, 2, 10);
  jbd2(4, 1, 11);  // a descriptor
  PmemImage expected = image;
  EXPECT_TRUE(image.drop_last_commit());
  expected.apply(store(3 * 4096, 0));
  expected.apply(store(3 * 4096 + 8, 0));
  EXPECT_EQ(image.first_difference(expected), -1);
  PmemImage none;
  EXPECT_FALSE(none.drop_last_commit());
}

TEST(PmemImage, LosesXfsNewestLogRecord) {
  PmemImage image;
  const auto header = [&](std::uint64_t at, unsigned cycle, unsigned block) {
    image.apply(store(at, __builtin_bswap32(0xfeedbabe), 2));
    image.apply(
        store(at + 16, __builtin_bswap32(cycle) | std::uint64_t{__builtin_bswap32(block)} << 32));
  };
  header(1536, 1, 90);
  header(8192 + 512, 2, 3);
  PmemImage expected = image;
  EXPECT_TRUE(image.drop_last_commit());
  expected.apply(store(8192 + 512, 0));
  expected.apply(store(8192 + 528, 0));
  EXPECT_EQ(image.first_difference(expected), -1);
}

// A folder as the plugin leaves it.
class Trace : public testing::Test {
 protected:
  void SetUp() override {
    write_items<PmemRecord>(scratch_ / kPmemLogFile,
                            {word(CrashWord::kBegin), store(0, 5, 0), word(CrashWord::kEnd)});
    write_items<PmemPage>(scratch_ / kPmemBeginFile, {page_of(1, 0, 1)});
    write_items<PmemPage>(scratch_ / kPmemEndFile, {page_of(1, 0, 1), page_of(0, 0, 5)});
  }
  std::string refusal() {
    try {
      PmemTrace::read(scratch_ / "");
    } catch (const Failure& failure) {
      EXPECT_EQ(failure.code(), ExitCode::kVmFailed);
      return failure.what();
    }
    return "";
  }
  Scratch scratch_;
};

TEST_F(Trace, IsRead) {
  EXPECT_EQ(refusal(), "");
  EXPECT_EQ(PmemTrace::read(scratch_ / "").records.size(), 3U);
}

TEST_F(Trace, ThatMissesAStoreIsRefused) {
  write_items<PmemPage>(scratch_ / kPmemEndFile, {page_of(1, 0, 1), page_of(0, 0, 6)});
  EXPECT_EQ(refusal(),
            "the log of the guest's stores to pmem: not all are in it: page 0 of the pmem ends "
            "otherwise");
  write_items<PmemPage>(scratch_ / kPmemEndFile, {page_of(0, 0, 5)});
  EXPECT_NE(refusal().find("page 1 of"), std::string::npos);
  write_items<PmemPage>(scratch_ / kPmemEndFile,
                        {page_of(1, 0, 1), page_of(0, 0, 5), page_of(2, 7, 1)});
  EXPECT_NE(refusal().find("page 2 of"), std::string::npos) << "never stored to, by the log";
}

TEST_F(Trace, ThatHasNoEndIsRefused) {
  write_items<PmemRecord>(scratch_ / kPmemLogFile, {word(CrashWord::kBegin), store(0, 5, 0)});
  EXPECT_NE(refusal().find("it has no begin or no end"), std::string::npos);
  write_items<char>(scratch_ / kPmemLogFile, std::vector<char>(17));
  EXPECT_NE(refusal().find("log is cut short"), std::string::npos);
  unlink((scratch_ / kPmemBeginFile).c_str());
  unlink((scratch_ / kPmemLogFile).c_str());
  EXPECT_NE(refusal().find("there is no log"), std::string::npos);
}

TEST(CrashPoints, HalfAreAtPromisesAndTheRestSpread) {
  std::vector<PmemRecord> records = {word(CrashWord::kBegin)};
  for (std::uint64_t i = 0; i < 100; ++i) {
    records.push_back(store(i * 512, i));
    if (i % 10 == 9) records.push_back(word(CrashWord::kPromised, i, 1));
  }
  records.push_back(word(CrashWord::kEnd));
  const auto points = crash_points(records, 20, 1, kTearsAnywhere);
  ASSERT_EQ(points.size(), 20U);
  std::vector<std::size_t> promises;
  for (const std::size_t point : points) {
    ASSERT_GE(point, 2U);
    ASSERT_LE(point, records.size());
    if (records[point - 1].is_word()) promises.push_back(point);
  }
  // All ten: the log holds no more.
  EXPECT_EQ(promises, (std::vector<std::size_t>{12, 23, 34, 45, 56, 67, 78, 89, 100, 111}));
  for (std::size_t i = 0; i < 10; ++i) {
    EXPECT_EQ(std::count_if(points.begin(), points.end(),
                            [&](std::size_t p) {
                              return !records[p - 1].is_word() && p >= 2 + 11 * i &&
                                     p < 2 + 11 * (i + 1);
                            }),
              1)
        << "one in each tenth";
  }
  EXPECT_EQ(crash_points(records, 20, 1, kTearsAnywhere), points);
  EXPECT_NE(crash_points(records, 20, 2, kTearsAnywhere), points);
  EXPECT_TRUE(std::is_sorted(points.begin(), points.end()));
}

TEST(CrashPoints, WithoutPromisesAllAreSpread) {
  const std::vector<PmemRecord> records = {word(CrashWord::kBegin), store(0, 1), store(512, 2),
                                           word(CrashWord::kEnd)};
  EXPECT_EQ(crash_points(records, 2, 0, kTearsAnywhere), (std::vector<std::size_t>{2, 3}));
}

TEST(CrashPoints, ASectorIsWhole) {
  std::vector<PmemRecord> records = {word(CrashWord::kBegin)};
  for (std::uint64_t at = 0; at < 1024; at += 8) records.push_back(store(at, at));
  records.push_back(store(8, 0));  // not behind the one before
  records.push_back(word(CrashWord::kEnd));
  EXPECT_EQ(crash_points(records, 3, 0, 512), (std::vector<std::size_t>{65, 129, 129}))
      << "the third of three parts ends with the lone store or before it";
  const auto torn = crash_points(records, 3, 0, kTearsAnywhere);
  EXPECT_LT(torn[0], 65U);
}

TEST(CrashState, FollowsTheWriter) {
  const CrashState state =
      after(2, {word(CrashWord::kBegin), word(CrashWord::kSize, 0), word(CrashWord::kMtime, 100),
                word(CrashWord::kSize, 8192), word(CrashWord::kWriting, 1, 1), store(0, 1),
                word(CrashWord::kWritten, 1, 1), word(CrashWord::kMtime, 200),
                word(CrashWord::kPromised, 1, 1), word(CrashWord::kSizePromised, 8192),
                word(CrashWord::kMtimePromised, 200), word(CrashWord::kSizePromised, 4096),
                word(CrashWord::kWriting, 1, 2)});
  EXPECT_EQ(state.pages[0].started, 0);
  EXPECT_EQ(state.pages[1].started, 2);
  EXPECT_EQ(state.pages[1].written, 1);
  EXPECT_EQ(state.pages[1].promised, 1);
  EXPECT_EQ(state.size.begin, 0U);
  EXPECT_EQ(state.size.promised, 8192U) << "a promise is not taken back";
  EXPECT_EQ(state.mtime.begin, 100U);
  EXPECT_EQ(state.mtime.now, 200U);
  EXPECT_EQ(state.instructions, 130U);
}

TEST(CrashState, UnknownWordsAreRefused) {
  CrashState state(2);
  EXPECT_THROW(state.apply(word(CrashWord::kWritten, 2, 1)), Failure);
  EXPECT_THROW(state.apply(word(static_cast<CrashWord>(99))), Failure);
}

// Page 0 promised, page 1 written, page 2 begun; size and mtime promised.
CrashState a_state() {
  return after(3, {word(CrashWord::kBegin), word(CrashWord::kSize, 0), word(CrashWord::kMtime, 100),
                   word(CrashWord::kSize, 12288), word(CrashWord::kWriting, 0, 1),
                   word(CrashWord::kWritten, 0, 1), word(CrashWord::kPromised, 0, 1),
                   word(CrashWord::kSizePromised, 4096), word(CrashWord::kMtime, 200),
                   word(CrashWord::kMtimePromised, 200), word(CrashWord::kWriting, 1, 1),
                   word(CrashWord::kWritten, 1, 1), word(CrashWord::kWriting, 2, 1)});
}

TEST(CrashJudge, PromisesKept) {
  const CrashVerdict verdict = judge_crash(a_state(), found(4096, 200, {{1}}));
  EXPECT_TRUE(verdict.what.empty());
  EXPECT_FALSE(verdict.counts.any_lost());
  EXPECT_EQ(verdict.counts.promised.pages, 1U);
  EXPECT_EQ(verdict.counts.promised.size, 1U);
  EXPECT_EQ(verdict.counts.promised.mtime, 1U);
  EXPECT_EQ(verdict.counts.unpromised.pages, 1U);
  EXPECT_EQ(verdict.counts.unpromised.survived, 0U);
  EXPECT_EQ(verdict.counts.unpromised.size, 1U);
  EXPECT_EQ(verdict.counts.unpromised.size_survived, 0U);
  EXPECT_EQ(verdict.counts.unpromised.mtime, 0U) << "none later than the one promised";
}

TEST(CrashJudge, WhatWasNotPromisedMaySurvive) {
  const CrashVerdict verdict = judge_crash(a_state(), found(12288, 300, {{1}, {1}, {0, 1}}));
  EXPECT_FALSE(verdict.counts.any_lost());
  EXPECT_EQ(verdict.counts.unpromised.survived, 1U);
  EXPECT_EQ(verdict.counts.unpromised.size_survived, 1U);
}

TEST(CrashJudge, MissingPagesAreLost) {
  const CrashVerdict zeroes = judge_crash(a_state(), found(4096, 200, {{0}}));
  EXPECT_EQ(zeroes.counts.lost.pages, 1U);
  EXPECT_EQ(zeroes.what, (std::vector<std::string>{"page 0: zeroes instead of version 1"}));
  const CrashVerdict foreign = judge_crash(a_state(), found(4096, 200, {{-1}}));
  EXPECT_EQ(
      foreign.what,
      (std::vector<std::string>{"page 0: what was never written there instead of version 1"}));
  const CrashVerdict beyond = judge_crash(a_state(), found(0, 200, {}));
  EXPECT_EQ(beyond.counts.lost.pages, 1U);
  EXPECT_EQ(beyond.counts.lost.size, 1U);
  EXPECT_EQ(beyond.what,
            (std::vector<std::string>{"page 0: beyond the end of the file instead of version 1",
                                      "size 0 instead of 4096"}));
}

TEST(CrashJudge, TornPagesAreCountedApart) {
  const CrashVerdict verdict = judge_crash(a_state(), found(4096, 200, {{0, 1}}));
  EXPECT_EQ(verdict.counts.lost.pages, 0U);
  EXPECT_EQ(verdict.counts.lost.torn, 1U);
  EXPECT_EQ(verdict.what,
            (std::vector<std::string>{"page 0: zeroes and version 1 instead of version 1"}));
}

TEST(CrashJudge, APageBeingOverwrittenMayHoldBoth) {
  CrashState state = a_state();
  EXPECT_TRUE(judge_crash(state, found(4096, 200, {{1, 2}})).counts.any_lost())
      << "version 2 was never begun";
  state.apply(word(CrashWord::kWriting, 0, 2));
  for (const std::vector<int>& versions : {std::vector{1}, {1, 2}, {2}}) {
    EXPECT_FALSE(judge_crash(state, found(4096, 200, {versions})).counts.any_lost());
  }
  state.apply(word(CrashWord::kWritten, 0, 2));
  state.apply(word(CrashWord::kPromised, 0, 2));
  EXPECT_EQ(judge_crash(state, found(4096, 200, {{1}})).counts.lost.pages, 1U);
  EXPECT_EQ(judge_crash(state, found(4096, 200, {{1, 2}})).counts.lost.torn, 1U);
}

TEST(CrashJudge, AnOldMtimeIsLost) {
  const CrashVerdict verdict = judge_crash(a_state(), found(4096, 199, {{1}}));
  EXPECT_EQ(verdict.counts.lost.mtime, 1U);
  EXPECT_EQ(verdict.what, (std::vector<std::string>{"mtime 1 ns before the one promised"}));
}

TEST(CrashJudge, AnImageThatDoesNotMountHasLostAll) {
  const CrashVerdict verdict =
      judge_crash(a_state(), {{"mounted", false}, {"error", "mount: Structure needs cleaning"}});
  EXPECT_EQ(verdict.counts.lost.pages, 1U);
  EXPECT_EQ(verdict.counts.lost.size, 1U);
  EXPECT_EQ(verdict.counts.lost.mtime, 1U);
  EXPECT_EQ(verdict.what, (std::vector<std::string>{"mount: Structure needs cleaning"}));
  EXPECT_FALSE(judge_crash(CrashState(3), nullptr).counts.any_lost()) << "nothing was promised";
}

// Item 7 is promised, 8 is begun.
CrashState items_state() {
  return after(0, {word(CrashWord::kBegin), word(CrashWord::kItemBegun, 7),
                   word(CrashWord::kItemPromised, 7), word(CrashWord::kItemBegun, 8)});
}
nlohmann::json items_found(std::vector<std::uint64_t> items, const std::string& wrong = "") {
  return {{"mounted", true}, {"items", std::move(items)}, {"wrong", wrong}};
}

TEST(CrashJudge, ItemsThatWerePromisedAreFound) {
  const CrashVerdict kept = judge_crash(items_state(), items_found({7}));
  EXPECT_FALSE(kept.counts.any_lost());
  EXPECT_TRUE(kept.what.empty());
  EXPECT_EQ(kept.counts.promised.items, 1U);
  EXPECT_EQ(kept.counts.unpromised.items, 1U);
  EXPECT_EQ(kept.counts.unpromised.items_survived, 0U);
  EXPECT_EQ(judge_crash(items_state(), items_found({8, 7})).counts.unpromised.items_survived, 1U);

  const CrashVerdict lost = judge_crash(items_state(), items_found({8}));
  EXPECT_TRUE(lost.counts.any_lost());
  EXPECT_EQ(lost.counts.lost.items, 1U);
  EXPECT_EQ(lost.what, (std::vector<std::string>{"item 7, which was promised, is not found"}));
}

TEST(CrashJudge, WhatWasNeverBegunMustNotBeFound) {
  const CrashVerdict verdict = judge_crash(items_state(), items_found({7, 9}));
  EXPECT_TRUE(verdict.counts.any_lost());
  EXPECT_EQ(verdict.counts.lost.broken, 1U);
  EXPECT_EQ(verdict.what, (std::vector<std::string>{"item 9 is found, and was never begun"}));
}

TEST(CrashJudge, WhatTheCheckCallsBrokenIsSaidFirst) {
  const CrashVerdict verdict = judge_crash(items_state(), items_found({}, "the tail is 9"));
  EXPECT_EQ(verdict.counts.lost.broken, 1U);
  EXPECT_EQ(verdict.counts.lost.items, 1U);
  EXPECT_EQ(verdict.what.front(), "the tail is 9");
  const CrashVerdict unmounted =
      judge_crash(items_state(), {{"mounted", false}, {"error", "mount: Input/output error"}});
  EXPECT_EQ(unmounted.what, (std::vector<std::string>{"mount: Input/output error"}));
  EXPECT_EQ(unmounted.counts.lost.items, 1U);
}

TEST(CrashPoints, TakesPromisesOfItemsForPromises) {
  EXPECT_TRUE(is_promise(word(CrashWord::kItemPromised, 3)));
  EXPECT_FALSE(is_promise(word(CrashWord::kItemBegun, 3)));
}

TEST(CrashCounts, AddUp) {
  CrashCounts items = judge_crash(items_state(), items_found({8, 9})).counts;
  items.add(items);
  EXPECT_EQ(items.promised.items, 2U);
  EXPECT_EQ(items.lost.items, 2U);
  EXPECT_EQ(items.lost.broken, 2U);
  EXPECT_EQ(items.unpromised.items, 2U);
  EXPECT_EQ(items.unpromised.items_survived, 2U);
  CrashCounts sum = judge_crash(a_state(), found(0, 0, {})).counts;
  sum.add(judge_crash(a_state(), found(12288, 300, {{0, 1}, {1}})).counts);
  EXPECT_EQ(sum.json(), nlohmann::json::parse(R"({
    "promised": {"pages": 2, "size": 2, "mtime": 2, "items": 0},
    "lost": {"pages": 1, "torn": 1, "size": 1, "mtime": 1, "items": 0,
             "broken": 0},
    "unpromised": {"pages": 2, "survived": 1, "size": 2, "size_survived": 1, "mtime": 0,
                   "mtime_survived": 0, "items": 0, "items_survived": 0}})"));
}

// Each of them wrote, or read, outside what holds it.
TEST(PmemRecords, ThatNoGuestCanHaveDoneAreRefused) {
  const auto refused = [](const PmemRecord& record) {
    return message_of(ExitCode::kVmFailed, [&] {
      PmemTrace::of({word(CrashWord::kBegin), record, word(CrashWord::kEnd)}, {}, {});
    });
  };
  EXPECT_NE(refused(store(4092, 7)).find("record 1 stores 8 bytes at 4092"), std::string::npos);
  PmemRecord long_one = store(0, 7);
  long_one.bytes = 255;
  EXPECT_NE(refused(long_one).find("stores 255 bytes"), std::string::npos);
  PmemRecord of_no_kind = store(0, 7);
  of_no_kind.kind = static_cast<PmemRecord::Kind>(9);
  EXPECT_NE(refused(of_no_kind).find("is of no kind"), std::string::npos);
  EXPECT_NE(message_of(ExitCode::kVmFailed, [] { PmemImage({page_of(1 << 20, 0, 1)}); })
                .find("no page 1048576"),
            std::string::npos);
}

TEST(CrashJudge, WhatIsOfAnotherKindIsRefusedInWords) {
  CrashState state(1);
  state.pages[0].promised = state.pages[0].started = 1;
  for (const char* text : {R"({"size": 1})", R"({"size": 1, "mtime": "x", "pages": []})",
                           R"({"size": 1, "mtime": 1, "pages": [{"a": 1}]})",
                           R"({"items": {"a": []}})", R"({"items": [1], "wrong": 7})"}) {
    EXPECT_NE(
        message_of(ExitCode::kVmFailed, [&] { judge_crash(state, nlohmann::json::parse(text)); })
            .find("not as it should be"),
        std::string::npos)
        << text;
  }
}

}  // namespace
}  // namespace faultline
