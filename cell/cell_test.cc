// SPDX-License-Identifier: GPL-2.0-only
#include "cell/cell.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cell/testing.h"

namespace faultline {
namespace {

using nlohmann::json;

constexpr char kText[] = R"({
  "kernel": "bookworm", "fs": "ext4", "strategy": "fsync", "writes_per_sync": 8,
  "workload": "first_touch", "state": "unwritten", "order": "pmd", "threads": 2, "probes": "on",
  "seed": 7, "vary": "tick", "repetition": 3, "dirty_inodes": 0, "stores_per_page": 0, "touches": 32, "virtual_time": false, "samples": true,
  "delay": 200,
  "touch": "", "attackers": 0, "setting": "deterministic", "fault_deadline_ms": 20})";

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
  cell.probes = Probes::k_off;
  EXPECT_EQ(cell.name(), "bookworm/ext4/map_sync/first_touch/hole/pte/t1/off");
  cell.state = State::kWritten;
  EXPECT_EQ(cell.name(), "bookworm/ext4/map_sync/first_touch/written/pte/t1/off");
  cell.dirty_inodes = 1000;
  EXPECT_EQ(cell.name(), "bookworm/ext4/map_sync/first_touch/written/pte/t1/d1000/off");
  cell.dirty_inodes = 0;
  EXPECT_EQ(cell.stores(), 1U);
  cell.stores_per_page = 8;
  EXPECT_EQ(cell.stores(), 8U);
  EXPECT_EQ(cell.name(), "bookworm/ext4/map_sync/first_touch/written/pte/t1/w8/off");
  cell.stores_per_page = 0;
  cell.workload = "dos";
  cell.touch = "chmod";
  cell.attackers = 2;
  cell.setting = Setting::kConcurrent;
  EXPECT_EQ(cell.name(), "bookworm/ext4/map_sync/dos/written/pte/t1/chmod/a2/concurrent/off");
  cell.fault_deadline_ms = 200;
  EXPECT_EQ(cell.name(), "bookworm/ext4/map_sync/dos/written/pte/t1/chmod/a2/concurrent/f200/off");
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
  EXPECT_EQ(cell.probes, Probes::k_on);
  EXPECT_EQ(cell.seed, 7U);
  EXPECT_EQ(cell.vary, "tick");
  EXPECT_EQ(cell.repetition, 3U);
  EXPECT_EQ(cell.touches, 32U);
  EXPECT_FALSE(cell.virtual_time);
  EXPECT_TRUE(cell.samples);
  EXPECT_EQ(cell.delay, 200U);
  EXPECT_EQ(cell.dirty_inodes, 0U);
  EXPECT_EQ(cell.touch, "");
  EXPECT_FALSE(cell.is_contest());
  json other = json::parse(kText);
  other["touch"] = "chmod";
  other["attackers"] = 4;
  other["setting"] = "concurrent";
  other["dirty_inodes"] = 1000;
  EXPECT_EQ(cell_from_json(other).touch, "chmod");
  EXPECT_TRUE(cell_from_json(other).is_contest());
  EXPECT_EQ(cell_from_json(other).dirty_inodes, 1000U);
  EXPECT_EQ(cell_from_json(other).attackers, 4U);
  EXPECT_EQ(cell_from_json(other).setting, Setting::kConcurrent);
}

