// SPDX-License-Identifier: GPL-2.0-only
// Planted delays and the search for them, with real guests.
#include <gtest/gtest.h>

#include <map>

#include "campaign/testing.h"
#include "vm/kernels.h"

namespace faultline {
namespace {

namespace fs = std::filesystem;

constexpr const char* kCell = "ext4/volatile/first_touch/written/pte/t1";

std::string test_kernel() { return test_kernel_ids().front(); }

TEST(PlantedDelay, CostsEachFaultWhatItsNameSaysWithProbesAndWithout) {
  const Scratch scratch;
  const std::string kernel = test_kernel();
  const CommandOutput output = faultline_command(
      {"run", "--out", scratch / "out", "--no-table", "--kernel",
       kernel + "," + kernel + "+200," + kernel + "+1207", "--fs", "ext4,xfs", "--strategy",
       "volatile", "--state", "written", "--touches", "4096", "--seeds", "1"});
  ASSERT_EQ(output.status, 0) << output.error;
  std::map<std::string, double> cost;
  for (const nlohmann::json& row : read_rows(scratch / "out/result.json")) {
    cost[row["name"].get<std::string>()] = row["per_page"].get<double>();
  }
  ASSERT_EQ(cost.size(), 12U);
  for (const char* cell : {"ext4/volatile/first_touch/written/pte/t1/off",
                           "ext4/volatile/first_touch/written/pte/t1/on",
                           "xfs/volatile/first_touch/written/pte/t1/off",
                           "xfs/volatile/first_touch/written/pte/t1/on"}) {
    // A clock tick more in the longer run has been 8.005 instr a touch of 2048, so 4 of these.
    EXPECT_NEAR(cost[kernel + "+200/" + cell] - cost[kernel + "/" + cell], 200, 8) << cell;
    EXPECT_NEAR(cost[kernel + "+1207/" + cell] - cost[kernel + "/" + cell], 1207, 16) << cell;
  }
  EXPECT_EQ(faultline_command({"table", scratch / "out"}).status, 0) << "the schema holds";
}

TEST(PlantedDelay, OfFewerThanItTakesAnywayIsRefused) {
  const Scratch scratch;
  const CommandOutput output = faultline_command(
      {"run", "--out", scratch / "out", "--no-table", "--kernel", "bookworm+5", "--fs", "ext4",
       "--strategy", "volatile", "--state", "written", "--touches", "16", "--seeds", "1"});
  EXPECT_NE(output.status, 0);
  EXPECT_NE(output.error.find("cannot be planted"), std::string::npos) << output.error;
}

std::vector<std::string> bisect_arguments(const std::vector<std::string>& more) {
  std::vector<std::string> arguments = {"bisect",  "--cell", kCell,       "--threshold", "8",
                                        "--seeds", "1",      "--touches", "256",         "--json"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

TEST(Bisect, FindsThePlantedChangeAndRemembersWhatItMeasured) {
  const Scratch scratch;
  const std::vector<std::string> arguments =
      bisect_arguments({"--kernels",
                        "bookworm,bookworm+150,bookworm+160,bookworm+170,bookworm+900,bookworm+910,"
                        "bookworm+920,bookworm+930",
                        "--out", scratch / "steps"});
  const CommandOutput output = faultline_command(arguments);
  ASSERT_EQ(output.status, 0) << output.error;
  const nlohmann::json found = nlohmann::json::parse(output.out);
  EXPECT_EQ(found["last_good"], "bookworm+170");
  EXPECT_EQ(found["first_bad"], "bookworm+900");
  EXPECT_LE(found["steps"], 5);
  EXPECT_EQ(found["series"][0]["status"], "good");
  EXPECT_EQ(found["series"][4]["status"], "bad");
  EXPECT_GT(found["series"][4]["percent"], 8);
  EXPECT_FALSE(found["series"][4]["remembered"]);

  const CommandOutput again = faultline_command(arguments);
  ASSERT_EQ(again.status, 0) << again.error;
  const nlohmann::json same = nlohmann::json::parse(again.out);
  EXPECT_EQ(same["first_bad"], "bookworm+900");
  EXPECT_EQ(same["series"][4]["figure"], found["series"][4]["figure"]);
  EXPECT_TRUE(same["series"][4]["remembered"]);

  // One that was interrupted in the midst of a step goes on with what it has measured of that.
  const fs::path step = scratch / "steps/bookworm+900/result.json";
  nlohmann::json half = read_json(step);
  half["context"]["complete"] = false;
  half["context"]["date"] = "2001-01-01T00:00:00+00:00";
  half["benchmarks"][0]["status"] = "incomplete";
  half["benchmarks"][0]["reason"] = "not run";
  write_file(step, half.dump());
  const CommandOutput on = faultline_command(arguments);
  ASSERT_EQ(on.status, 0) << on.error;
  const nlohmann::json gone_on = nlohmann::json::parse(on.out);
  EXPECT_EQ(gone_on["first_bad"], "bookworm+900");
  EXPECT_FALSE(gone_on["series"][4]["remembered"]);
  EXPECT_EQ(gone_on["series"][4]["figure"], found["series"][4]["figure"]);
  EXPECT_EQ(read_json(step)["context"]["date"], half["context"]["date"]);

  // Of another question nothing is remembered, and this one has no answer.
  const CommandOutput none = faultline_command(bisect_arguments(
      {"--kernels", "bookworm,bookworm+150", "--out", scratch / "steps", "--metric", "per_fault"}));
  EXPECT_EQ(none.status, 2);
  EXPECT_NE(none.error.find("nothing to bisect"), std::string::npos) << none.error;
}

// A kernel's files as its build would leave them in a tree.
void lay_out_tree(const fs::path& tree) {
  const FetchedKernel kernel = fetch_kernel(kernel_table().front(), cache_dir());
  make_dirs(tree / "arch" / "x86" / "boot");
  fs::copy_file(kernel.vmlinuz, tree / "arch" / "x86" / "boot" / "bzImage");
  fs::copy_file(kernel.config, tree / ".config");
  fs::copy_file(kernel.modules_dir / "modules.builtin", tree / "modules.builtin");
  std::string order;
  for (const auto& entry : fs::recursive_directory_iterator(kernel.modules_dir / "kernel")) {
    if (entry.path().extension() != ".ko") continue;
    const std::string file = entry.path().lexically_relative(kernel.modules_dir / "kernel");
    make_dirs((tree / file).parent_path());
    fs::create_symlink(entry.path(), tree / file);
    order += file.substr(0, file.size() - 3) + ".o\n";
  }
  write_file(tree / "modules.order", order);
}

TEST(Bisect, OfABuiltTreeIsAVerdictForGit) {
  const Scratch scratch;
  const fs::path tree = scratch / "tree";
  lay_out_tree(tree);
  const auto verdict = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = bisect_arguments({"--kernel-tree", tree.string()});
    arguments.insert(arguments.end(), more.begin(), more.end());
    return faultline_command(arguments);
  };
  const CommandOutput bad = verdict({"--good-figure", "100"});
  EXPECT_EQ(bad.status, 1) << bad.error;
  const nlohmann::json said = nlohmann::json::parse(bad.out);
  EXPECT_EQ(said["verdict"], "bad");
  // The same kernel's own result is a baseline that it is not above.
  ASSERT_EQ(faultline_command({"run", "--out", scratch / "good", "--no-table", "--fs", "ext4",
                               "--strategy", "volatile", "--state", "written", "--touches", "256",
                               "--seeds", "1", "--probes", "off"})
                .status,
            0);
  const CommandOutput good = verdict({"--baseline", scratch / "good/result.json"});
  EXPECT_EQ(good.status, 0) << good.error;
  EXPECT_EQ(nlohmann::json::parse(good.out)["verdict"], "good");

  // Whatever keeps it from an answer is 125: another code would call the commit bad.
  EXPECT_EQ(verdict({"--baseline", scratch / "no/result.json"}).status, 125);
  EXPECT_EQ(verdict({}).status, 125);
  fs::rename(tree / "fs/xfs/xfs.ko", tree / "fs/xfs/gone.ko");
  EXPECT_EQ(verdict({"--good-figure", "100"}).status, 125);
  fs::rename(tree / "fs/xfs/gone.ko", tree / "fs/xfs/xfs.ko");
  const fs::path bzimage = tree / "arch" / "x86" / "boot" / "bzImage";
  fs::resize_file(bzimage, 256 << 10);
  const CommandOutput broken = verdict({"--good-figure", "100", "--boot-deadline", "15"});
  EXPECT_EQ(broken.status, 125) << broken.error;
  fs::remove(bzimage);
  EXPECT_EQ(verdict({"--good-figure", "100"}).status, 125);
}

// A series of real packages, with the change planted in the later ones.
TEST(Bisect, OverPointReleases) {
  if (kernels_asked() == nullptr) {
    GTEST_SKIP() << "fetches kernels: set FAULTLINE_TEST_KERNELS to run it";
  }
  const Scratch scratch;
  std::vector<KernelRow> releases;
  for (KernelRow& row : kernels_named("6.1.*", cache_dir())) releases.push_back(std::move(row));
  ASSERT_GE(releases.size(), 4U);
  std::string series;
  for (size_t i = 0; i < releases.size(); ++i) {
    series += (i == 0 ? "" : ",") + releases[i].id + (i < 3 ? "" : "+900");
  }
  const CommandOutput output =
      faultline_command(bisect_arguments({"--kernels", series, "--out", scratch / "steps"}));
  ASSERT_EQ(output.status, 0) << output.error;
  EXPECT_EQ(nlohmann::json::parse(output.out)["first_bad"], releases[3].id + "+900");
}

}  // namespace
}  // namespace faultline
