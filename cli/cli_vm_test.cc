// SPDX-License-Identifier: GPL-2.0-only
// The command with real guests, on the default kernel.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>

#include "campaign/testing.h"
#include "cell/sample_file.h"
#include "vm/kernels.h"

namespace faultline {
namespace {

namespace fs = std::filesystem;

// Ids of the QEMUs that run without the command that started them: others may use the machine too.
std::string orphans() {
  std::istringstream ids(run_command({"pgrep", "-x", "qemu-system-x86"}).out);
  std::string found;
  for (std::string id; ids >> id;) {
    std::ifstream status("/proc/" + id + "/status");
    std::string parent;
    for (std::string word; status >> word && parent.empty();) {
      if (word == "PPid:") status >> parent;
    }
    std::ifstream comm("/proc/" + parent + "/comm");
    std::string name;
    std::getline(comm, name);
    if (name.find("faultline") == std::string::npos && name.find("_test") == std::string::npos) {
      found += id + ' ';
    }
  }
  return found;
}

std::vector<std::string> run_arguments(const std::string& out, std::vector<std::string> more) {
  std::vector<std::string> arguments = {"run", "--out", out, "--no-table"};
  const auto has = [&](const char* option) {
    return std::find(more.begin(), more.end(), option) != more.end();
  };
  if (!has("--seeds") && !has("--accel")) arguments.insert(arguments.end(), {"--seeds", "1"});
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

// What a row tells, less what is of the run and not of the cell.
std::map<std::string, nlohmann::json> figures_of(const std::string& path) {
  std::map<std::string, nlohmann::json> figures;
  const nlohmann::json result = read_json(path);
  for (nlohmann::json row : result["benchmarks"]) {
    EXPECT_EQ(row["status"], "ok") << row["reason"];
    row.erase("outlier");
    const std::string name =
        fmt::format("{} seed {}", row["name"].get<std::string>(), row["seed"].get<uint64_t>());
    figures[name] = row;
  }
  return figures;
}

// Equal cells have equal figures, in whatever order and beside whatever they are measured.
TEST(RealRun, ACellsFiguresHangOnNothingButTheCell) {
  const Scratch scratch;
  const std::vector<std::string> selection = {
      "--fs", "ext4,xfs",  "--strategy", "volatile,map_sync", "--state",
      "hole", "--touches", "64",         "--seeds",           "0..1"};
  const auto run = [&](const char* out, std::vector<std::string> more) {
    std::vector<std::string> all = selection;
    all.insert(all.end(), more.begin(), more.end());
    const CommandOutput output = faultline_command(run_arguments(scratch / out, all));
    EXPECT_EQ(output.status, 0) << output.error;
    return figures_of(scratch / (std::string(out) + "/result.json"));
  };
  const auto whole = run("whole", {});
  ASSERT_EQ(whole.size(), 16U);
  EXPECT_EQ(run("reverse", {"--reverse", "--jobs", "1"}), whole);
  // Three shards hold each cell once; here beside other QEMUs, and one alone.
  std::map<std::string, nlohmann::json> together;
  for (const char* shard : {"1/3", "2/3", "3/3"}) {
    auto part = run(shard[0] == '1'   ? "s1"
                    : shard[0] == '2' ? "s2"
                                      : "s3",
                    {"--shard", shard, "--jobs", "4"});
    EXPECT_LT(part.size(), 12U);
    together.merge(part);
    EXPECT_TRUE(part.empty()) << "a cell in two shards";
  }
  EXPECT_EQ(together, whole);
  // A seed is another accident.
  const auto figure = [&](const char* cell, int seed) {
    return whole.at(fmt::format("bookworm/{}/off seed {}", cell, seed)).at("per_page");
  };
  EXPECT_NE(figure("ext4/map_sync/first_touch/hole/pte/t1", 0),
            figure("ext4/map_sync/first_touch/hole/pte/t1", 1));
}

TEST(RealRun, AnAccidentAloneIsWhatAnOutlierIsExplainedBy) {
  const Scratch scratch;
  // So few touches lie further apart than 0.2 %: page tables, a tick.
  const CommandOutput output = faultline_command(run_arguments(
      scratch / "out", {"--fs", "ext4", "--strategy", "volatile", "--state", "written", "--touches",
                        "64", "--seeds", "0..7", "--outlier", "0.2", "--probes", "interruptions"}));
  ASSERT_EQ(output.status, 0) << output.error;
  size_t explained = 0;
  const nlohmann::json result = read_json(scratch / "out/result.json");
  for (const nlohmann::json& row : result["benchmarks"]) {
    if (row["probes"] == "interruptions") {
      ASSERT_TRUE(row["interruptions"].is_array()) << row;
      uint64_t ticks = 0;
      for (const nlohmann::json& one : row["interruptions"]) {
        if (one["kind"] == "tick") ticks += one["count"].get<uint64_t>();
      }
      // The kernel's own count is read around more than the probes see.
      EXPECT_LE(ticks, row["interrupts"]["ticks"].get<uint64_t>() + 1);
      continue;
    }
    if (row["outlier"].is_null()) continue;
    ++explained;
    for (const char* sample : {"here", "typical"}) {
      EXPECT_EQ(row["outlier"][sample]["alone"].size(), 3U) << row["outlier"];
      EXPECT_TRUE(row["outlier"][sample]["interruptions"].is_array()) << row["outlier"];
    }
  }
  EXPECT_GT(explained, 0U);
}

TEST(RealRun, TwentyThreeTouchesAreTwentyThreeFaultsAndSamples) {
  const Scratch scratch;
  const CommandOutput output = faultline_command(run_arguments(
      scratch / "out",
      {"--kernel", test_kernels(), "--fs", "ext4,ext4-fc,xfs", "--strategy", "map_sync", "--state",
       "hole", "--touches", "23", "--samples", "--probes", "on,phases",
       // On ext4-fc the seeds' own files take up the area of fast commits.
       "--vary", "none"}));
  ASSERT_EQ(output.status, 0) << output.error;
  const nlohmann::json result = read_json(scratch / "out/result.json");
  EXPECT_EQ(result["context"]["complete"], true);
  ASSERT_EQ(result["benchmarks"].size() % 9, 0U);
  ASSERT_FALSE(result["benchmarks"].empty());
  const std::string side = read_file(scratch / "out/samples.bin");
  ASSERT_EQ(side.size() % sizeof(SampleRecord), 0U);
  std::vector<SampleRecord> records(side.size() / sizeof(SampleRecord));
  std::memcpy(records.data(), side.data(), side.size());
  for (const nlohmann::json& row : result["benchmarks"]) {
    EXPECT_EQ(row["status"], "ok") << row["reason"];
    EXPECT_EQ(row["touches"], 23);
    EXPECT_EQ(row["faults"], 23);
    EXPECT_EQ(row["pages"], 23);
    EXPECT_EQ(row["dax"], true);
    EXPECT_EQ(row["map_sync"], true);
    EXPECT_EQ(row["life"], "restored");
    if (row["probes"] == "off") continue;
    EXPECT_EQ(row["probe"]["fault"]["count"], 23);
    // A MAP_SYNC store to a hole has just changed the block map (fs/dax.c,
    // dax_fault_is_synchronous): each fault syncs, each sync commits.
    EXPECT_EQ(row["syncs"], 23);
    EXPECT_EQ(row["commits"], 23);
    const bool fast = row["fs"] == "ext4-fc";
    EXPECT_EQ(row["fast_commits"], fast ? 23 : 0);
    // It is the fault that asks for it, and it serves that one fault.
    EXPECT_EQ(row["journal"]["asked"]["fault"], 23) << row["name"];
    EXPECT_EQ(row["journal"]["served"]["faults"], 23) << row["name"];
    // By the file systems' own counters.
    const nlohmann::json& own = row["journal"]["kernel"];
    if (row["fs"] == "xfs") {
      EXPECT_EQ(own["forces"], 23);
      EXPECT_EQ(own["log_bytes"], row["journal"]["log_bytes"]);
    } else {
      EXPECT_EQ(own["commits"], fast ? 0 : 23);
    }
    std::map<std::string, size_t> samples;
    uint64_t logged = 0;
    EXPECT_EQ(row["samples"]["file"], "samples.bin");
    const auto first = row["samples"]["first"].get<size_t>();
    for (size_t i = first; i < first + row["samples"]["count"].get<size_t>(); ++i) {
      const SampleRecord& sample = records.at(i);
      const auto kind = row["sample_kinds"].at(sample.kind).get<std::string>();
      if (kind == "commit" || kind == "fast_commit") logged += sample.address;
      ++samples[kind];
    }
    // What each commit wrote adds up to what all wrote; XFS tells the sum alone.
    EXPECT_EQ(logged, row["fs"] == "xfs" ? 0 : row["journal"]["log_bytes"].get<uint64_t>());
    EXPECT_EQ(samples["fault"], 23U);
    EXPECT_EQ(samples["sync"], 23U);
    EXPECT_EQ(samples["commit"] + samples["fast_commit"], 23U);
    EXPECT_EQ(samples["phase.mtime"], row["probes"] == "phases" ? 23U : 0U);
  }
  EXPECT_EQ(faultline_command({"table", scratch / "out"}).status, 0) << "the schema holds";
  const CommandOutput exported = faultline_command(
      {"export", "--to", "perfetto", scratch / "out", "--out", scratch / "trace", "--json"});
  ASSERT_EQ(exported.status, 0) << exported.error;
  const nlohmann::json summary = nlohmann::json::parse(exported.out);
  // Two of the three rows of a cell have samples.
  ASSERT_EQ(summary["cells"].size(), result["benchmarks"].size() / 3 * 2);
  for (const nlohmann::json& cell : summary["cells"]) {
    EXPECT_EQ(cell["kinds"]["fault"], 23) << cell;
    EXPECT_EQ(cell["kinds"]["sync"], 23) << cell;
    // Each sync's arrow: to its transaction, on XFS to the push of the CIL.
    EXPECT_EQ(cell["waits"], 23) << cell;
  }
}

const nlohmann::json& phase_of(const nlohmann::json& row, const std::string& id) {
  for (const nlohmann::json& phase : row.at("phases")) {
    if (phase.at("id") == id) return phase;
  }
  throw std::runtime_error("no phase " + id);
}

TEST(RealRun, PhasesAddUpAndTheTaxIsTakenOffThem) {
  const Scratch scratch;
  const CommandOutput output = faultline_command(run_arguments(
      scratch / "out",
      {"--kernel", test_kernels(), "--fs", "ext4,xfs", "--strategy", "volatile,map_sync", "--state",
       "hole,written", "--touches", "512", "--probes", "phases"}));
  ASSERT_EQ(output.status, 0) << output.error;
  std::map<std::string, double> twins;
  for (const nlohmann::json& row : read_rows(scratch / "out/result.json")) {
    const auto name = row["name"].get<std::string>();
    const std::string stem = name.substr(0, name.rfind('/'));
    if (row["probes"] == "off") twins[stem] = row["per_fault"];
    if (row["probes"] == "off") continue;
    double sum = 0;
    double net = 0;
    for (const nlohmann::json& phase : row["phases"]) {
      EXPECT_GT(phase["mean"].get<double>(), 0) << name << phase["id"];
      EXPECT_GT(phase["net"].get<double>(), 0) << name << phase["id"];
      sum += phase["mean"].get<double>();
      net += phase["net"].get<double>();
    }
    EXPECT_NEAR(sum, row["per_fault"].get<double>(), 0.01) << name;
    EXPECT_NEAR(net, twins.at(stem), 0.01) << name;
    EXPECT_LT(phase_of(row, "other")["net"].get<double>(), 0.10 * twins.at(stem)) << name;
    // What the medium makes of it: zeroing belongs to new blocks, the wait to a dirty block map.
    const bool hole = row["state"] == "hole";
    const bool waits = hole && row["strategy"] == "map_sync";
    size_t zero = 0;
    size_t wait = 0;
    for (const nlohmann::json& phase : row["phases"]) {
      zero += phase["id"] == "zero" ? 1 : 0;
      wait += phase["id"] == (row["fs"] == "xfs" ? "log_wait" : "commit_wait") ? 1 : 0;
    }
    EXPECT_EQ(zero, hole ? 1U : 0U) << name;
    EXPECT_EQ(wait, waits ? 1U : 0U) << name;
  }
}

// A program of known cost falls on the phase that it runs in, and on no other.
TEST(RealRun, AProbeOfKnownCostComesOffThePhaseThatItIsIn) {
  const Scratch scratch;
  const CommandOutput output = faultline_command(run_arguments(
      scratch / "out", {"--fs", "ext4", "--strategy", "volatile", "--state", "written", "--touches",
                        "32768", "--probes", "phases,ballast"}));
  ASSERT_EQ(output.status, 0) << output.error;
  nlohmann::json phases;
  nlohmann::json ballast;
  for (const nlohmann::json& row : read_rows(scratch / "out/result.json")) {
    if (row["probes"] == "phases") phases = row;
    if (row["probes"] == "ballast") ballast = row;
  }
  const double cost = ballast["per_fault"].get<double>() - phases["per_fault"].get<double>();
  // 250 rounds of a loop of two or three instructions, and the fentry program around it.
  EXPECT_GT(cost, 500);
  EXPECT_LT(cost, 1500);
  for (const nlohmann::json& phase : phases["phases"]) {
    const double plain = phase["mean"];
    double loaded = phase_of(ballast, phase["id"])["mean"];
    if (phase["id"] == "map") loaded -= cost;
    // So many faults that it does not show into which phase a clock tick (5000 instr and up) fell:
    // of 8192 up to 12 instr a fault, of these 0.7. 1 %, and 10 instr in the small phases.
    EXPECT_NEAR(loaded, plain, std::max(0.01 * plain, 10.0)) << phase["id"];
  }
}

TEST(RealRun, AFullRingBufferMakesTheCellIncomplete) {
  const Scratch scratch;
  const CommandOutput output = faultline_command(run_arguments(
      scratch / "out", {"--fs", "ext4", "--strategy", "volatile", "--state", "written", "--touches",
                        "200", "--probes", "ballast", "--samples"}));
  EXPECT_EQ(output.status, 2) << output.error;
  for (const nlohmann::json& row : read_rows(scratch / "out/result.json")) {
    if (row["probes"] == "off") continue;
    EXPECT_EQ(row["status"], "incomplete");
    // A page holds 73 records of 48 bytes and a header of 8; each fault makes more than one.
    EXPECT_GT(row["losses"]["dropped"], 200);
    EXPECT_EQ(row["probe"]["fault"]["count"], 200) << "the counters lose nothing";
  }
}

// 6.1 has no lock of a VMA: the other locks are seen all the same, and the result says why not.
TEST(RealRun, WhatAKernelLacksIsSaidAndTheRestMeasured) {
  const Scratch scratch;
  const CommandOutput output = faultline_command(
      run_arguments(scratch / "out", {"--fs", "ext4", "--strategy", "map_sync", "--state", "hole",
                                      "--touches", "23", "--probes", "locks"}));
  ASSERT_EQ(output.status, 0) << output.error;
  const nlohmann::json result = read_json(scratch / "out/result.json");
  std::string error;
  for (const nlohmann::json& point : result["context"]["kernels"]["bookworm"]["probes"]["ext4"]) {
    if (point["id"] == "vma_lock.have") error = point["error"];
    if (point["id"] != "mmap_lock.have") continue;
    EXPECT_EQ(point["means"], "raw_tp");
  }
  EXPECT_NE(error.find("lock_vma_under_rcu"), std::string::npos) << error;
  for (const nlohmann::json& row : result["benchmarks"]) {
    if (row["probes"] == "off") continue;
    EXPECT_EQ(row["status"], "ok") << row["reason"];
    ASSERT_EQ(row["locks"].size(), 1U) << row["locks"].dump();
    EXPECT_EQ(row["locks"][0]["lock"], "mmap_read");
    EXPECT_EQ(row["locks"][0]["count"], 23);
    // Held over the whole synced fault.
    EXPECT_GT(row["locks"][0]["hold"], row["probe"]["sync"]["sum"]);
  }
}

TEST(RealRun, MtimeAloneSyncsWithFastCommitOnly) {
  const Scratch scratch;
  const CommandOutput output = faultline_command(run_arguments(
      scratch / "out", {"--strategy", "map_sync", "--state", "written", "--workload", "paced",
                        "--touches", "23", "--probes", "on",
                        // What seeds write beside may bring a full commit, which ends it.
                        "--vary", "none"}));
  ASSERT_EQ(output.status, 0) << output.error;
  for (const nlohmann::json& row : read_rows(scratch / "out/result.json")) {
    if (row["probes"] == "off") continue;
    EXPECT_EQ(row["mtime_changes"], 23) << row["name"];
    EXPECT_EQ(row["syncs"], row["fs"] == "ext4-fc" ? 23 : 0) << row["name"];
  }
}

TEST(RealRun, AppSyncsAreCounted) {
  const Scratch scratch;
  const CommandOutput output = faultline_command(run_arguments(
      scratch / "out", {"--fs", "xfs", "--strategy", "fsync:8,msync:all,pwrite", "--state",
                        "unwritten", "--touches", "23", "--probes", "off"}));
  ASSERT_EQ(output.status, 0) << output.error;
  for (const nlohmann::json& row : read_rows(scratch / "out/result.json")) {
    const bool pwrite = row["strategy"] == "pwrite";
    // 23 = 8 + 8 + 7.
    EXPECT_EQ(row["app_syncs"], pwrite ? 23 : row["strategy"] == "fsync" ? 3 : 1);
    EXPECT_EQ(row["faults"], pwrite ? 0 : 23);
  }
}

// A cell's figures are the same whatever ran beside or before it, and when the state is made anew.
TEST(RealRun, ACellIsTheSameAloneAndInCompanyAndAfterItsStateWasLost) {
  const Scratch scratch;
  const std::string cache = scratch / "cache";
  make_dirs(cache);
  // Kernels are shared: only states and images are made anew.
  fs::create_directory_symlink(cache_dir() / "kernels", cache + "/kernels");
  const std::vector<std::string> own = {"env", "FAULTLINE_CACHE=" + cache};
  const CommandOutput company = faultline_command(
      run_arguments(scratch / "company", {"--fs", "ext4", "--strategy", "fsync:8,map_sync"}), own);
  ASSERT_EQ(company.status, 0) << company.error;
  fs::remove_all(cache + "/states");
  const CommandOutput alone = faultline_command(
      run_arguments(scratch / "alone",
                    {"--fs", "ext4", "--strategy", "map_sync", "--state", "hole"}),
      own);
  ASSERT_EQ(alone.status, 0) << alone.error;
  const CommandOutput same =
      faultline_command({"identical", scratch / "company", scratch / "alone", "--json"});
  EXPECT_EQ(same.status, 0) << same.out;
}

// The mail's claim, and the reply: on XFS a changed time stamp of the inode is dirt, which the
// attacker renews faster than a sync ends; the extent touched is clean after one.
TEST(RealRun, AVictimThatRetriesStarvesAndOneThatLooksAtItsExtentDoesNot) {
  const Scratch scratch;
  const std::vector<std::string> selection = {
      "--fs",      "xfs",          "--workload",  "dos",
      "--state",   "written",      "--strategy",  "sync_retry,sync_retry_extent",
      "--touch",   "utimens",      "--attackers", "1",
      "--setting", "deterministic"};
  const CommandOutput output = faultline_command(run_arguments(scratch / "out", selection));
  ASSERT_EQ(output.status, 0) << output.error;
  const nlohmann::json rows = read_rows(scratch / "out/result.json");
  ASSERT_EQ(rows.size(), 2U);
  for (const nlohmann::json& row : rows) {
    EXPECT_EQ(row["status"], "ok") << row["reason"];
    EXPECT_EQ(row["starved"]["of"], 18) << "six periods, three phases";
    EXPECT_EQ(row["scan"].size(), 18U);
    EXPECT_GT(row["attack_rate"], 0);
    if (row["strategy"] == "sync_retry") {
      EXPECT_GE(row["starved"]["n"], 1);
      EXPECT_GE(row["retries_max"], 100) << "20 ms, and a sync takes less than 0.2";
    } else {
      EXPECT_EQ(row["starved"]["n"], 0);
      EXPECT_LE(row["retries_max"], 1);
    }
  }
  const CommandOutput again = faultline_command(run_arguments(scratch / "again", selection));
  ASSERT_EQ(again.status, 0) << again.error;
  const CommandOutput same =
      faultline_command({"identical", scratch / "out", scratch / "again", "--json"});
  EXPECT_EQ(same.status, 0) << same.out;
}

TEST(RealRun, AKernelAndModulesByPath) {
  const Scratch scratch;
  const FetchedKernel kernel = fetch_kernel(kernel_table().front(), cache_dir());
  const CommandOutput output = faultline_command(run_arguments(
      scratch / "out",
      {"--kernel", kernel.vmlinuz.string(), "--modules", kernel.modules_dir.string(), "--fs",
       "ext4", "--strategy", "volatile", "--state", "hole", "--touches", "16"}));
  EXPECT_EQ(output.status, 0) << output.error;
}

// The module's bytes are in the image, and so in the figures: they must not depend on the folder.
TEST(RealModule, IsTheSameInAnotherCache) {
  const Scratch scratch;
  const auto build = [](const std::vector<std::string>& before) {
    const CommandOutput output = faultline_command({"kernels", "module", "--json"}, before);
    EXPECT_EQ(output.status, 0) << output.error;
    const nlohmann::json rows = nlohmann::json::parse(output.out, nullptr, false);
    return rows.is_array() && rows.size() == 1 ? rows[0] : nlohmann::json::object();
  };
  const nlohmann::json here = build({});
  const std::string cache = scratch / "cache";
  make_dirs(cache);
  fs::create_directory_symlink(cache_dir() / "kernels", cache + "/kernels");
  const std::string headers = "headers/" + here.value("release", "");
  make_dirs(cache + "/headers");
  fs::copy(cache_dir() / headers, fs::path(cache) / headers,
           fs::copy_options::recursive | fs::copy_options::copy_symlinks);
  const nlohmann::json there = build({"env", "FAULTLINE_CACHE=" + cache});
  ASSERT_TRUE(here.contains("sha256") && there.contains("sha256"));
  EXPECT_EQ(there["made_now"], true);
  EXPECT_EQ(here["sha256"], there["sha256"]);
  EXPECT_NE(here["path"], there["path"]);
  EXPECT_EQ(sha256_of_file(there["path"].get<std::string>()), here["sha256"].get<std::string>());
}

TEST(RealModule, ChangesNoFigureOfTheOtherCells) {
  const Scratch scratch;
  const auto run = [&](const std::string& out, const std::string& strategies) {
    const CommandOutput output = faultline_command(
        run_arguments(scratch / out, {"--fs", "ext4", "--strategy", strategies, "--state",
                                      "written", "--touches", "23", "--probes", "off"}));
    EXPECT_EQ(output.status, 0) << output.error;
    return read_json(scratch / out + "/result.json");
  };
  const nlohmann::json alone = run("alone", "volatile");
  const nlohmann::json both = run("both", "volatile,daxfile");
  ASSERT_EQ(both["benchmarks"].size(), 2U);
  EXPECT_EQ(both["benchmarks"][1]["status"], "ok") << both["benchmarks"][1]["reason"];
  EXPECT_EQ(both["benchmarks"][0]["per_fault"], alone["benchmarks"][0]["per_fault"]);
  const nlohmann::json& kernel = both["context"]["kernels"]["bookworm"];
  EXPECT_EQ(kernel["image_sha256"], alone["context"]["kernels"]["bookworm"]["image_sha256"]);
  EXPECT_NE(kernel["module"]["image_sha256"], kernel["image_sha256"]);
  EXPECT_EQ(faultline_command({"table", scratch / "both"}).status, 0) << "the schema holds";
}

TEST(RealModule, WithoutHeadersItsCellsAreSkippedAndTheOthersRun) {
  const Scratch scratch;
  const FetchedKernel kernel = fetch_kernel(kernel_table().front(), cache_dir());
  const CommandOutput output = faultline_command(
      run_arguments(scratch / "out",
                    {"--kernel", kernel.vmlinuz.string(), "--modules", kernel.modules_dir.string(),
                     "--fs", "ext4", "--strategy", "volatile,daxfile", "--state", "written",
                     "--touches", "16", "--probes", "off"}));
  EXPECT_EQ(output.status, 0) << output.error;
  const nlohmann::json rows = read_rows(scratch / "out/result.json");
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0]["status"], "ok") << rows[0]["reason"];
  EXPECT_EQ(rows[1]["status"], "skipped");
  EXPECT_NE(rows[1]["reason"].get<std::string>().find("no headers of " + kernel.release),
            std::string::npos)
      << rows[1]["reason"];
}

struct Misbehaviour {
  const char* workload;
  int status;
  const char* said;
  const char* more;
};

class SelfTests : public testing::TestWithParam<Misbehaviour> {};

TEST_P(SelfTests, EndWithTheRightVerdict) {
  const Scratch scratch;
  const std::string before = orphans();
  const Misbehaviour& bad = GetParam();
  // A good cell runs first: what was measured is kept.
  const CommandOutput output = faultline_command(run_arguments(
      scratch / "out", {"--fs", "ext4", "--strategy", "volatile", "--state", "written",
                        "--workload", std::string("first_touch,") + bad.workload, "--probes", "off",
                        "--touches", "16", "--cell-deadline", bad.more}));
  EXPECT_EQ(output.status, bad.status) << output.error;
  EXPECT_NE(output.error.find(bad.said), std::string::npos) << output.error;
  size_t good = 0;
  for (const nlohmann::json& row : read_rows(scratch / "out/result.json")) {
    const bool ok = row["status"] == "ok";
    EXPECT_EQ(ok, row["workload"] == "first_touch");
    good += ok ? 1 : 0;
  }
  EXPECT_EQ(good, 1U);
  EXPECT_EQ(orphans(), before) << "nothing is left running";
}

INSTANTIATE_TEST_SUITE_P(Guests, SelfTests,
                         testing::Values(Misbehaviour{"selftest_panic", 69, "panic", "60"},
                                         Misbehaviour{"selftest_hang", 69, "15", "15"},
                                         Misbehaviour{"selftest_oom", 69, "memory", "60"},
                                         Misbehaviour{"selftest_crash", 1, "signal 11", "60"}));

TEST(RealRun, CtrlCKeepsWhatWasMeasured) {
  const Scratch scratch;
  const std::string before = orphans();
  const CommandOutput output =
      faultline_command(run_arguments(scratch / "out", {"--fs", "ext4", "--strategy", "*"}),
                        {"timeout", "--preserve-status", "--foreground", "-s", "INT", "12"});
  EXPECT_EQ(output.status, 2) << output.error;
  const nlohmann::json result = read_json(scratch / "out/result.json");
  ASSERT_TRUE(result.is_object());
  EXPECT_EQ(result["context"]["complete"], false);
  EXPECT_NE(result["context"]["reason"].get<std::string>().find("interrupted"), std::string::npos);
  EXPECT_EQ(orphans(), before);
  EXPECT_EQ(faultline_command({"table", scratch / "out"}).status, 0);
}

// Killed twice, it comes to what one that nothing disturbed comes to.
TEST(RealRun, OneThatWasKilledGoesOn) {
  const Scratch scratch;
  const std::vector<std::string> selection = {
      "--fs",      "ext4",   "--strategy", "volatile,map_sync", "--state", "hole,written",
      "--samples", "--jobs", "1"};
  const CommandOutput whole = faultline_command(run_arguments(scratch / "whole", selection));
  ASSERT_EQ(whole.status, 0) << whole.error;
  // Once it has begun to measure, and again some cells later.
  const auto kill_when_it_runs = [&](const char* seconds) -> std::vector<std::string> {
    return {"sh", "-c",
            fmt::format("\"$@\" & until [ -e {}/result.json ]; do sleep 0.1; done; sleep {}; "
                        "kill -9 $! 2>/dev/null; wait $!",
                        scratch / "killed", seconds),
            "sh"};
  };
  faultline_command(run_arguments(scratch / "killed", selection), kill_when_it_runs("2"));
  EXPECT_EQ(read_json(scratch / "killed/result.json")["context"]["complete"], false);
  const std::vector<std::string> resume = {"run", "--resume", scratch / "killed", "--no-table"};
  faultline_command(resume, kill_when_it_runs("5"));
  const CommandOutput rest = faultline_command(resume);
  if (rest.error.find("the run is complete") == std::string::npos) {
    EXPECT_EQ(rest.status, 0) << rest.error;
    EXPECT_NE(rest.error.find("lives are there already"), std::string::npos) << rest.error;
  }
  EXPECT_EQ(faultline_command({"hash", scratch / "killed"}).out,
            faultline_command({"hash", scratch / "whole"}).out);
  EXPECT_EQ(faultline_command({"identical", scratch / "killed", scratch / "whole"}).status, 0);

  const CommandOutput complete = faultline_command({"run", "--resume", scratch / "whole"});
  EXPECT_EQ(complete.status, 2);
  EXPECT_NE(complete.error.find("the run is complete"), std::string::npos) << complete.error;
  const CommandOutput mixed =
      faultline_command({"run", "--resume", scratch / "whole", "--fs", "xfs"});
  EXPECT_EQ(mixed.status, 2);
  EXPECT_NE(mixed.error.find("--fs: --resume takes the options that the run had"),
            std::string::npos)
      << mixed.error;
}

}  // namespace
}  // namespace faultline
