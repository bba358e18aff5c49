// SPDX-License-Identifier: GPL-2.0-only
#include "harness/contest_scan.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace faultline {
namespace {

TEST(ScanPoints, AreEachPeriodAtThreePhases) {
  const auto attackers = scan_points(Contest::kVictim, 2, Setting::kDeterministic);
  ASSERT_EQ(attackers.size(), 18U);
  EXPECT_EQ(attackers.front().period_us, 5U);
  EXPECT_EQ(attackers.front().phase_us, 0U);
  EXPECT_EQ(attackers.at(4).period_us, 10U);
  EXPECT_EQ(attackers.at(4).phase_us, 3U);
  EXPECT_EQ(attackers.back().period_us, 200U);
  EXPECT_EQ(attackers.back().phase_us, 133U);
  const auto bystander = scan_points(Contest::kBystander, 1, Setting::kDeterministic);
  ASSERT_EQ(bystander.size(), 9U);
  EXPECT_EQ(bystander.front().period_us, 20U);
  EXPECT_EQ(bystander.back().period_us, 100U);
}

TEST(ScanPoints, AreRepetitionsInWallTimeAndOneRunOfAVictimAlone) {
  const auto repeated = scan_points(Contest::kVictim, 1, Setting::kConcurrent);
  ASSERT_EQ(repeated.size(), 3U);
  EXPECT_EQ(repeated.back().period_us, 0U);
  EXPECT_EQ(scan_points(Contest::kVictim, 0, Setting::kDeterministic).size(), 1U);
  EXPECT_EQ(scan_points(Contest::kVictim, 0, Setting::kConcurrent).size(), 1U);
}

// A run of a victim whose stores took 10 ticks each, and as long again for its syncs.
ScannedRun victim_run(uint64_t period_us, std::vector<uint64_t> faults, uint64_t open = 0) {
  ScannedRun run;
  run.at = {.period_us = period_us, .phase_us = 1};
  run.figures.elapsed = open;
  for (const uint64_t fault : faults) run.figures.elapsed += 2 * fault;
  run.figures.faults = std::move(faults);
  run.figures.open = open;
  run.figures.starved = open != 0;
  run.figures.kernel_faults = run.figures.faults.size();
  run.figures.touches = 5;
  run.figures.dax = true;
  run.figures.map_sync = true;
  run.reference = {
      .each = 20, .longest = 12, .stores = 2, .kernel_faults = 2, .dax = true, .map_sync = true};
  return run;
}

constexpr double kUnit = 2;  // per tick

ContestAsked asked_of_a_victim() {
  return {.contest = Contest::kVictim,
          .touchers = 1,
          .unit_per_tick = kUnit,
          .fs = "xfs",
          .dax = true,
          .map_sync = true};
}

TEST(Summary, OfAVictim) {
  const std::vector<ScannedRun> scan = {victim_run(5, {10, 10}), victim_run(10, {30, 50}),
                                        victim_run(20, {10, 30})};
  const ContestMeasurement m = summarise(asked_of_a_victim(), scan);
  EXPECT_EQ(m.complaint, "");
  // 20, 80 and 40 ticks a store, beside 20 of the victim alone.
  ASSERT_EQ(m.runs.size(), 3U);
  EXPECT_EQ(m.runs.at(0).slowdown, 1.0);
  EXPECT_EQ(m.runs.at(1).slowdown, 4.0);
  EXPECT_EQ(m.runs.at(2).slowdown, 2.0);
  EXPECT_EQ(m.worst, 1U);
  EXPECT_EQ(m.slowdown_p50, 2.0);
  EXPECT_EQ(m.runs.at(1).each, 160.0);
  EXPECT_EQ(m.runs.at(1).longest, 100.0);
  EXPECT_EQ(m.reference.each, 40.0);
  EXPECT_EQ(m.reference.longest, 24.0);
  EXPECT_EQ(m.reference.stores, 2U);
  EXPECT_EQ(m.starved, 0U);
  // 10, 10, 10, 30, 30 and 50 ticks.
  EXPECT_EQ(m.p50, 20.0);
  EXPECT_EQ(m.p90, 100.0);
  EXPECT_EQ(m.max, 100.0);
  EXPECT_EQ(m.progress_max, 100.0);
  EXPECT_EQ(m.stores, 6U);
  EXPECT_EQ(m.kernel_faults.value_or(0), 6U);
  EXPECT_DOUBLE_EQ(m.per_fault, 2 * 140 / 6.0);
  EXPECT_DOUBLE_EQ(m.per_page, 2 * 280 / 6.0);
  EXPECT_EQ(m.touches, 15U);
  EXPECT_DOUBLE_EQ(m.attack_rate, 1e9 * 15 / 560);
  EXPECT_FALSE(m.module);
}

TEST(Summary, TheMedianOfAnEvenNumberOfRunsIsBetweenTheMiddleTwo) {
  const std::vector<ScannedRun> scan = {victim_run(5, {10, 10}), victim_run(10, {30, 50})};
  EXPECT_EQ(summarise(asked_of_a_victim(), scan).slowdown_p50, 2.5);
}

TEST(Summary, ARunThatStarvedIsWorseThanASlowOne) {
  std::vector<ScannedRun> scan = {victim_run(5, {90, 90}), victim_run(10, {10}, 40),
                                  victim_run(20, {10, 10}), victim_run(50, {10}, 20)};
  scan.at(1).figures.kernel_faults.reset();
  const ContestMeasurement m = summarise(asked_of_a_victim(), scan);
  EXPECT_EQ(m.worst, 1U);
  EXPECT_EQ(m.starved, 2U);
  EXPECT_TRUE(m.runs.at(1).starved);
  EXPECT_EQ(m.runs.at(1).slowdown, 1.5) << "60 ticks, of one store that ended and one that did not";
  EXPECT_EQ(m.runs.at(1).longest, 80.0);
  EXPECT_FALSE(m.kernel_faults) << "not known of every run";
  // The open stores are among the times.
  EXPECT_EQ(m.max, 180.0);
  EXPECT_EQ(m.p50, 20.0);  // 10, 10, 10, 10, 20, 40, 90, 90
  EXPECT_EQ(m.p90, 180.0);
  scan.front().figures.kernel_faults = 0;
  EXPECT_EQ(summarise(asked_of_a_victim(), scan).complaint, "");
}

TEST(Summary, OfAVictimUnderAStrategyOfTheModule) {
  std::vector<ScannedRun> scan = {victim_run(5, {10, 10}), victim_run(10, {10, 10})};
  for (ScannedRun& run : scan) {
    run.figures.module.faults = 2;
    run.figures.module.retries = 7;
    run.figures.module.max_retries = 4;
    run.figures.module.retries_per_fault[3] = 1;
  }
  scan.back().figures.module.open_retries = 200;
  ContestAsked asked = asked_of_a_victim();
  asked.module = true;
  ContestMeasurement m = summarise(asked, scan);
  ASSERT_TRUE(m.module);
  EXPECT_EQ(m.module->faults, 4U);
  EXPECT_EQ(m.module->retries, 14U);
  EXPECT_EQ(m.module->retries_per_fault[3], 2U);
  EXPECT_EQ(m.module->max_retries, 200U) << "of the fault that never ended, too";
  EXPECT_EQ(m.runs.at(0).retries_max, 4U);
  EXPECT_EQ(m.runs.at(1).retries_max, 200U);
  EXPECT_EQ(m.complaint, "");
  scan.front().figures.module.faults = 1;
  EXPECT_EQ(summarise(asked, scan).complaint, "4 stores, but the module saw 3 faults");
}

TEST(Summary, EveryRunIsHeldAgainstWhatWasAsked) {
  std::vector<ScannedRun> scan = {victim_run(5, {10, 10}), victim_run(10, {10, 10})};
  scan.back().figures.dax = false;
  ContestMeasurement m = summarise(asked_of_a_victim(), scan);
  EXPECT_FALSE(m.dax);
  EXPECT_EQ(m.complaint, "statx says DAX is off on xfs");
  scan.back().figures.dax = true;
  scan.front().figures.map_sync = false;
  m = summarise(asked_of_a_victim(), scan);
  EXPECT_FALSE(m.map_sync);
  EXPECT_EQ(m.complaint, "VmFlags in smaps do not show MAP_SYNC (sf) as asked");
  scan.front().figures.map_sync = true;
  for (ScannedRun& run : scan) run.figures.touches = 0;
  EXPECT_EQ(summarise(asked_of_a_victim(), scan).complaint, "no attacker touched");
  // The victim alone is held to it as well.
  std::vector<ScannedRun> beside = {victim_run(5, {10, 10})};
  beside.front().reference.kernel_faults = 3;
  EXPECT_EQ(summarise(asked_of_a_victim(), beside).complaint,
            "the victim alone: 2 stores on fresh pages took 3 faults");
  beside.front().reference.dax = false;
  EXPECT_EQ(summarise(asked_of_a_victim(), beside).complaint, "statx says DAX is off on xfs");
  scan.front().figures.refused = 1;
  scan.front().figures.refusal = ETXTBSY;
  m = summarise(asked_of_a_victim(), scan);
  EXPECT_EQ(m.complaint, "");
  EXPECT_EQ(m.refused, 1U);
  EXPECT_EQ(m.refusal, ETXTBSY);
}

TEST(Summary, OfABystander) {
  ScannedRun run = victim_run(20, {10, 10});
  run.figures.touches = 4;
  run.figures.touch_ticks = {5, 5, 5};
  run.figures.touches_beyond.add(45);
  run.figures.touch_sum = 60;
  run.figures.touch_longest = 70;  // one that was open at the end
  run.reference = {.each = 5, .longest = 6, .stores = 8};
  ScannedRun never = victim_run(50, {10, 10});
  never.figures.touches = 0;
  never.figures.touch_longest = 35;
  never.reference = run.reference;
  const std::vector<ScannedRun> scan = {run, never};
  ContestAsked asked = asked_of_a_victim();
  asked.contest = Contest::kBystander;
  const ContestMeasurement m = summarise(asked, scan);
  EXPECT_EQ(m.complaint, "");
  EXPECT_EQ(m.runs.at(0).each, 30.0);
  EXPECT_EQ(m.runs.at(0).slowdown, 3.0);
  EXPECT_FALSE(m.runs.at(0).starved);
  EXPECT_TRUE(m.runs.at(1).starved) << "not one touch ended";
  EXPECT_EQ(m.runs.at(1).slowdown, 7.0) << "as long as it has waited";
  EXPECT_EQ(m.worst, 1U);
  EXPECT_EQ(m.progress_max, 140.0);
  EXPECT_EQ(m.p50, 10.0);
  EXPECT_EQ(m.p90, 90.0) << "of the touches beyond, too";
  EXPECT_EQ(m.max, 90.0);
  EXPECT_EQ(m.stores, 4U);
}

}  // namespace
}  // namespace faultline
