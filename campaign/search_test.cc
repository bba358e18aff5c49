// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/search.h"

#include <gtest/gtest.h>

#include "cell/failure.h"

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

TEST(PlantedSeries, TheEndsBearTheirDelays) {
  using Names = std::vector<std::string>;
  EXPECT_EQ(planted_series({"6.1.176"}, 0, 150), (Names{"6.1.176", "6.1.176+150"}));
  EXPECT_EQ(planted_series({"6.1.176"}, 200, 205), (Names{"6.1.176+200", "6.1.176+205"}));
  EXPECT_EQ(planted_series({"a", "b", "c"}, 0, 600), (Names{"a", "b", "c+600"}));
  EXPECT_EQ(planted_series({"a", "b", "c"}, 0, 0), (Names{"a", "b", "c"}));
  EXPECT_EQ(planted_series({"a"}, 0, 0), Names{"a"});
  EXPECT_EQ(planted_series({}, 0, 150), Names{});
}

}  // namespace
}  // namespace faultline
