// SPDX-License-Identifier: GPL-2.0-only
#include "cell/row.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "cell/testing.h"

namespace faultline {
namespace {

using nlohmann::json;

Cell ordinary() {
  return {.kernel = "trixie",
          .fs = "xfs",
          .strategy = "msync",
          .writes_per_sync = kEveryAll,
          .workload = "first_touch",
          .state = State::kUnwritten,
          .threads = 2,
          .probes = Probes::k_phases,
          .seed = 7,
          .vary = kVaryTick,
          .touches = 24};
}

Cell contest() {
  return {.kernel = "./bzImage",
          .fs = "ext4",
          .strategy = "map_sync",
          .workload = "dos",
          .state = State::kWritten,
          .repetition = 2,
          .touches = 64,
          .virtual_time = false,
          .touch = "none",
          .setting = Setting::kConcurrent};
}

// All of a row but its fields that are null.
json filled(const Row& row) {
  json all = json_of(row);
  json filled = json::object();
  for (const auto& [field, value] : all.items()) {
    if (!value.is_null()) filled[field] = value;
  }
  return filled;
}

TEST(Row, HasFieldsOfItsOwn) {
  std::set<std::string> names;
  Row::fields([&](const auto& field) {
    EXPECT_TRUE(names.insert(field.name).second) << field.name;
    EXPECT_STRNE(field.meaning, "") << field.name;
  });
  EXPECT_EQ(names.size(), 91U);
  EXPECT_EQ(names.count("per_fault"), 1U);
  EXPECT_EQ(json_of(Row{}).size(),
            80U);  // five may be absent: `cell` is here, and four are of some rows alone
}

TEST(Row, WithoutFigures) {
  EXPECT_EQ(filled(empty_row(ordinary(), "skipped", "why")), json::parse(R"({
    "name": "trixie/xfs/msync:all/first_touch/unwritten/pte/t2/phases",
    "run_name": "trixie/xfs/msync:all/first_touch/unwritten/pte/t2/phases",
    "cell": "trixie/xfs/msync:all/first_touch/unwritten/pte/t2",
    "run_type": "iteration", "repetitions": 1, "repetition_index": 0, "family_index": 0,
    "per_family_instance_index": 0, "threads": 2, "iterations": 0, "time_unit": "instr",
    "kernel": "trixie", "fs": "xfs", "strategy": "msync", "writes_per_sync": "all",
    "workload": "first_touch", "state": "unwritten", "order": "pte", "probes": "phases",
    "seed": 7, "vary": "tick", "accel": "tcg-icount", "time_domain": "virtual", "unit": "instr",
    "status": "skipped", "reason": "why", "touches": 24})"));
}

TEST(Row, OfAContestWithoutFigures) {
  json row = filled(empty_row(contest(), "failed", ""));
  row.erase("accel");  // whoever runs it says which: it is no virtual one
  EXPECT_EQ(row, json::parse(R"({
    "name": "./bzImage/ext4/map_sync/dos/written/pte/t1/none/a0/concurrent/off",
    "run_name": "./bzImage/ext4/map_sync/dos/written/pte/t1/none/a0/concurrent/off",
    "cell": "./bzImage/ext4/map_sync/dos/written/pte/t1/none/a0/concurrent",
    "run_type": "iteration", "repetitions": 1, "repetition_index": 2, "family_index": 0,
    "per_family_instance_index": 0, "threads": 1, "iterations": 0, "time_unit": "ns",
    "kernel": "./bzImage", "fs": "ext4", "strategy": "map_sync", "workload": "dos",
    "state": "written", "order": "pte", "probes": "off", "seed": 0, "vary": "all",
    "time_domain": "wall", "unit": "ns", "status": "failed", "reason": "", "touches": 64,
    "touch": "none", "attackers": 0, "setting": "concurrent"})"));
}

TEST(Row, OfDirtyInodes) {
  Cell cell = ordinary();
  EXPECT_EQ(json_of(empty_row(cell, "ok", ""))["dirty_inodes"], nullptr);
  cell.dirty_inodes = 1000;
  const json row = json_of(empty_row(cell, "ok", ""));
  EXPECT_EQ(row["dirty_inodes"], 1000);
  EXPECT_EQ(row["cell"], "trixie/xfs/msync:all/first_touch/unwritten/pte/t2/d1000");
  EXPECT_EQ(json_of(empty_row(contest(), "ok", ""))["writes_per_sync"], nullptr);
}

TEST(Row, OfStoresPerPage) {
  Cell cell = ordinary();
  EXPECT_FALSE(json_of(empty_row(cell, "ok", "")).contains("stores_per_page"));
  cell.stores_per_page = 8;
  const json row = json_of(empty_row(cell, "ok", ""));
  EXPECT_EQ(row["stores_per_page"], 8);
  EXPECT_EQ(row["cell"], "trixie/xfs/msync:all/first_touch/unwritten/pte/t2/w8");
}

TEST(Row, OfADeadline) {
  Cell cell = contest();
  EXPECT_FALSE(json_of(empty_row(cell, "ok", "")).contains("fault_deadline_ms"));
  cell.fault_deadline_ms = 200;
  const json row = json_of(empty_row(cell, "ok", ""));
  EXPECT_EQ(row["fault_deadline_ms"], 200);
  EXPECT_EQ(row["cell"], "./bzImage/ext4/map_sync/dos/written/pte/t1/none/a0/concurrent/f200");
}

TEST(Row, ComesBackFromJsonAsItWas) {
  for (const Cell& cell : {ordinary(), contest()}) {
    const json row = json_of(empty_row(cell, "skipped", "why"));
    EXPECT_EQ(json_of(row_from_json(row)).dump(), row.dump());
  }
}

TEST(Row, IsRefusedWithTheNameOfTheField) {
  const json given = json_of(empty_row(ordinary(), "ok", ""));
  const auto refusal = [&](const char* field, const json& value) {
    json row = given;
    row[field] = value;
    return message_of(ExitCode::kVmFailed, [&] { row_from_json(row); });
  };
  EXPECT_EQ(refusal("status", "fine"), "a row's status is \"fine\" where it takes one of the ids");
  EXPECT_EQ(refusal("threads", -1), "a row's threads is -1 where it takes a count");
  EXPECT_EQ(refusal("per_fault", -1.5),
            "a row's per_fault is -1.5 where it takes a number from 0 on");
  EXPECT_EQ(refusal("losses", json::object()), "a row's losses.dropped is missing");
  EXPECT_EQ(refusal("tear", 1), "a row has no tear");
  for (const auto& [field, value] : given.items()) {
    // Of a result from before there was an observer.
    const bool of_observer =
        field == "path" || field == "profile" || field == "vector" || field == "caches";
    if (field == "cell" || of_observer) continue;
    json row = given;
    row.erase(field);
    EXPECT_EQ(message_of(ExitCode::kVmFailed, [&] { row_from_json(row); }),
              "a row's " + field + " is missing");
  }
}

TEST(Row, OfAnEarlierBuildMayLackFields) {
  json given = json_of(empty_row(ordinary(), "ok", ""));
  for (const char* field : {"cell", "vary", "dirty_inodes", "module"}) given.erase(field);
  const Row row = earlier_row_from_json(given);
  EXPECT_EQ(row.name, "trixie/xfs/msync:all/first_touch/unwritten/pte/t2/phases");
  EXPECT_EQ(row.vary, "all");
  EXPECT_FALSE(row.cell);
  EXPECT_FALSE(row.module);
  given["seed"] = -1;
  EXPECT_EQ(message_of(ExitCode::kVmFailed, [&] { earlier_row_from_json(given); }),
            "a row's seed is -1 where it takes a count");
}

TEST(Row, IsOkOrNot) {
  for (const char* status : {"ok", "skipped", "incomplete", "failed"}) {
    EXPECT_EQ(is_ok(empty_row(ordinary(), status, "")), status == std::string("ok")) << status;
  }
}

// What was measured and lies here is read, and written as it stands.
TEST(Row, EveryRowInTheRepository) {
  const std::filesystem::path root = FAULTLINE_SOURCE_DIR;
  std::vector<std::filesystem::path> paths = {root / ".ci/baseline/result.json"};
  for (const auto& entry : std::filesystem::directory_iterator(root / "docs/example")) {
    if (entry.path().extension() == ".json") paths.push_back(entry.path());
  }
  std::size_t results = 0;
  std::set<std::string> seen;
  for (const std::filesystem::path& path : paths) {
    std::ifstream in(path);
    const json document = json::parse(in);
    if (!document.is_object() || !document.contains("benchmarks")) continue;  // the claims
    ++results;
    for (const json& given : document["benchmarks"]) {
      SCOPED_TRACE(path.string() + " " + given.value("name", ""));
      const json row = json_of(earlier_row_from_json(given));
      EXPECT_EQ(row, given);
      for (const char* field : {"p50", "p90", "p99", "p99_9", "max"}) {
        EXPECT_EQ(row[field].dump(), given[field].dump()) << field;
      }
      for (const auto& [field, value] : row.items()) {
        if (!value.is_null()) seen.insert(field);
      }
    }
  }
  EXPECT_GE(results, 7U);
  // Else this would say little.
  for (const char* field : {"probe", "journal", "phases", "scan", "module", "dirty_inodes", "tax",
                            "interrupts", "fallback_reasons", "mtime_changes", "line_flush"}) {
    EXPECT_EQ(seen.count(field), 1U) << field;
  }
}

}  // namespace
}  // namespace faultline
