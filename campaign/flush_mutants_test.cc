// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/flush_mutants.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "campaign/pmem_testing.h"

namespace faultline {
namespace {

using Kind = PmemRecord::Kind;

PmemRecord by(Kind kind, std::uint32_t stack, std::uint32_t where = 0) {
  return {.value = 1,
          .where = where,
          .instructions = 10,
          .stack = stack,
          .kind = kind,
          .bytes = static_cast<std::uint8_t>(kind == Kind::kNonTemporal ? 8 : 0)};
}
PmemRecord promised() { return word(wire::CrashWord::kPromised, 0, 1); }

// Functions of a kernel that has three.
observe::Symbols symbols() {
  return observe::Symbols::of_kallsyms(
      "ffffffff81000000 T copy_past_caches\n"
      "ffffffff81001000 T write_lines_back\n"
      "ffffffff81002000 T submit\n");
}
// Stack 0 and 1: two stores of one function; 2: a write-back; 3, 4: fences in two places; 5: the
// writer's own.
std::vector<PmemStack> stacks() {
  std::vector<PmemStack> made(6);
  made[0] = {.site = 0xffffffff81000010, .returns = {0xffffffff81002005}};
  made[1] = {.site = 0xffffffff81000020, .returns = {0xffffffff81002005}};
  made[2] = {.site = 0xffffffff81001010, .returns = {0xffffffff81002005}};
  made[3] = {.site = 0xffffffff81002030};
  made[4] = {.site = 0xffffffff81002040};
  made[5] = {.site = 0x401000};
  return made;
}

TEST(FlushMutants, SitesHaveFunctionAndCallers) {
  PmemTrace trace;
  trace.records = {by(Kind::kNonTemporal, 0, 0), by(Kind::kNonTemporal, 1, 8), store(64, 1),
                   by(Kind::kWriteBack, 2, 64),  by(Kind::kFence, 3),          by(Kind::kFence, 4),
                   by(Kind::kFence, 5)};
  const FlushMutants mutants(trace, stacks(), symbols());
  ASSERT_EQ(mutants.sites().size(), 5U);
  EXPECT_EQ(mutants.sites()[0].function, "copy_past_caches");
  EXPECT_EQ(mutants.sites()[0].records, 2U) << "a function's stores past the caches are one site";
  EXPECT_EQ(mutants.sites()[0].callers, std::vector<std::string>{"submit"});
  EXPECT_EQ(mutants.sites()[1].function, "write_lines_back");
  EXPECT_EQ(mutants.sites()[2].function, "submit");
  EXPECT_EQ(mutants.sites()[4].function, "the writer");
  EXPECT_TRUE(mutants.left_out(0)(trace.records[1]));
  EXPECT_FALSE(mutants.left_out(0)(trace.records[3]));
  EXPECT_FALSE(mutants.left_out(0)(trace.records[2])) << "a plain store";
}

TEST(FlushMutants, WhatIsNeededTellsAtAPromise) {
  PmemTrace trace;
  trace.records = {store(0, 1), by(Kind::kWriteBack, 2), by(Kind::kFence, 3), promised()};
  const FlushMutants mutants(trace, stacks(), symbols());
  EXPECT_EQ(mutants.telling_points(0, 6, 0).points, std::vector<std::size_t>{4})
      << "the write-back";
  EXPECT_EQ(mutants.telling_points(1, 6, 0).points, std::vector<std::size_t>{4}) << "the fence";
}

TEST(FlushMutants, WhatIsDoneAgainBeforeThePromiseIsRedundant) {
  PmemTrace trace;
  trace.records = {store(0, 1), by(Kind::kWriteBack, 2), by(Kind::kFence, 3), by(Kind::kFence, 4),
                   promised()};
  const FlushMutants fences(trace, stacks(), symbols());
  EXPECT_TRUE(fences.telling_points(1, 6, 0).points.empty()) << "another fence comes in time";
  EXPECT_TRUE(fences.telling_points(2, 6, 0).points.empty()) << "nothing was outstanding";

  PmemTrace clean;
  clean.records = {by(Kind::kWriteBack, 2), by(Kind::kFence, 3), promised()};
  EXPECT_TRUE(FlushMutants(clean, stacks(), symbols()).telling_points(0, 6, 0).points.empty());

  PmemTrace late;  // the promise comes between the two
  late.records = {store(0, 1), by(Kind::kWriteBack, 2), by(Kind::kFence, 3), promised(),
                  by(Kind::kFence, 4)};
  EXPECT_EQ(FlushMutants(late, stacks(), symbols()).telling_points(1, 6, 0).points.size(), 1U);
}

// A journal's blocks, a fence, the commit block, a fence, and the promise: without the first fence
// the commit block may be there and a block that it commits not.
TEST(FlushMutants, AFenceThatOnlyOrdersTellsBeforeTheNextOne) {
  PmemTrace trace;
  trace.records = {by(Kind::kNonTemporal, 0, 0), by(Kind::kFence, 3), by(Kind::kNonTemporal, 1, 64),
                   by(Kind::kFence, 4), promised()};
  const FlushMutants mutants(trace, stacks(), symbols());
  const auto order = mutants.telling_points(1, 6, 0);
  EXPECT_EQ(order.points, std::vector<std::size_t>{3}) << "before the other fence";
  EXPECT_FALSE(order.promises);
  const auto last = mutants.telling_points(2, 6, 0);
  EXPECT_EQ(last.points, std::vector<std::size_t>{5}) << "the commit block is not durable";
  EXPECT_TRUE(last.promises);

  // Its images: the later store alone is among them, which no run with the fence leaves.
  EXPECT_EQ(mutants.missing_at(1, 3), std::vector<std::uint64_t>{0});
  bool alone = false;
  // What comes of it when recovery reads the line at `from` and nothing else.
  const auto when_read = [&](std::uint64_t from) {
    MutantStream stream(trace, mutants,
                        {.model = CrashModel::kPx86, .per_point = 8, .seed = 0, .pages = 1});
    Recovered recovered;
    recovered.read.add(from, from + 1);
    for (auto image = stream.next(); image; image = stream.next()) {
      alone |= stored_at(image->bytes, 0) == 0 && stored_at(image->bytes, 64) != 0;
      stream.judge(*image, false, recovered);
    }
    return stream.json();
  };
  nlohmann::json told = when_read(0);
  EXPECT_TRUE(alone);
  EXPECT_EQ(told["redundant"], 0);
  EXPECT_NE(told["survivors"][1]["why"].get<std::string>().find("a later store may be there"),
            std::string::npos)
      << told;
  told = when_read(64);
  EXPECT_EQ(told["redundant"], 1) << "what may be missing is nothing that recovery reads";
  EXPECT_NE(told["redundancies"][0]["why"].get<std::string>().find("no recovery read any"),
            std::string::npos)
      << told;
  EXPECT_EQ(told["survived"], 2) << "at promises that is no excuse";

  // Nothing is stored before the next fence: what may be left is what might have been left before.
  trace.records = {by(Kind::kNonTemporal, 0, 0),  by(Kind::kFence, 3), by(Kind::kFence, 4),
                   by(Kind::kNonTemporal, 1, 64), by(Kind::kFence, 4), promised()};
  EXPECT_TRUE(FlushMutants(trace, stacks(), symbols()).telling_points(1, 6, 0).points.empty());
}

TEST(FlushMutants, OfManyPromisesTheFirstAndTheLastAreTaken) {
  PmemTrace trace;
  trace.records = {store(0, 1), by(Kind::kWriteBack, 2), by(Kind::kFence, 3)};
  for (int i = 0; i < 50; ++i) trace.records.push_back(promised());
  const FlushMutants mutants(trace, stacks(), symbols());
  const std::vector<std::size_t> points = mutants.telling_points(0, 6, 3).points;
  ASSERT_EQ(points.size(), 6U);
  EXPECT_EQ(points.front(), 4U);
  EXPECT_EQ(points.back(), 53U);
  EXPECT_TRUE(std::is_sorted(points.begin(), points.end()));
  EXPECT_EQ(std::adjacent_find(points.begin(), points.end()), points.end());
  EXPECT_EQ(points, mutants.telling_points(0, 6, 3).points);
}

TEST(MutantStream, EndsASiteWithItsFirstLossAndCounts) {
  PmemTrace trace;
  trace.records = {store(0, 1), by(Kind::kWriteBack, 2), by(Kind::kFence, 3),
                   promised(),  by(Kind::kFence, 4),     word(wire::CrashWord::kEnd)};
  const FlushMutants mutants(trace, stacks(), symbols());
  MutantStream stream(trace, mutants,
                      {.model = CrashModel::kPx86, .per_point = 8, .seed = 0, .pages = 1});
  // The write-back's two images: the first is bad, so the second is not asked for.
  const auto first = stream.next();
  ASSERT_TRUE(first);
  EXPECT_EQ(stored_at(first->bytes, 0), 0U) << "nothing survives";
  stream.judge(*first, true, {});
  // The fence's two are both well: it survives.
  for (int i = 0; i < 2; ++i) {
    const auto image = stream.next();
    ASSERT_TRUE(image);
    stream.judge(*image, false, {});
  }
  EXPECT_FALSE(stream.next());
  const nlohmann::json told = stream.json();
  EXPECT_EQ(told["sites"], 3);
  EXPECT_EQ(told["killed"], 1);
  EXPECT_EQ(told["survived"], 1);
  EXPECT_EQ(told["redundant"], 1) << "the second fence";
  EXPECT_EQ(told["score"], 0.5);
  EXPECT_EQ(told["survivors"][0]["function"], "submit");
  EXPECT_EQ(told["survivors"][0]["kind"], "fence");
}

}  // namespace
}  // namespace faultline
