// SPDX-License-Identifier: GPL-2.0-only
#include "harness/row.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace faultline {
namespace {

// A loop of ten touches that a set of probes saw, two threads' marks and a commit included.
Measurement measured() {
  Measurement measurement;
  measurement.dax = true;
  measurement.map_sync = false;
  LoopFigures& loop = measurement.loop.emplace();
  loop.per_fault = 100;
  loop.per_page = 150;
  loop.loop_cost = 3;
  loop.extents = 4;
  loop.longest = 60;
  loop.durable = {10, 20, 30, 40, 50, 60, 70, 80, 90, 1000};  // of ten, rising, in ticks
  loop.pages = 10;
  loop.faults = 10;
  loop.app_syncs = 2;
  loop.line_flush = LineFlush::kClwb;
  loop.mapped_order = "pte";
  loop.journal.commits = 1;
  loop.losses = {.dropped = 1, .missed = 2, .recursion = 3, .slots = 4};
  ProbesSeen& probes = loop.probes.emplace();
  probes.points = {{.id = "fault.end", .target = "dax_pte_fault_done", .means = "raw_tracepoint"},
                   {.id = "sync.end"}};  // without a way on this kernel
  const auto of = [&](ProbeId id) -> Distribution& {
    return probes.reading.events.at(static_cast<size_t>(id));
  };
  for (int i = 0; i < 9; ++i) of(ProbeId::k_fault).add(10);
  of(ProbeId::k_fault).add(40);
  of(ProbeId::k_sync).add(7);
  of(ProbeId::k_commit).add(50);
  of(ProbeId::k_fast_commit).add(20);
  probes.reading.state.fallbacks[FL_FALLBACK_size] = 2;
  probes.reading.state.retries = 3;
  probes.reading.state.blocks_logged = 5;
  probes.reading.waited = 7;
  return measurement;
}

TEST(Row, OfALoop) {
  Cell cell;
  cell.touches = 10;
  cell.probes = Probes::k_on;
  Row filled = empty_row(cell, "failed", "");
  Measurement measurement = measured();
  measurement.loop->unit_per_tick = 2;
  put_measurement(cell, measurement, filled);
  const nlohmann::json row = json_of(filled);
  EXPECT_EQ(row["dax"], true);
  EXPECT_EQ(row["map_sync"], false);
  EXPECT_EQ(row["per_fault"], 100);
  EXPECT_EQ(row["cpu_time"], 100);
  EXPECT_EQ(row["per_page"], 150);
  EXPECT_EQ(row["real_time"], 150);
  EXPECT_EQ(row["loop_cost"], 3);
  EXPECT_EQ(row["extents"], 4);
  EXPECT_EQ(row["longest_touch"], 60);
  EXPECT_EQ(
      row["durable"],
      (nlohmann::json{{"p50", 100}, {"p90", 180}, {"p99", 2000}, {"p99_9", 2000}, {"max", 2000}}));
  EXPECT_EQ(row["iterations"], 10);
  EXPECT_EQ(row["faults"], 10);
  EXPECT_EQ(row["app_syncs"], 2);
  EXPECT_TRUE(row["mtime_changes"].is_null());
  EXPECT_EQ(row["line_flush"], "clwb");
  EXPECT_EQ(row["losses"].dump(), R"({"dropped":1,"missed":2,"recursion":3,"slots":4})");
  EXPECT_EQ(row["probe"]["fault"]["count"], 10);
  EXPECT_EQ(row["probe"]["fault"]["mean"], 13);
  EXPECT_EQ(row["probe"]["fault"]["target"], "dax_pte_fault_done");
  EXPECT_EQ(row["probe"]["fault"]["histogram"].dump(), "[[10,11,9],[40,41,1]]");
  EXPECT_TRUE(row["probe"]["sync"].is_null()) << "no way to it";
  EXPECT_EQ(row["p50"], 10);
  EXPECT_EQ(row["p99"], 40);
  EXPECT_EQ(row["max"], 40);
  EXPECT_EQ(row["syncs"], 1);
  EXPECT_EQ(row["fast_commits"], 1);
  EXPECT_EQ(row["commits"], 2);
  EXPECT_EQ(row["fallbacks"], 5);
  EXPECT_EQ(row["fallback_reasons"]["size"], 2);
  EXPECT_EQ(row["journal"]["kernel"]["commits"], 1);
  EXPECT_EQ(row["journal"]["log_bytes"], 20'480) << "five blocks";
  EXPECT_EQ(row["journal"]["commits_per_fault"], 0.2);
  EXPECT_EQ(row["journal"]["sync_waiting"], 1);
  EXPECT_TRUE(row["module"].is_null());
  EXPECT_TRUE(row["samples"].is_null());
  EXPECT_TRUE(row["phases"].is_null());
}

TEST(Row, OfAModulesStrategyHasItsSyncs) {
  Measurement measurement = measured();
  fl_kmod_stats module{};
  module.attempts = 10;
  module.faults = 4;
  module.syncs = 3;
  module.syncs_dropped = 4;
  module.retries = 11;
  module.passed_over = 12;
  module.not_droppable = 13;
  module.mmap_locks = 14;
  module.vma_locks = 15;
  module.errors = 16;
  module.max_retries = 9;
  module.retries_per_fault[0] = 2;
  module.retries_per_fault[5] = 2;
  measurement.loop->module = module;
  Row filled = empty_row({}, "failed", "");
  Cell cell;
  cell.touches = 10;
  cell.probes = Probes::k_on;
  put_measurement(cell, measurement, filled);
  const nlohmann::json row = json_of(filled);
  EXPECT_EQ(row["syncs"], 7);
  EXPECT_EQ(row["retries_max"], 9);
  EXPECT_EQ(row["retries_p50"], 0);
  EXPECT_EQ(
      row["module"].dump(),
      R"({"attempts":10,"errors":16,"faults":4,"mmap_locks":14,"not_droppable":13,"passed_over":12,)"
      R"("retries":11,"retries_per_fault":[[0,2],[5,2]],"syncs":3,"syncs_dropped":4,"vma_locks":15})");
}

TEST(Row, KindsOfSamplesAreThereWhenTheCellKeepsThem) {
  const Measurement measurement = measured();
  Cell cell;
  cell.touches = 10;
  cell.probes = Probes::k_on;
  cell.samples = true;
  Row filled = empty_row(cell, "failed", "");
  put_measurement(cell, measurement, filled);
  const nlohmann::json row = json_of(filled);
  EXPECT_EQ(row["sample_kinds"][0], "fault");
}

TEST(Row, PhasesAndWhatLiesOutsideThemAddUpToTheFault) {
  Measurement measurement = measured();
  ProbesSeen& probes = *measurement.loop->probes;
  probes.reading.phases.at(0) = 400;
  probes.reading.phases.at(1) = 250;
  Cell cell;
  cell.touches = 10;
  cell.probes = Probes::k_phases;
  Row filled = empty_row(cell, "failed", "");
  put_measurement(cell, measurement, filled);
  const nlohmann::json row = json_of(filled);
  ASSERT_EQ(row["phases"].size(), 3U);
  EXPECT_EQ(row["phases"][0]["mean"], 40);
  EXPECT_EQ(row["phases"][1]["mean"], 25);
  EXPECT_EQ(row["phases"][2]["id"], "other");
  EXPECT_EQ(row["phases"][2]["mean"], 35);
}

TEST(Row, OfACellThatFailedHasWhatWasProved) {
  Measurement measurement;
  measurement.dax = false;
  Row filled = empty_row({}, "failed", "");
  put_measurement({}, measurement, filled);
  const nlohmann::json row = json_of(filled);
  EXPECT_EQ(row["dax"], false);
  EXPECT_TRUE(row["map_sync"].is_null());
  EXPECT_TRUE(row["faults"].is_null());
  EXPECT_TRUE(row["losses"].is_null());
  put_standing({.status = "skipped", .reason = "why"}, filled);
  EXPECT_EQ(filled.status, "skipped");
  EXPECT_EQ(filled.reason, "why");
}

TEST(Row, OfAContest) {
  ContestMeasurement contest;
  contest.runs = {{.at = {.period_us = 5, .phase_us = 1}, .stores = 64, .slowdown = 1.5},
                  {.at = {.period_us = 10, .phase_us = 3},
                   .stores = 60,
                   .kernel_faults = 61,
                   .starved = true,
                   .slowdown = 20}};
  contest.worst = 1;
  contest.starved = 1;
  contest.stores = 124;
  contest.per_fault = 4;
  contest.per_page = 5;
  contest.max = 9;
  contest.refused = 2;
  contest.refusal = ETXTBSY;
  fl_kmod_stats module{};
  module.faults = 124;
  module.syncs = 3;
  module.syncs_dropped = 4;
  module.max_retries = 200;
  module.retry_ns = 1000;
  module.retries_timed = 4;
  contest.module = module;
  Row filled = empty_row({}, "failed", "");
  put_contest(contest, filled);
  nlohmann::json row = json_of(filled);
  EXPECT_EQ(row["status"], "ok");
  EXPECT_EQ(row["touches"], 124);
  EXPECT_EQ(row["faults"], 124) << "not known of every run";
  EXPECT_EQ(row["real_time"], 5);
  EXPECT_EQ(row["cpu_time"], 4);
  EXPECT_EQ(row["max"], 9);
  EXPECT_EQ(row["period_us"], 10);
  EXPECT_EQ(row["slowdown"], 20);
  EXPECT_EQ(row["starved"].dump(), R"({"n":1,"of":2})");
  EXPECT_EQ(row["refused"].dump(), R"({"error":"ETXTBSY","n":2})");
  EXPECT_EQ(row["scan"].size(), 2U);
  EXPECT_TRUE(row["scan"][0]["kernel_faults"].is_null());
  EXPECT_EQ(row["scan"][1]["kernel_faults"], 61);
  EXPECT_EQ(row["retries_max"], 200);
  EXPECT_EQ(row["retry_time"], 250);
  EXPECT_EQ(row["syncs"], 7);
  contest.runs.at(1).at = {};
  contest.complaint = "why";
  filled = empty_row({}, "failed", "");
  put_contest(contest, filled);
  row = json_of(filled);
  EXPECT_TRUE(row["period_us"].is_null()) << "no timer";
  EXPECT_EQ(row["status"], "failed");
  EXPECT_EQ(row["reason"], "why");
}

}  // namespace
}  // namespace faultline
