// SPDX-License-Identifier: GPL-2.0-only
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string_view>

#include "cell/axes.h"
#include "cell/row.h"
#include "cell/schema.h"

namespace faultline {
namespace {

using nlohmann::json;
using Names = std::vector<std::string>;

Names ids_of(const json& rows) {
  Names ids;
  for (const json& row : rows) ids.push_back(row.at("id"));
  return ids;
}

const json& row_called(const json& rows, std::string_view id) {
  const auto found =
      std::find_if(rows.begin(), rows.end(), [&](const json& row) { return row.at("id") == id; });
  EXPECT_NE(found, rows.end()) << id;
  return *found;
}

TEST(Tables, AreTheseAndEachRowHasAnId) {
  const json tables = tables_json();
  Names names;
  for (const auto& [name, rows] : tables.items()) {
    names.push_back(name);
    ASSERT_TRUE(rows.is_array()) << name;
    EXPECT_FALSE(rows.empty()) << name;
    std::set<std::string> ids;
    for (const json& row : rows) {
      ASSERT_TRUE(row.is_object()) << name << row;
      EXPECT_TRUE(row.at("id").is_string()) << name << row;
      const std::string workload = row.value("workload", "");
      EXPECT_TRUE(ids.insert(workload + "/" + row.at("id").get<std::string>()).second)
          << name << row;
      if (name == "fault_result") continue;
      EXPECT_FALSE(row.at("summary").get<std::string>().empty()) << name << row;
      if (name != "axes") {
        EXPECT_TRUE(row.at("default").is_boolean()) << name << row;
      }
    }
  }
  EXPECT_EQ(names,
            (Names{"axes", "fault_result", "fs", "order", "phase", "probe", "probes", "selftest",
                   "setting", "state", "strategy", "touch", "vary", "workload"}));
}

TEST(Tables, HaveTheIdsOfEachAxis) {
  const json tables = tables_json();
  Names ids;
  Names without;
  for (const Axis& axis : axes()) {
    ids.emplace_back(axis.id);
    const json& row = row_called(tables["axes"], axis.id);
    EXPECT_EQ(row.at("field"), axis.field);
    EXPECT_EQ(row.at("letter"), axis.letter);
    EXPECT_EQ(row.at("summary"), axis.help);
    if (!tables.contains(axis.id)) {
      without.emplace_back(axis.id);
      continue;
    }
    // A strategy's K are a field of its row.
    Names known = axis.known(Sources{});
    std::erase_if(known, [](const std::string& name) { return name.find(':') != name.npos; });
    EXPECT_EQ(ids_of(tables[axis.id]), known) << axis.id;
  }
  EXPECT_EQ(ids_of(tables["axes"]), ids);
  // Their values are numbers.
  EXPECT_EQ(without,
            (Names{"threads", "dirty-inodes", "stores-per-page", "attackers", "fault-deadline"}));
}

TEST(Tables, FileSystems) {
  const json tables = tables_json();
  const json& fc = row_called(tables["fs"], "ext4-fc");
  EXPECT_EQ(fc["type"], "ext4");
  EXPECT_EQ(fc["dax"], true);
  EXPECT_EQ(fc["map_sync"], true);
  EXPECT_EQ(fc["default"], true);
  EXPECT_EQ(fc["journal"], "jbd2");
  EXPECT_EQ(fc["check"], "e2fsck -f -n");
  EXPECT_EQ(fc["options"], "dax");
  const json& xfs = row_called(tables["fs"], "xfs-nodax");
  EXPECT_EQ(xfs["type"], "xfs");
  EXPECT_EQ(xfs["dax"], false);
  EXPECT_EQ(xfs["map_sync"], false);
  EXPECT_EQ(xfs["default"], false);
  EXPECT_EQ(xfs["journal"], "xfs_log");
  EXPECT_EQ(xfs["module"], "xfs");
  EXPECT_EQ(xfs["tool"], "mkfs.xfs");
}

TEST(Tables, Strategies) {
  const json tables = tables_json();
  EXPECT_EQ(row_called(tables["strategy"], "fsync"), json::parse(R"({
    "id": "fsync", "summary": "MAP_SHARED; fsync every K writes", "default": true,
    "family": "call", "mapped": true, "only_written": false, "module": false,
    "promises": "data, size and mtime, after the call", "durable": "data, size and mtime", "when": "the call", "writes_per_sync": [1, 8, 64, 512, "all"]})"));
  EXPECT_EQ(row_called(tables["strategy"], "daxfile"), json::parse(R"({
    "id": "daxfile", "summary": "blocks allocated beforehand, and a flag: the block map is frozen",
    "default": false, "family": "frozen", "mapped": true, "only_written": false, "module": true,
    "promises": "data and size, after the store", "durable": "data and size", "when": "the store", "writes_per_sync": []})"));
  EXPECT_EQ(row_called(tables["strategy"], "pwrite")["mapped"], false);
  EXPECT_EQ(row_called(tables["strategy"], "volatile")["promises"], "nothing");
  EXPECT_EQ(row_called(tables["strategy"], "sync_fault")["promises"],
            "data, size and mtime, after the store");
  // The floor is one: figures are compared with it.
  EXPECT_EQ(std::count_if(tables["strategy"].begin(), tables["strategy"].end(),
                          [](const json& row) { return row["family"] == "floor"; }),
            1);
}

TEST(Tables, WorkloadsAndTheirTouches) {
  const json tables = tables_json();
  EXPECT_EQ(row_called(tables["workload"], "paced"), json::parse(R"({
    "id": "paced", "summary": "one page per clock tick, so that every fault moves mtime",
    "default": false, "kind": "loop", "touches": 128, "life_s": 0.5})"));
  EXPECT_EQ(row_called(tables["workload"], "dos")["kind"], "victim");
  EXPECT_EQ(row_called(tables["workload"], "bystander")["kind"], "bystander");
  EXPECT_EQ(row_called(tables["workload"], "first_touch")["default"], true);
  EXPECT_EQ(ids_of(tables["selftest"]),
            (Names{"selftest_panic", "selftest_hang", "selftest_crash", "selftest_oom"}));
  EXPECT_EQ(row_called(tables["touch"], "freeze"), json::parse(R"({
    "id": "freeze", "workload": "bystander", "default": true,
    "summary": "bystander: a process freezes and thaws the file system"})"));
}

TEST(Tables, ProbesAndWhatTheySee) {
  const json tables = tables_json();
  EXPECT_EQ(ids_of(tables["probes"]),
            (Names{"off", "on", "phases", "locks", "interruptions", "bpf_cost:empty",
                   "bpf_cost:array", "bpf_cost:hash", "bpf_cost:inode_storage", "bpf_cost:chain1",
                   "bpf_cost:chain2", "bpf_cost:chain3", "bpf_cost:chain4", "bpf_cost:chain5",
                   "bpf_cost:chain6", "bpf_cost:chain7", "bpf_cost:chain8", "bpf_cost:ringbuf"}));
  for (const json& set : tables["probes"]) {
    const std::string id = set["id"];
    EXPECT_EQ(set["twin"], id == "off") << id;
    EXPECT_EQ(set["default"], id == "off" || id == "on") << id;
  }
  // What a row's `probe` has is what is timed.
  Names events;
  ProbeFigures::fields([&](const auto& field) { events.emplace_back(field.name); });
  EXPECT_EQ(ids_of(tables["probe"]), events);
  EXPECT_EQ(ids_of(tables["probe"]), (Names{"fault", "sync", "commit", "fast_commit"}));
  EXPECT_EQ(ids_of(tables["phase"]),
            (Names{"entry", "mtime", "handle_start", "map", "zero", "insert", "handle_stop", "sync",
                   "commit_wait", "cil_push", "log_wait", "flush"}));
  EXPECT_EQ(ids_of(tables["vary"]), (Names{"tick", "pages", "blocks"}));
  EXPECT_EQ(tables["fault_result"].size(), 14U);
  EXPECT_EQ(row_called(tables["fault_result"], "SIGBUS"),
            json::parse(R"({"id": "SIGBUS", "bit": 2})"));
}

TEST(Tables, SayWhatIsMeasuredWhereNoneIsNamed) {
  const json tables = tables_json();
  const auto defaults = [&](const char* table) {
    Names ids;
    for (const json& row : tables[table]) {
      if (row["default"] == true) ids.push_back(row["id"]);
    }
    return ids;
  };
  EXPECT_EQ(defaults("fs"), (Names{"ext4", "ext4-fc", "xfs"}));
  EXPECT_EQ(defaults("workload"), Names{"first_touch"});
  EXPECT_EQ(defaults("strategy"),
            (Names{"volatile", "fsync", "msync", "map_sync", "prealloc", "pwrite"}));
  EXPECT_EQ(defaults("state"), (Names{"hole", "unwritten", "written"}));
  EXPECT_EQ(defaults("order"), Names{"pte"});
  EXPECT_EQ(defaults("setting"), (Names{"deterministic", "concurrent"}));
  EXPECT_EQ(defaults("selftest"), Names{});
}

}  // namespace
}  // namespace faultline
