// SPDX-License-Identifier: GPL-2.0-only
#include "harness/cell.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "harness/testing.h"

namespace faultline {
namespace {

using nlohmann::json;

constexpr char kText[] = R"({
  "kernel": "bookworm", "fs": "ext4", "strategy": "fsync", "writes_per_sync": 8,
  "workload": "first_touch", "state": "unwritten", "order": "pmd", "threads": 2, "probes": "on",
  "seed": 7, "vary": "tick", "repetition": 3, "dirty_inodes": 0, "touches": 32, "virtual_time": false, "samples": true,
  "delay": 200,
  "touch": "", "attackers": 0, "setting": "deterministic"})";

TEST(Cell, Names) {
  Cell cell = cell_from_json(json::parse(kText));
  EXPECT_EQ(cell.name(), "bookworm/ext4/fsync:8/first_touch/unwritten/pmd/t2/on");
  cell.writes_per_sync = kEveryAll;
  EXPECT_EQ(cell.name(), "bookworm/ext4/fsync:all/first_touch/unwritten/pmd/t2/on");
  cell.writes_per_sync = kNoK;
  cell.strategy = "map_sync";
  cell.state = State::kHole;
  cell.order = Order::kPte;
  cell.threads = 1;
  cell.probes = Probes::kOff;
  EXPECT_EQ(cell.name(), "bookworm/ext4/map_sync/first_touch/hole/pte/t1/off");
  cell.state = State::kWritten;
  EXPECT_EQ(cell.name(), "bookworm/ext4/map_sync/first_touch/written/pte/t1/off");
  cell.dirty_inodes = 1000;
  EXPECT_EQ(cell.name(), "bookworm/ext4/map_sync/first_touch/written/pte/t1/d1000/off");
  cell.dirty_inodes = 0;
  cell.workload = "dos";
  cell.touch = "chmod";
  cell.attackers = 2;
  cell.setting = Setting::kConcurrent;
  EXPECT_EQ(cell.name(), "bookworm/ext4/map_sync/dos/written/pte/t1/chmod/a2/concurrent/off");
}

TEST(Cell, TakesEveryField) {
  const Cell cell = cell_from_json(json::parse(kText));
  EXPECT_EQ(cell.kernel, "bookworm");
  EXPECT_EQ(cell.fs, "ext4");
  EXPECT_EQ(cell.strategy, "fsync");
  EXPECT_EQ(cell.writes_per_sync, 8U);
  EXPECT_EQ(cell.workload, "first_touch");
  EXPECT_EQ(cell.state, State::kUnwritten);
  EXPECT_EQ(cell.order, Order::kPmd);
  EXPECT_EQ(cell.threads, 2U);
  EXPECT_EQ(cell.probes, Probes::kOn);
  EXPECT_EQ(cell.seed, 7U);
  EXPECT_EQ(cell.vary, "tick");
  EXPECT_EQ(cell.repetition, 3U);
  EXPECT_EQ(cell.touches, 32U);
  EXPECT_FALSE(cell.virtual_time);
  EXPECT_TRUE(cell.samples);
  EXPECT_EQ(cell.touch, "");
  json other = json::parse(kText);
  other["touch"] = "chmod";
  other["attackers"] = 4;
  other["setting"] = "concurrent";
  EXPECT_EQ(cell_from_json(other).touch, "chmod");
  EXPECT_EQ(cell_from_json(other).attackers, 4U);
  EXPECT_EQ(cell_from_json(other).setting, Setting::kConcurrent);
}

TEST(Cell, ComesBackFromJsonAsItWas) {
  const json given = json::parse(kText);
  EXPECT_EQ(cell_to_json(cell_from_json(given)), given);
  for (const char* state : {"hole", "unwritten", "written"}) {
    for (const char* order : {"pte", "pmd"}) {
      for (const char* probes : {"on", "off", "phases", "locks"}) {
        for (const json& k : {json(nullptr), json(1U), json(512U), json("all")}) {
          json other = given;
          other["state"] = state;
          other["order"] = order;
          other["probes"] = probes;
          other["writes_per_sync"] = k;
          EXPECT_EQ(cell_to_json(cell_from_json(other)), other);
        }
      }
    }
  }
}

TEST(Cell, WritesPerSyncInResults) {
  EXPECT_EQ(writes_per_sync_json(kNoK), json(nullptr));
  EXPECT_EQ(writes_per_sync_json(64), json(64));
  EXPECT_EQ(writes_per_sync_json(kEveryAll), json("all"));
}

TEST(Cell, Strides) {
  Cell cell;
  EXPECT_EQ(cell.stride(), 4096U);
  cell.order = Order::kPmd;
  EXPECT_EQ(cell.stride(), 2'097'152U);
}

TEST(Cell, NamesTheFieldThatIsMissing) {
  const json given = json::parse(kText);
  for (const auto& [field, value] : given.items()) {
    json cell = given;
    cell.erase(field);
    EXPECT_NE(message_of(ExitCode::kUsage, [&] { cell_from_json(cell); }).find("'" + field + "'"),
              std::string::npos)
        << field;
  }
  EXPECT_FALSE(message_of(ExitCode::kUsage, [] { cell_from_json(json::array()); }).empty());
}

TEST(Cell, NamesTheFieldThatIsWrong) {
  const json given = json::parse(kText);
  const auto refused = [&](const char* field, const json& value) {
    json cell = given;
    cell[field] = value;
    const std::string message = message_of(ExitCode::kUsage, [&] { cell_from_json(cell); });
    EXPECT_NE(message.find(field), std::string::npos) << field << value << ": " << message;
    return message;
  };
  for (const char* text :
       {"kernel", "fs", "strategy", "workload", "state", "order", "probes", "touch", "setting"}) {
    refused(text, 1);
    refused(text, nullptr);
  }
  for (const char* number :
       {"threads", "seed", "repetition", "dirty_inodes", "touches", "attackers"}) {
    for (const json& value : {json("1"), json(-1), json(1.5), json(true), json(nullptr)})
      refused(number, value);
  }
  for (const char* flag : {"virtual_time", "samples"}) {
    refused(flag, 1);
    refused(flag, "true");
  }
  // 2^32 + 1 is no number of threads, and not 1 either.
  refused("threads", 4'294'967'297U);
  // A negative K would otherwise be that of `all`.
  for (const json& value : {json("some"), json(-1), json(0), json(2.5), json(true)})
    refused("writes_per_sync", value);
  EXPECT_EQ(refused("state", "holes"), "cell: no such state: 'holes'");
  EXPECT_EQ(refused("order", "pud"), "cell: no such order: 'pud'");
  EXPECT_EQ(refused("setting", "loose"), "cell: no such setting: 'loose'");
  EXPECT_EQ(refused("probes", "yes"),
            "cell: no such probes: 'yes'; there is: off, on, phases, locks, interruptions");
}

TEST(Cell, SharesTouchesEqually) {
  const auto refusal = [](uint64_t touches, uint64_t threads) {
    json cell = json::parse(kText);
    cell["touches"] = touches;
    cell["threads"] = threads;
    return message_of(ExitCode::kUsage, [&] { cell_from_json(cell); });
  };
  EXPECT_EQ(refusal(33, 2), "cell: 33 touches cannot be shared by 2 threads");
  EXPECT_EQ(refusal(1, 2), "cell: 1 touches cannot be shared by 2 threads");
  EXPECT_EQ(refusal(0, 2), "cell: 0 touches cannot be shared by 2 threads");
  EXPECT_EQ(refusal(32, 0), "cell: 32 touches cannot be shared by 0 threads");
}

}  // namespace
}  // namespace faultline
