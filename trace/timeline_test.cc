// SPDX-License-Identifier: GPL-2.0-only
// How samples are laid out in tracks, and which sync waits for which commit. No VM.
#include "trace/timeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "trace/samples.h"

namespace faultline {
namespace {

using testing::ElementsAre;

SampleRow row_of(std::vector<std::string> kinds, std::vector<Sample> samples) {
  return {
      .name = "cell", .unit = "instr", .kinds = std::move(kinds), .samples = std::move(samples)};
}

// Name of the track, and the own time, of each sample in its own order.
std::vector<std::string> placed(const SampleRow& row) {
  const Timeline timeline = arrange(row);
  std::vector<std::string> lines(row.samples.size());
  for (const Placed& placed : timeline.placed) {
    lines[placed.sample] =
        track_name(timeline.tracks[placed.track]) + ": " + std::to_string(placed.self);
  }
  return lines;
}

TEST(Timeline, WhatTouchesDoesNotOverlap) {
  EXPECT_THAT(placed(row_of({"fault"}, {{0, 1, 10, 5}, {0, 1, 15, 0}, {0, 1, 15, 5}})),
              ElementsAre("thread 1: 5", "thread 1: 0", "thread 1: 5"));
}

TEST(Timeline, PhasesNestInTheirFaultWhateverTheirOrder) {
  EXPECT_THAT(
      placed(row_of({"fault", "sync", "phase.entry", "phase.wait", "phase.leave"},
                    {{4, 1, 100, 20},  // after the fault, which ends before it
                     {3, 1, 40, 60},
                     {2, 1, 0, 40},
                     {1, 1, 40, 60},
                     {0, 1, 0, 100}})),
      ElementsAre("thread 1: 20", "thread 1: 60", "thread 1: 40", "thread 1: 0", "thread 1: 0"));
}

TEST(Timeline, WhatOnlyStraddlesGoesToAnotherLane) {
  EXPECT_THAT(placed(row_of({"fault", "odd"}, {{1, 1, 0, 50}, {0, 1, 20, 100}, {1, 1, 30, 10}})),
              ElementsAre("thread 1: 40", "thread 1 (2): 100", "thread 1: 10"));
}

TEST(Timeline, LocksAreBesideAndCommitsMayOverlap) {
  EXPECT_THAT(placed(row_of(
                  {"fault", "lock_hold", "commit"},
                  {{0, 1, 0, 50}, {1, 1, 10, 90}, {1, 1, 20, 90}, {2, 7, 0, 50}, {2, 8, 20, 50}})),
              ElementsAre("thread 1: 50", "thread 1 locks: 90", "thread 1 locks (2): 90",
                          "journal: 50", "journal (2): 50"));
}

TEST(Timeline, AnotherThreadsFaultIsNoOverlap) {
  EXPECT_THAT(placed(row_of({"fault"}, {{0, 1, 0, 50}, {0, 2, 20, 50}})),
              ElementsAre("thread 1: 50", "thread 2: 50"));
}

// Pairs of sync and work, by index.
std::vector<std::pair<uint32_t, uint32_t>> waits(const SampleRow& row) {
  std::vector<std::pair<uint32_t, uint32_t>> pairs;
  for (const Wait& wait : arrange(row).waits) pairs.emplace_back(wait.sync, wait.work);
  return pairs;
}

Sample linked(uint32_t kind, uint32_t tid, uint64_t start, uint64_t duration, uint64_t link) {
  return {kind, tid, start, duration, 0, 0, 0, link};
}

TEST(Timeline, ASyncWaitsForItsTransaction) {
  using Pair = std::pair<uint32_t, uint32_t>;
  EXPECT_THAT(waits(row_of({"sync", "commit"}, {linked(0, 1, 100, 50, 7), linked(0, 2, 110, 50, 7),
                                                linked(0, 3, 120, 50, 8), linked(1, 9, 90, 50, 7),
                                                linked(1, 9, 140, 20, 8)})),
              ElementsAre(Pair{0, 3}, Pair{1, 3}, Pair{2, 4}));
}

TEST(Timeline, NoWaitWithoutItsCommitInTheSamples) {
  // No link; another transaction; over before the sync began; began when the sync was over.
  EXPECT_THAT(
      waits(row_of({"sync", "commit"},
                   {linked(0, 1, 100, 50, 0), linked(0, 2, 100, 50, 5), linked(0, 3, 100, 50, 7),
                    linked(0, 4, 100, 50, 8), linked(1, 9, 50, 50, 7), linked(1, 9, 150, 50, 8)})),
      ElementsAre());
}

}  // namespace
}  // namespace faultline
