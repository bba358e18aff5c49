// SPDX-License-Identifier: GPL-2.0-only
// Verbs that look at what is there already, in real guests: a published result, a file.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "campaign/testing.h"
#include "vm/files.h"

namespace faultline {
namespace {

TEST(RealOrder, OfAFileThatAGuestMakes) {
  const CommandOutput huge = faultline_command({"order", "--fs", "xfs", "--quiet", "--json"});
  EXPECT_EQ(huge.status, 0) << huge.error;
  const nlohmann::json told = nlohmann::json::parse(huge.out, nullptr, false);
  ASSERT_TRUE(told.is_object()) << huge.out;
  EXPECT_EQ(told["order"], "pmd");
  EXPECT_EQ(told["windows"], 4);
  EXPECT_EQ(told["huge"], 4);
  EXPECT_EQ(told["dax"], true);
  const CommandOutput small = faultline_command({"order", "--fs", "ext4-nodax", "--quiet"});
  EXPECT_EQ(small.status, 1) << small.error;
  EXPECT_NE(small.out.find("not_dax"), std::string::npos) << small.out;
}

// Each further lookup costs what the one before did, and nothing else is in the difference.
TEST(RealBpfCost, AChainOfLookupsCostsTheSameALookup) {
  const Scratch scratch;
  const CommandOutput run = faultline_command(
      {"run", "--fs", "xfs", "--strategy", "map_sync", "--state", "written", "--seeds", "1",
       "--probes", "bpf_cost:empty,bpf_cost:array,bpf_cost:chain[1234],bpf_cost:inode_storage",
       "--no-table", "--out", scratch / "cost"});
  ASSERT_EQ(run.status, 0) << run.error;
  std::map<std::string, double> cost;
  const nlohmann::json result = read_json(scratch / "cost/result.json");
  for (const nlohmann::json& row : result.at("benchmarks")) {
    const std::string set = row["probes"];
    if (set == "bpf_cost:inode_storage") {
      EXPECT_EQ(row["status"], "skipped");
      EXPECT_NE(row["reason"].get<std::string>().find("LSM"), std::string::npos) << row["reason"];
      continue;
    }
    EXPECT_EQ(row["status"], "ok") << row["reason"];
    if (set != "off") cost[set] = row["tax_page"];
  }
  EXPECT_GT(cost["bpf_cost:empty"], 50);
  EXPECT_LT(cost["bpf_cost:empty"], 250);
  EXPECT_GT(cost["bpf_cost:array"], cost["bpf_cost:empty"] + 5);
  EXPECT_LT(cost["bpf_cost:array"], cost["bpf_cost:empty"] + 40);
  const double lookup = cost["bpf_cost:chain2"] - cost["bpf_cost:chain1"];
  EXPECT_GT(lookup, 80);
  for (int i = 2; i < 4; ++i) {
    EXPECT_NEAR(
        cost[fmt::format("bpf_cost:chain{}", i + 1)] - cost[fmt::format("bpf_cost:chain{}", i)],
        lookup, 0.1 * lookup);
  }
  const CommandOutput told = faultline_command({"answer", "bpf_cost", scratch / "cost"});
  EXPECT_EQ(told.status, 0) << told.error;
  EXPECT_NE(told.out.find("chain3"), std::string::npos) << told.out;
}

TEST(RealReproduce, AResultIsHadAgainOrIsSaidToBeGone) {
  const Scratch scratch;
  const CommandOutput first =
      faultline_command({"run", "--fs", "ext4", "--strategy", "volatile", "--state", "written",
                         "--seeds", "1", "--no-table", "--out", scratch / "a"});
  ASSERT_EQ(first.status, 0) << first.error;
  const CommandOutput again =
      faultline_command({"reproduce", scratch / "a", "--out", scratch / "b", "--quiet"});
  EXPECT_EQ(again.status, 0) << again.error;
  EXPECT_NE(again.out.find("2 of 2 rows have identical figures"), std::string::npos) << again.out;

  nlohmann::json result = read_json(scratch / "a/result.json");
  for (nlohmann::json& row : result["benchmarks"]) row["per_page"] = 1;
  write_file(scratch / "wrong.json", result.dump());
  const CommandOutput differs =
      faultline_command({"reproduce", scratch / "wrong.json", "--out", scratch / "c", "--quiet"});
  EXPECT_EQ(differs.status, 1) << differs.error;
  EXPECT_NE((differs.out + differs.error).find("per_page: 1 and"), std::string::npos);

  result["context"]["kernels"]["bookworm"]["vmlinuz_sha256"] = "gone";
  write_file(scratch / "gone.json", result.dump());
  const CommandOutput gone =
      faultline_command({"reproduce", scratch / "gone.json", "--out", scratch / "d", "--quiet"});
  EXPECT_EQ(gone.status, 2);
  EXPECT_NE(gone.error.find("cannot be had again"), std::string::npos) << gone.error;
}

}  // namespace
}  // namespace faultline
