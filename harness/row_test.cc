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
