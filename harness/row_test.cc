// SPDX-License-Identifier: GPL-2.0-only
#include "harness/row.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <sstream>

namespace faultline {
namespace {

using Names = std::set<std::string>;

void add_quoted(const std::string& text, Names& names) {
  static const std::regex quoted("`([a-z0-9_]+)`");
  for (std::sregex_iterator it(text.begin(), text.end(), quoted), end; it != end; ++it) {
    names.insert((*it)[1]);
  }
}

// The fields of a row in docs/result-format.md: those in the text before the table, less what
// stands in brackets, and those in the table's first column.
Names documented_fields() {
  std::ifstream in(FAULTLINE_SOURCE_DIR "/docs/result-format.md");
  const std::string doc{std::istreambuf_iterator<char>(in), {}};
  const std::string heading = "## A row of `benchmarks[]`";
  const size_t start = doc.find(heading);
  EXPECT_NE(start, std::string::npos);
  if (start == std::string::npos) return {};
  std::string section = doc.substr(start + heading.size());
  section = section.substr(0, section.find("\n## "));
  const size_t table = section.find("\n|");
  Names names;
  add_quoted(std::regex_replace(section.substr(0, table), std::regex("\\([^)]*\\)"), ""), names);
  std::istringstream rows(section.substr(table));
  for (std::string row; std::getline(rows, row);) {
    if (row.starts_with("|")) add_quoted(row.substr(0, row.find('|', 1)), names);
  }
  return names;
}

TEST(Row, HasTheFieldsOfItsDocument) {
  Names fields;
  const nlohmann::json row = empty_row({}, "skipped", "why");
  for (const auto& [field, value] : row.items()) fields.insert(field);
  // What the host alone knows and adds.
  EXPECT_TRUE(fields.insert("accel").second);
  EXPECT_TRUE(fields.insert("vcpus").second);
  EXPECT_EQ(fields, documented_fields());
  EXPECT_EQ(fields.count("per_fault"), 1U);
  EXPECT_EQ(fields.size(), 80U);
}

TEST(Row, WithoutFigures) {
  Cell cell;
  cell.kernel = "trixie";
  cell.fs = "xfs";
  cell.strategy = "msync";
  cell.writes_per_sync = kEveryAll;
  cell.workload = "first_touch";
  cell.touches = 23;
  nlohmann::json row = empty_row(cell, "skipped", "why");
  EXPECT_EQ(row["name"], "trixie/xfs/msync:all/first_touch/hole/pte/t1/off");
  EXPECT_EQ(row["run_name"], row["name"]);
  EXPECT_EQ(row["status"], "skipped");
  EXPECT_EQ(row["reason"], "why");
  EXPECT_EQ(row["writes_per_sync"], "all");
  EXPECT_EQ(row["iterations"], 0);
  EXPECT_EQ(row["touches"], 23);
  EXPECT_EQ(row["time_domain"], "virtual");
  EXPECT_EQ(row["unit"], "instr");
  EXPECT_EQ(row["time_unit"], "instr");
  for (const char* field : {"per_fault", "per_page", "real_time", "cpu_time", "faults", "losses"})
    EXPECT_TRUE(row[field].is_null()) << field;
  cell.virtual_time = false;
  row = empty_row(cell, "failed", "");
  EXPECT_EQ(row["time_domain"], "wall");
  EXPECT_EQ(row["unit"], "ns");
  EXPECT_EQ(row["time_unit"], "ns");
}

// A loop of ten touches that a set of probes saw, two threads' marks and a commit included.
Measurement measured() {
  Measurement measurement;
  measurement.dax = true;
  measurement.map_sync = false;
  LoopFigures& loop = measurement.loop.emplace();
  loop.per_fault = 100;
  loop.per_page = 150;
  loop.loop_cost = 3;
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
  cell.probes = Probes::kOn;
  nlohmann::json row = empty_row(cell, "failed", "");
  put_measurement(cell, measured(), row);
  EXPECT_EQ(row["dax"], true);
  EXPECT_EQ(row["map_sync"], false);
  EXPECT_EQ(row["per_fault"], 100);
  EXPECT_EQ(row["cpu_time"], 100);
  EXPECT_EQ(row["per_page"], 150);
  EXPECT_EQ(row["real_time"], 150);
  EXPECT_EQ(row["loop_cost"], 3);
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
  module.faults = 4;
  module.syncs = 3;
  module.syncs_dropped = 4;
  module.max_retries = 9;
  module.retries_per_fault[0] = 2;
  module.retries_per_fault[5] = 2;
  measurement.loop->module = module;
  nlohmann::json row = empty_row({}, "failed", "");
  Cell cell;
  cell.touches = 10;
  put_measurement(cell, measurement, row);
  EXPECT_EQ(row["syncs"], 7);
  EXPECT_EQ(row["retries_max"], 9);
  EXPECT_EQ(row["retries_p50"], 0);
  EXPECT_EQ(row["module"]["retries_per_fault"].dump(), "[[0,2],[5,2]]");
}

TEST(Row, SamplesAreThereWhenTheCellKeepsThem) {
  Measurement measurement = measured();
  measurement.loop->probes->samples = {{FL_KIND_fault, 7, 100, 10, 4096, 2, 9, 0}};
  Cell cell;
  cell.touches = 10;
  cell.samples = true;
  nlohmann::json row = empty_row(cell, "failed", "");
  put_measurement(cell, measurement, row);
  EXPECT_EQ(row["samples"].dump(), "[[0,7,100,10,4096,2,9,0]]");
  EXPECT_EQ(row["sample_kinds"][0], "fault");
}

TEST(Row, PhasesAndWhatLiesOutsideThemAddUpToTheFault) {
  Measurement measurement = measured();
  ProbesSeen& probes = *measurement.loop->probes;
  probes.reading.phases.at(0) = 400;
  probes.reading.phases.at(1) = 250;
  Cell cell;
  cell.touches = 10;
  cell.probes = Probes::kPhases;
  nlohmann::json row = empty_row(cell, "failed", "");
  put_measurement(cell, measurement, row);
  ASSERT_EQ(row["phases"].size(), 3U);
  EXPECT_EQ(row["phases"][0]["mean"], 40);
  EXPECT_EQ(row["phases"][1]["mean"], 25);
  EXPECT_EQ(row["phases"][2]["id"], "other");
  EXPECT_EQ(row["phases"][2]["mean"], 35);
}

TEST(Row, OfACellThatFailedHasWhatWasProved) {
  Measurement measurement;
  measurement.dax = false;
  nlohmann::json row = empty_row({}, "failed", "");
  put_measurement({}, measurement, row);
  EXPECT_EQ(row["dax"], false);
  EXPECT_TRUE(row["map_sync"].is_null());
  EXPECT_TRUE(row["faults"].is_null());
  EXPECT_TRUE(row["losses"].is_null());
  put_standing({.status = "skipped", .reason = "why"}, row);
  EXPECT_EQ(row["status"], "skipped");
  EXPECT_EQ(row["reason"], "why");
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
  contest.module = module;
  nlohmann::json row = empty_row({}, "failed", "");
  put_contest(contest, row);
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
  EXPECT_EQ(row["syncs"], 7);
  contest.runs.at(1).at = {};
  contest.complaint = "why";
  put_contest(contest, row);
  EXPECT_TRUE(row["period_us"].is_null()) << "no timer";
  EXPECT_EQ(row["status"], "failed");
  EXPECT_EQ(row["reason"], "why");
}

}  // namespace
}  // namespace faultline
