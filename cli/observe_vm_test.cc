// SPDX-License-Identifier: GPL-2.0-only
// The observer on real guests: it changes no figure, and what it counts is the figure.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "campaign/testing.h"
#include "vm/command.h"
#include "vm/files.h"
#include "vm/packages/guest_qemu.h"

namespace faultline {
namespace {

using nlohmann::json;

json run(const std::vector<std::string>& more, const std::string& out) {
  std::vector<std::string> arguments = {"run", "--touches", "128",    "--out",
                                        out,   "--force",   "--quiet"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  const CommandOutput output = faultline_command(arguments);
  EXPECT_EQ(output.status, 0) << output.error;
  return read_rows(out + "/result.json");
}

// What the observer adds.
json plain(json row) {
  for (const char* field : {"path", "profile", "vector", "caches"}) row.erase(field);
  return row;
}

std::uint64_t figure_of(const json& row) {
  return static_cast<std::uint64_t>(
      std::llround(row["per_page"].get<double>() * row["pages"].get<double>()));
}

std::uint64_t sum_of(const json& functions) {
  std::uint64_t sum = 0;
  for (const json& one : functions) sum += one[1].get<std::uint64_t>();
  return sum;
}

const std::vector<std::string> kCells = {
    "--fs",    "ext4,xfs", "--strategy", "volatile,fsync:8,map_sync,pwrite:1",
    "--state", "hole",     "--seeds",    "1"};

TEST(Observer, ChangesNoFigureAndItsSumIsTheFigure) {
  const Scratch scratch;
  const json without = run(kCells, scratch / "without");
  std::vector<std::string> observed = kCells;
  observed.insert(observed.end(), {"--observe", "profile,vector"});
  const json with = run(observed, scratch / "with");
  ASSERT_EQ(without.size(), with.size());
  ASSERT_GE(with.size(), 16U);
  for (std::size_t i = 0; i < with.size(); ++i) {
    const json& row = with[i];
    const std::string name = row["name"];
    EXPECT_EQ(plain(row), plain(without[i])) << name;
    EXPECT_TRUE(without[i]["path"].is_null());
    if (row["probes"] != "off") {
      EXPECT_TRUE(row["path"].is_null()) << name << ": the twin is observed";
      continue;
    }
    const json& profile = row["profile"];
    EXPECT_EQ(profile["total"], figure_of(row)) << name;
    EXPECT_EQ(sum_of(profile["functions"]), figure_of(row)) << name;
    EXPECT_EQ(profile["unattributed"], 0) << name;
    EXPECT_LE(row["path"].get<double>(), row["per_page"].get<double>());
    EXPECT_GT(row["path"].get<double>(), row["per_page"].get<double>() * 0.9);
    EXPECT_GE(row["vector"]["bytes"].get<double>(), 4096) << name << ": the page is zeroed";
    EXPECT_EQ(static_cast<double>(sum_of(row["vector"]["writers"])),
              row["vector"]["bytes"].get<double>() * row["pages"].get<double>())
        << name << ": whoever writes";
  }
}

TEST(Observer, APartOfTheSeedsFromTheFirstOn) {
  const Scratch scratch;
  const json rows = run({"--fs", "ext4", "--strategy", "volatile", "--state", "hole", "--seeds",
                         "4..6", "--probes", "off", "--observe", "vector", "--observe-seeds", "2"},
                        scratch / "a");
  ASSERT_EQ(rows.size(), 3U);
  for (const json& row : rows) EXPECT_EQ(row["vector"].is_null(), row["seed"] == 6) << row["seed"];
  const CommandOutput refused =
      faultline_command({"run", "--observe-seeds", "2", "--out", scratch / "b"});
  EXPECT_EQ(refused.status, 2);
  EXPECT_NE(refused.error.find("--observe-seeds goes with --observe"), std::string::npos)
      << refused.error;
}

TEST(Observer, WhatAMapSyncFaultOnAHoleWrites) {
  const Scratch scratch;
  const json rows = run({"--fs", "ext4", "--strategy", "volatile,map_sync", "--state", "hole",
                         "--seeds", "1", "--probes", "off", "--observe", "vector"},
                        scratch / "a");
  ASSERT_EQ(rows.size(), 2U);
  const json& cheap = rows[0]["vector"];
  const json& dear = rows[1]["vector"];
  EXPECT_TRUE(rows[0]["profile"].is_null());
  // The page is zeroed past the caches, and 8 bytes are stored to it.
  EXPECT_EQ(cheap["bytes_nt"], 4096);
  EXPECT_EQ(cheap["bytes"], 4104);
  EXPECT_EQ(cheap["amplification"], 513);
  EXPECT_EQ(cheap["flushed"], 0);
  EXPECT_EQ(cheap["journal_bytes"], 0);
  EXPECT_EQ(cheap["exceptions"], 1);
  EXPECT_EQ(dear["flushed"], 1) << "the strategy's own";
  EXPECT_EQ(dear["exceptions"], 1);
  // Five blocks of the journal, and now and then its superblock.
  EXPECT_GE(dear["journal_bytes"], 5 * 4096);
  EXPECT_GT(dear["bytes"], 6 * 4096);
  EXPECT_LT(dear["bytes"], 6.5 * 4096);
}

TEST(Observer, WhatModelledCachesMakeOfAFault) {
  const Scratch scratch;
  const std::vector<std::string> cell = {"--fs", "ext4",    "--strategy", "volatile", "--state",
                                         "hole", "--seeds", "1",          "--probes", "off"};
  const auto observed = [&](const std::string& what, const std::vector<std::string>& more) {
    std::vector<std::string> arguments = cell;
    arguments.insert(arguments.end(), {"--observe", what});
    arguments.insert(arguments.end(), more.begin(), more.end());
    const json rows = run(arguments, scratch / "a");
    EXPECT_EQ(rows.size(), 1U);
    return rows[0];
  };
  const json plain_row = run(cell, scratch / "b")[0];
  const json row = observed("profile,vector,caches", {});
  EXPECT_EQ(plain(row), plain(plain_row));
  const json& caches = row["caches"];
  EXPECT_GT(caches["l1i_misses"], 0);
  EXPECT_GE(caches["l1d_misses"].get<double>() + caches["l1i_misses"].get<double>(),
            caches["l2_misses"].get<double>());
  EXPECT_GE(caches["l2_misses"], caches["llc_misses"]);
  EXPECT_EQ(caches["llc_misses"].get<double>(),
            caches["dram_reads"].get<double>() + caches["pmem_reads"].get<double>());
  // The page is zeroed past the caches, and the touch then reads its line.
  EXPECT_GE(caches["pmem_reads"], 1);
  EXPECT_LT(caches["pmem_reads"], 3);
  // The page's own, of user space; stores to CR3 forget others.
  EXPECT_GE(row["vector"]["tlb_refills"], 1);
  EXPECT_EQ(row["vector"]["tlb"], "1536 entries of 12 ways");
  // One does not hang on the other, and once more it is the same.
  const json alone = observed("caches", {});
  EXPECT_EQ(alone["caches"], caches);
  EXPECT_TRUE(alone["vector"].is_null());
  const json vector = observed("vector", {"--cache-geometry", "icelake"});
  EXPECT_TRUE(vector["caches"].is_null());
  EXPECT_TRUE(vector["vector"]["tlb_refills"].is_null()) << "its file has no TLB";
  const json small = observed("caches", {"--cache-geometry", "icelake"});
  EXPECT_LT(small["caches"]["l1d_misses"], caches["l1d_misses"]) << "48 KiB, not 32";
}

TEST(Observer, AProfileIsReadByCallgrindAnnotate) {
  const Scratch scratch;
  const CommandOutput output =
      faultline_command({"profile", "ext4/map_sync/first_touch/hole/pte/t1", "--touches", "128",
                         "--out", scratch / "p", "--json", "--quiet"});
  ASSERT_EQ(output.status, 0) << output.error;
  const json written = json::parse(output.out);
  ASSERT_EQ(written.size(), 1U);
  const std::string stem = written[0]["files"];
  const auto total =
      static_cast<std::uint64_t>(std::llround(written[0]["per_page"].get<double>() * 128));
  std::ifstream folded(stem + ".folded");
  std::uint64_t sum = 0;
  bool synced = false;
  for (std::string line; std::getline(folded, line);) {
    sum += std::stoull(line.substr(line.rfind(' ') + 1));
    synced = synced || line.starts_with("touch;asm_exc_page_fault;exc_page_fault;");
  }
  EXPECT_EQ(sum, total);
  EXPECT_TRUE(synced);
  EXPECT_TRUE(std::filesystem::exists(stem + ".svg"));
  EXPECT_TRUE(std::filesystem::exists(stem + ".pb.gz"));
  if (find_program("callgrind_annotate").empty()) GTEST_SKIP() << "no callgrind_annotate";
  const CommandOutput annotated =
      run_command({"callgrind_annotate", "--show-percs=no", "--show=Ir", stem + ".callgrind"});
  ASSERT_EQ(annotated.status, 0) << annotated.error;
  std::string digits;
  const std::size_t end = annotated.out.find("  PROGRAM TOTALS");
  ASSERT_NE(end, std::string::npos) << annotated.out.substr(0, 500);
  for (std::size_t at = annotated.out.rfind('\n', end) + 1; at < end; ++at) {
    if (annotated.out[at] != ',') digits.push_back(annotated.out[at]);
  }
  EXPECT_EQ(std::stoull(digits), total);
}

TEST(Observer, WhatCannotBeObservedIsSaidAndMeasured) {
  const Scratch scratch;
  const CommandOutput output = faultline_command(
      {"run",        "--fs",      "ext4",      "--strategy", "map_sync",    "--state",   "written",
       "--workload", "dos",       "--touches", "16",         "--attackers", "0",         "--probes",
       "off",        "--observe", "profile",   "--out",      scratch / "a", "--no-table"});
  ASSERT_EQ(output.status, 0) << output.error;
  EXPECT_NE(output.error.find("a contest has no measured loop"), std::string::npos) << output.error;
  const CommandOutput quiet =
      faultline_command({"profile", "ext4/map_sync/dos/written/pte/t1/utimens/a1/deterministic",
                         "--quiet", "--out", scratch / "p"});
  EXPECT_EQ(quiet.status, 2);
  EXPECT_NE(quiet.error.find("not observed: a contest has no measured loop"), std::string::npos)
      << quiet.error;
  const CommandOutput wrong =
      faultline_command({"run", "--observe", "everything", "--out", scratch / "b", "--no-table"});
  EXPECT_EQ(wrong.status, 2);
  EXPECT_NE(wrong.error.find("there are: profile, vector, caches"), std::string::npos)
      << wrong.error;
  const CommandOutput no_file = faultline_command(
      {"run", "--observe", "caches", "--cache-geometry", "none", "--out", scratch / "b"});
  EXPECT_EQ(no_file.status, 2);
  EXPECT_NE(no_file.error.find("there are: cascadelake, icelake"), std::string::npos)
      << no_file.error;
}

// A QEMU that refuses the observer, and one that dies with it: the plain figure is had all the
// same.
TEST(Observer, AnObserverThatFailsCostsNoFigure) {
  const Scratch scratch;
  const std::string program = scratch / "qemu";
  const std::string qemu = guest_qemu(cache_dir()).program.string();
  for (const auto& [then, said] :
       {std::pair("echo 'no plugins here' >&2; exit 1", "no plugins here"),
        std::pair("(sleep 0.1; kill -KILL $$) &", "is not observed: ")}) {
    write_file(program, fmt::format("#!/bin/sh\ncase \"$*\" in *-plugin*) {} ;; esac\n"
                                    "exec {} \"$@\"\n",
                                    then, qemu));
    std::filesystem::permissions(program, std::filesystem::perms::owner_all);
    const CommandOutput output =
        faultline_command({"run", "--fs", "ext4", "--strategy", "map_sync", "--state", "hole",
                           "--touches", "4096", "--probes", "off", "--seeds", "1", "--observe",
                           "profile", "--out", scratch / "a", "--force", "--no-table"},
                          {"env", "FAULTLINE_QEMU=" + program});
    EXPECT_EQ(output.status, 0) << output.error;
    EXPECT_NE(output.error.find(said), std::string::npos) << output.error;
    const json rows = read_rows(scratch / "a/result.json");
    ASSERT_EQ(rows.size(), 1U);
    EXPECT_EQ(rows[0]["status"], "ok") << rows[0]["reason"];
    EXPECT_GT(rows[0]["per_page"], 0);
    EXPECT_TRUE(rows[0].value("profile", json()).is_null());
  }
}

}  // namespace
}  // namespace faultline
