// SPDX-License-Identifier: GPL-2.0-only
#include "harness/interruptions.h"

#include <gtest/gtest.h>

namespace faultline {
namespace {

TEST(Interruptions, LinesAreSummedOverTheCpus) {
  const auto sums = sums_by_line(
      "           CPU0       CPU1\n"
      "  4:        100         20   IO-APIC   4-edge      ttyS0\n"
      "LOC:       2300         45   Local timer interrupts\n"
      "ERR:          0\n");
  EXPECT_EQ(sums.at("LOC"), 2345U);
  EXPECT_EQ(sums.at("4"), 120U);
  EXPECT_EQ(sums.at("ERR"), 0U);
  EXPECT_EQ(sums.count("CPU0"), 0U);
}

TEST(Interruptions, OnlyWhatGrewIsTold) {
  const InterruptionCounts before{
      .ticks = 100, .softirqs = {{"RCU", 7}, {"TIMER", 3}}, .switches = 4};
  const InterruptionCounts after{
      .ticks = 105, .softirqs = {{"RCU", 9}, {"SCHED", 1}, {"TIMER", 3}}, .switches = 6};
  EXPECT_EQ(
      record::write(after.since(before).figures()),
      nlohmann::json::parse(R"({"ticks": 5, "softirqs": {"RCU": 2, "SCHED": 1}, "switches": 2})"));
}

TEST(Interruptions, FunctionsAreNamedAndTheLongestComesFirst) {
  const nlohmann::json told = record::write(interruption_figures(
      {{.kind = "tick", .name = "local_timer", .count = 2, .sum = 7000, .max = 4000},
       {.kind = "hrtimer", .function = 0xffffffff81150000, .count = 2, .sum = 9000, .max = 5000},
       {.kind = "work", .function = 0x1234, .count = 1, .sum = 10, .max = 10}},
      "ffffffff8114fff0 t another\nffffffff81150000 t tick_sched_timer\n"
      "ffffffff81150000 T an_alias\nffffffffc0000000 t later\t[xfs]\n"));
  EXPECT_EQ(told, nlohmann::json::parse(R"([
    {"kind": "hrtimer", "name": "tick_sched_timer", "count": 2, "sum": 9000, "max": 5000},
    {"kind": "tick", "name": "local_timer", "count": 2, "sum": 7000, "max": 4000},
    {"kind": "work", "name": "0x1234", "count": 1, "sum": 10, "max": 10}])"));
}

}  // namespace
}  // namespace faultline
