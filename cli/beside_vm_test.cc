// SPDX-License-Identifier: GPL-2.0-only
// Where a cell's file lies, and what runs beside its loop, in real guests.
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "campaign/testing.h"

namespace faultline {
namespace {

// One seed of a selection.
CommandOutput measured(const std::string& out, const std::vector<std::string>& selection) {
  std::vector<std::string> arguments = {"run", "--out", out, "--no-table", "--seeds", "1"};
  arguments.insert(arguments.end(), selection.begin(), selection.end());
  return faultline_command(arguments);
}

TEST(RealRun, AFileOnANearlyFullFileSystemLiesInScatteredBlocks) {
  const Scratch scratch;
  const std::vector<std::string> selection = {"--fs",       "ext4,ext4-full,xfs,xfs-full",
                                              "--touches",  "256",
                                              "--state",    "hole,written",
                                              "--probes",   "off",
                                              "--strategy", "map_sync"};
  const CommandOutput output = measured(scratch / "out", selection);
  ASSERT_EQ(output.status, 0) << output.error;
  const nlohmann::json rows = read_rows(scratch / "out/result.json");
  ASSERT_EQ(rows.size(), 8U);
  // The warm-up's pages are the file's as well; what was left of the filler's map may be a run.
  for (const nlohmann::json& row : rows) {
    const bool full = row["fs"] == "ext4-full" || row["fs"] == "xfs-full";
    if (full) {
      EXPECT_GE(row["extents"], 256) << row["name"];
    } else {
      EXPECT_LE(row["extents"], 2) << row["name"];
    }
    EXPECT_EQ(row["faults"], 256) << row["name"];
  }
}

// An fsync after each store is in what that store takes until it is durable, and in no touch.
TEST(RealRun, EachStoreBesideACopyIsTimedUntilItIsDurable) {
  const Scratch scratch;
  const CommandOutput output =
      measured(scratch / "out",
               {"--fs", "ext4", "--workload", "copy_beside", "--touches", "512", "--state", "hole",
                "--probes", "off", "--strategy", "volatile,fsync:1,fsync:all,map_sync"});
  ASSERT_EQ(output.status, 0) << output.error;
  std::map<std::string, nlohmann::json> by_strategy;
  for (const nlohmann::json& row : read_rows(scratch / "out/result.json")) {
    by_strategy[row["name"].get<std::string>()] = row;
    const nlohmann::json& durable = row["durable"];
    EXPECT_LE(durable["p50"], durable["p99_9"]) << row["name"];
    EXPECT_LE(durable["p99_9"], durable["max"]) << row["name"];
    EXPECT_LE(row["longest_touch"], durable["max"]) << row["name"];
  }
  const auto median = [&](const std::string& strategy) {
    return by_strategy
        .at("bookworm/ext4/" + strategy + "/copy_beside/hole/pte/t1/off")["durable"]["p50"]
        .get<double>();
  };
  EXPECT_GT(median("fsync:1"), 2 * median("volatile"));
  EXPECT_GT(median("map_sync"), 2 * median("volatile"));
  EXPECT_LT(median("fsync:all"), 1.1 * median("volatile")) << "its one fsync is after the last";
}

}  // namespace
}  // namespace faultline
