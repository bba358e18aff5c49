// SPDX-License-Identifier: GPL-2.0-only
// What the observer's functions add up to: the figure of each file system, and a change that was
// planted. On the default kernel, or on those that FAULTLINE_TEST_KERNELS lists.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <map>
#include <set>

#include "campaign/testing.h"
#include "cell/file_system.h"
#include "cell/words.h"

namespace faultline {
namespace {

using nlohmann::json;

// All of the table take three minutes: without being asked for, one of each kind of durability.
std::vector<std::string> file_systems_tried() {
  const char* wanted = std::getenv("FAULTLINE_TEST_FS");
  const std::string list = wanted != nullptr ? wanted : "ext4,ext4-fc,ext2,xfs";
  if (list != "all") return split_list(list);
  std::vector<std::string> all;
  for (const FileSystem& fs : file_systems()) all.emplace_back(fs.id);
  return all;
}

json run(const std::string& out, const std::vector<std::string>& more) {
  std::vector<std::string> arguments = {"run",        "--out",     out,      "--quiet",
                                        "--no-table", "--seeds",   "1",      "--probes",
                                        "off",        "--observe", "profile"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  const CommandOutput output = faultline_command(arguments);
  EXPECT_EQ(output.status, 0) << output.error;
  return read_rows(out + "/result.json");
}

TEST(ObserverSum, IsTheFigureOfEachFileSystem) {
  const Scratch scratch;
  const std::vector<std::string> tried = file_systems_tried();
  // What makes a page durable by itself, and what does on a file system without MAP_SYNC.
  const json rows =
      run(scratch / "out",
          {"--kernel", test_kernels(), "--fs", fmt::format("{}", fmt::join(tried, ",")),
           "--strategy", "map_sync,fsync:8", "--state", "hole", "--touches", "128"});
  std::map<std::string, std::set<std::string>> seen;
  for (const json& row : rows) {
    const std::string name = row["name"];
    if (row["status"] == "skipped") {
      EXPECT_NE(row["reason"], "") << name;
      continue;
    }
    ASSERT_EQ(row["status"], "ok") << name << ": " << row["reason"];
    seen[row["kernel"]].insert(row["fs"]);
    const auto figure = static_cast<std::uint64_t>(
        std::llround(row["per_page"].get<double>() * row["pages"].get<double>()));
    const json& profile = row["profile"];
    ASSERT_TRUE(profile.is_object()) << name;
    std::uint64_t functions = 0;
    for (const json& one : profile["functions"]) functions += one[1].get<std::uint64_t>();
    std::uint64_t parties = 0;
    for (const json& party : profile["parties"]) parties += party.get<std::uint64_t>();
    EXPECT_EQ(functions, figure) << name;
    EXPECT_EQ(parties, figure) << name;
    EXPECT_EQ(profile["unattributed"], 0) << name;
  }
  ASSERT_FALSE(seen.empty());
  for (const auto& [kernel, names] : seen) {
    fmt::print("{}: {}\n", kernel, fmt::join(names, " "));
    EXPECT_GE(names.size(), tried.size() - 1) << kernel << ": xfs-reflink is of 6.0";
  }
}

// `faultline explain A B` of a cell that both have, as its functions.
json explained(const std::string& a, const std::string& b) {
  const CommandOutput output =
      faultline_command({"explain", a, b, "--cell", "*/written/*", "--json"});
  EXPECT_EQ(output.status, 0) << output.error;
  const json cells = json::parse(output.out).at("cells");
  EXPECT_EQ(cells.size(), 1U) << output.out;
  return cells.at(0).at("exact");
}

// By function; of those that differ.
std::map<std::string, double> changed(const json& exact) {
  std::map<std::string, double> functions;
  double sum = 0;
  for (const json& one : exact["functions"]) {
    sum += one["difference"].get<double>();
    if (one["difference"] != 0) functions[one["function"]] = one["difference"];
  }
  // 16 pages: every figure is a binary fraction.
  EXPECT_EQ(sum, exact["difference"].get<double>());
  return functions;
}

TEST(ObserverSum, APlantedFunctionIsFoundToTheInstruction) {
  for (const std::string& kernel : test_kernel_ids()) {
    SCOPED_TRACE(kernel);
    const Scratch scratch;
    for (const char* planted : {"", "+300", "+301"}) {
      run(scratch / (std::string("at") + planted),
          // So few that no clock tick comes, which now and then takes another way.
          {"--kernel", kernel + planted, "--fs", "ext4", "--strategy", "volatile", "--state",
           "written", "--touches", "16"});
    }
    const auto one_more = changed(explained(scratch / "at+300", scratch / "at+301"));
    ASSERT_EQ(one_more.size(), 1U) << json(one_more).dump();
    EXPECT_TRUE(one_more.begin()->first.starts_with("bpf_prog_")) << one_more.begin()->first;
    EXPECT_TRUE(one_more.begin()->first.ends_with("_delay_pte")) << one_more.begin()->first;
    EXPECT_EQ(one_more.begin()->second, 1);
    const auto all = changed(explained(scratch / "at", scratch / "at+300"));
    double sum = 0;
    std::string most;
    for (const auto& [name, difference] : all) {
      sum += difference;
      if (most.empty() || difference > all.at(most)) most = name;
    }
    EXPECT_EQ(most, one_more.begin()->first);
    EXPECT_EQ(sum, 300) << json(all).dump();
  }
}

}  // namespace
}  // namespace faultline