TEST(Cell, ComesBackFromJsonAsItWas) {
  const json given = json::parse(kText);
  EXPECT_EQ(cell_to_json(cell_from_json(given)), given);
  for (const char* state : {"hole", "unwritten", "written"}) {
    for (const char* order : {"pte", "pmd"}) {
      for (const ProbeSetRow& probes : kProbeSets) {
        for (const json& k : {json(nullptr), json(1U), json(512U), json("all")}) {
          json other = given;
          other["state"] = state;
          other["order"] = order;
          other["probes"] = probes.id;
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
  for (const char* number : {"threads", "seed", "repetition", "dirty_inodes", "stores_per_page",
                             "touches", "delay", "attackers", "fault_deadline_ms"}) {
    for (const json& value : {json("1"), json(-1), json(1.5), json(true), json(nullptr)}) {
      refused(number, value);
    }
  }
  for (const char* flag : {"virtual_time", "samples"}) {
    refused(flag, 1);
    refused(flag, "true");
  }
  // 2^32 + 1 is no number of threads, and not 1 either.
  refused("threads", 4'294'967'297U);
  // A negative K would otherwise be that of `all`.
  for (const json& value : {json("some"), json(-1), json(0), json(2.5), json(true)}) {
    refused("writes_per_sync", value);
  }
  EXPECT_EQ(refused("vary", "ticks"), "cell: no such vary: 'ticks'");
  EXPECT_EQ(refused("state", "holes"),
            "cell: state is \"holes\" where it takes one of hole, unwritten, written, shared");
  EXPECT_EQ(refused("order", "pud"), "cell: order is \"pud\" where it takes one of pte, pmd");
  EXPECT_EQ(refused("setting", "loose"),
            "cell: setting is \"loose\" where it takes one of deterministic, deterministic2, "
            "concurrent");
  EXPECT_EQ(refused("probes", "yes"),
            "cell: probes is \"yes\" where it takes one of off, on, phases, locks, interruptions, "
            "ballast, bpf_cost:empty, bpf_cost:array, bpf_cost:hash, bpf_cost:inode_storage, "
            "bpf_cost:chain1, bpf_cost:chain2, bpf_cost:chain3, bpf_cost:chain4, bpf_cost:chain5, "
            "bpf_cost:chain6, bpf_cost:chain7, bpf_cost:chain8, bpf_cost:ringbuf");
  EXPECT_EQ(refused("touches", -1), "cell: touches is -1 where it takes a count");
}

TEST(Cell, SharesTouchesEqually) {
  const auto refusal = [](std::uint64_t touches, std::uint64_t threads) {
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

TEST(ProbeSets, AreTheseAndSeeTheirParts) {
  struct Row {
    Probes probes;
    const char* id;
    unsigned parts;
    bool by_default;
  };
  const Row rows[] = {
      {Probes::k_off, "off", 0, true},
      {Probes::k_on, "on", kSeesFaults, true},
      {Probes::k_phases, "phases", kSeesFaults | kSeesPhases, false},
      {Probes::k_locks, "locks", kSeesFaults | kSeesLocks, false},
      {Probes::k_interruptions, "interruptions", kSeesInterruptions, false},
      {Probes::k_ballast, "ballast", kSeesFaults | kSeesPhases | kAddsBallast, false}};
  constexpr size_t kKinds = 13;  // of bpf_cost
  ASSERT_EQ(std::size(kProbeSets), std::size(rows) + kKinds);
  for (size_t i = std::size(rows); i < std::size(kProbeSets); ++i) {
    const std::string id = kProbeSets[i].id;
    EXPECT_EQ(id.rfind("bpf_cost:", 0), 0U) << id;
    EXPECT_EQ(kProbeSets[i].program, "cost_" + id.substr(id.find(':') + 1));
    EXPECT_EQ(kProbeSets[i].parts, kRunsAProgram) << id;
    EXPECT_EQ(probes_named(id), static_cast<Probes>(i));
  }
  for (const Row& row : rows) {
    EXPECT_STREQ(id_of(row.probes), row.id);
    EXPECT_EQ(probes_named(row.id), row.probes);
    EXPECT_EQ(row_of(row.probes).parts, row.parts) << row.id;
    EXPECT_EQ(row_of(row.probes).by_default, row.by_default) << row.id;
    EXPECT_EQ(row_of(row.probes).selftest, row.probes == Probes::k_ballast) << row.id;
    EXPECT_STRNE(row_of(row.probes).summary, "") << row.id;
  }
  EXPECT_TRUE(sees(Probes::k_locks, kSeesLocks));
  EXPECT_FALSE(sees(Probes::k_locks, kSeesPhases));
  EXPECT_FALSE(sees(Probes::k_off, kSeesFaults));
}

TEST(Enumerators, HaveTheirIds) {
  EXPECT_STREQ(id_of(State::kHole), "hole");
  EXPECT_STREQ(id_of(State::kUnwritten), "unwritten");
  EXPECT_STREQ(id_of(State::kWritten), "written");
  EXPECT_STREQ(id_of(State::kShared), "shared");
  EXPECT_EQ(std::vector(4, true),
            (std::vector{is_written(State::kShared), is_written(State::kWritten),
                         !is_written(State::kHole), !is_written(State::kUnwritten)}));
  EXPECT_STREQ(id_of(Order::kPte), "pte");
  EXPECT_STREQ(id_of(Order::kPmd), "pmd");
  EXPECT_STREQ(id_of(Setting::kDeterministic), "deterministic");
  EXPECT_STREQ(id_of(Setting::kDeterministic2), "deterministic2");
  EXPECT_STREQ(id_of(Setting::kConcurrent), "concurrent");
  EXPECT_EQ(all_of_enum<State>(),
            (std::vector<State>{State::kHole, State::kUnwritten, State::kWritten, State::kShared}));
  EXPECT_EQ(all_of_enum<Order>(), (std::vector<Order>{Order::kPte, Order::kPmd}));
}

TEST(Accidents, AreTheseThree) {
  EXPECT_STREQ(kVaryTick, "tick");
  EXPECT_STREQ(kVaryPages, "pages");
  EXPECT_STREQ(kVaryBlocks, "blocks");
  EXPECT_EQ(std::size(kAccidentTable), 3U);
}

}  // namespace
}  // namespace faultline
