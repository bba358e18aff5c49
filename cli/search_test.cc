// SPDX-License-Identifier: GPL-2.0-only
#include "cli/search.h"

#include <gtest/gtest.h>

#include "harness/failure.h"

namespace faultline {
namespace {

using Asked = std::vector<std::size_t>;

// From `first_bad` on all are bad; those in `skip` cannot be judged.
Found search_for(std::size_t count, std::size_t first_bad, const std::vector<std::size_t>& skip,
                 Asked& asked) {
  const auto found = search(count, [&](std::size_t at) -> std::optional<Judgement> {
    asked.push_back(at);
    for (const std::size_t one : skip) {
      if (one == at) return Judgement::kSkip;
    }
    return at >= first_bad ? Judgement::kBad : Judgement::kGood;
  });
  return found.value();
}

TEST(Search, FindsEachFirstBadOneInFewSteps) {
  for (std::size_t first_bad = 1; first_bad < 16; ++first_bad) {
    Asked asked;
    const Found found = search_for(16, first_bad, {}, asked);
    EXPECT_EQ(found.first_bad, first_bad);
    EXPECT_EQ(found.last_good, first_bad - 1);
    EXPECT_LE(asked.size(), 4U);
  }
}

TEST(Search, AsksTheMiddleFirstAndNoneTwice) {
  Asked asked;
  search_for(9, 6, {}, asked);
  EXPECT_EQ(asked, (Asked{4, 6, 5}));
}

TEST(Search, GoesAroundWhatCannotBeJudged) {
  Asked asked;
  const Found found = search_for(9, 6, {4}, asked);
  EXPECT_EQ(found.first_bad, 6U);
  EXPECT_EQ(found.last_good, 5U);
  asked.clear();
  // The first bad one itself: it may be this or the next.
  const Found unsure = search_for(9, 6, {6}, asked);
  EXPECT_EQ(unsure.last_good, 5U);
  EXPECT_EQ(unsure.first_bad, 7U);
}

TEST(Search, OfTwoThereIsNothingToAsk) {
  Asked asked;
  EXPECT_EQ(search_for(2, 1, {}, asked).first_bad, 1U);
  EXPECT_TRUE(asked.empty());
  EXPECT_THROW(search_for(1, 1, {}, asked), Failure);
}

TEST(Search, EndsWhenTheQuestionIsNotAnswered) {
  EXPECT_FALSE(search(9, [](std::size_t) { return std::nullopt; }));
}

TEST(PercentAbove, OfTheGoodFigure) {
  EXPECT_DOUBLE_EQ(percent_above(200, 210), 5);
  EXPECT_DOUBLE_EQ(percent_above(200, 190), -5);
}

TEST(CellName, IsTakenApartIntoOptionsOfRun) {
  using Lists = std::vector<std::pair<std::string, std::string>>;
  const CellName plain = parse_cell_name("ext4/fsync:8/first_touch/hole/pte/t2");
  EXPECT_EQ(plain.cell, "ext4/fsync:8/first_touch/hole/pte/t2");
  EXPECT_EQ(plain.probes, "");
  EXPECT_EQ(plain.lists, (Lists{{"fs", "ext4"},
                                {"strategy", "fsync:8"},
                                {"workload", "first_touch"},
                                {"state", "hole"},
                                {"order", "pte"},
                                {"threads", "2"}}));
  const CellName contest =
      parse_cell_name("xfs/map_sync/dos/written/pte/t1/utimens/a4/deterministic/on");
  EXPECT_EQ(contest.probes, "on");
  EXPECT_EQ(contest.lists.at(7), (std::pair<std::string, std::string>{"attackers", "4"}));
  EXPECT_EQ(contest.cell, "xfs/map_sync/dos/written/pte/t1/utimens/a4/deterministic");
}

TEST(CellName, ARowsWholeNameWillDo) {
  EXPECT_EQ(parse_cell_name("bookworm/ext4/map_sync/first_touch/hole/pte/t1/off").cell,
            "ext4/map_sync/first_touch/hole/pte/t1");
}

TEST(CellName, OfDirtyInodesHasThemBehindTheThreads) {
  for (const char* text : {"ext4/map_sync/unrelated/hole/pte/t1/d1000",
                           "6.1.176+200/ext4/map_sync/unrelated/hole/pte/t1/d1000/off"}) {
    const CellName name = parse_cell_name(text);
    EXPECT_EQ(name.cell, "ext4/map_sync/unrelated/hole/pte/t1/d1000");
    EXPECT_EQ(name.lists.back(), (std::pair<std::string, std::string>{"dirty-inodes", "1000"}));
  }
}

TEST(CellName, RefusesWhatIsNone) {
  for (const char* bad : {"", "ext4", "ext4/map_sync/first_touch/hole/pte/1",
                          "ext4/map_sync/first_touch/hole/pte/t", "ext4/*/first_touch/hole/pte/t1",
                          "ext4//first_touch/hole/pte/t1", "a/b/ext4/map_sync/x/hole/pte/t1"}) {
    EXPECT_THROW(parse_cell_name(bad), Failure) << bad;
  }
}

}  // namespace
}  // namespace faultline
