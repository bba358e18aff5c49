// SPDX-License-Identifier: GPL-2.0-only
// The command with bad input: what it says, and with which exit code. No VM.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include "campaign/progress.h"
#include "campaign/result.h"
#include "campaign/testing.h"
#include "cell/row.h"

namespace faultline {
namespace {

namespace fs = std::filesystem;

// One line on standard error that holds `words`, the exit code, and nothing left in the folder.
void expect_refused(const CommandOutput& output, int status, const std::string& words) {
  EXPECT_EQ(output.status, status) << output.error;
  EXPECT_NE(output.error.find(words), std::string::npos) << output.error;
  EXPECT_EQ(std::count(output.error.begin(), output.error.end(), '\n'), 1) << output.error;
}

struct BadName {
  const char* option;
  const char* value;
  const char* said;
};

void PrintTo(const BadName& bad, std::ostream* out) { *out << bad.option << ' ' << bad.value; }

class BadNames : public testing::TestWithParam<BadName> {};

TEST_P(BadNames, AreRefusedWithTheNearOnes) {
  const Scratch scratch;
  const BadName& bad = GetParam();
  const CommandOutput output =
      faultline_command({"run", bad.option, bad.value, "--out", scratch / "out"});
  expect_refused(output, 2, bad.said);
  EXPECT_FALSE(fs::exists(scratch / "out/result.json"));
}

INSTANTIATE_TEST_SUITE_P(
    Options, BadNames,
    testing::Values(BadName{"--fs", "ext5", "did you mean ext4"},
                    BadName{"--fs", "btrfs", "there is: ext4, ext4-fc, xfs"},
                    BadName{"--strategy", "mapsync", "did you mean map_sync"},
                    BadName{"--strategy", "fsync:0", "did you mean fsync:"},
                    BadName{"--workload", "first", "did you mean first_touch"},
                    BadName{"--workload", "selftest_*", "nothing is called"},
                    BadName{"--state", "writen", "did you mean written"},
                    BadName{"--order", "pud", "did you mean"},
                    BadName{"--threads", "3", "nothing is called '3'"},
                    BadName{"--probes", "maybe", "there is: off, on, phases, locks"},
                    BadName{"--accel", "tgc", "tcg"}, BadName{"--kernel", "bookwrm", "bookworm"},
                    BadName{"--kernel", "./no/such/bzImage", "no/such/bzImage"},
                    BadName{"--kernel", "bookworm=./bzImage", "bookworm is another kernel's name"},
                    BadName{"--kernel", "a+1=./bzImage", "cannot be a kernel's name"},
                    BadName{"--kernel", "mine=./no/bzImage", "no such kernel file: ./no/bzImage"},
                    BadName{"--kernel", ",", "--kernel"}, BadName{"--fs", ",", "--fs"},
                    BadName{"--touches", "99999999",
                            "--touches: '99999999' is not a whole number from 1 to 1048576"},
                    BadName{"--touches", "-5",
                            "--touches: '-5' is not a whole number from 1 to 1048576"},
                    BadName{"--touches", "0", "--touches: '0'"},
                    BadName{"--outlier", "-1", "--outlier: '-1' is not a number from 0 to 1000000"},
                    BadName{"--jobs", "-1", "--jobs: '-1' is not a whole number from 1 to "},
                    BadName{"--jobs", "1000000", "as guests of 512 MiB fit this machine's"},
                    BadName{"--pmem", "4294967808", "the MiB of memory that this machine has"},
                    BadName{"--repetitions", "0", "--repetitions: '0'"},
                    BadName{"--cell-deadline", "-3", "from 0.01 to 1000000"},
                    BadName{"--deadline", "nan", "--deadline: 'nan'"},
                    BadName{"--touch", "mmap", "--workload bystander takes it"},
                    BadName{"--dirty-inodes", "100", "--workload unrelated takes it"},
                    BadName{"--attackers", "4", "--workload dos takes it"},
                    BadName{"--shard", "1/-1", "is not I/N"},
                    BadName{"--shard", "-1/3", "is not I/N"}));

TEST(Run, APartOfTheSeedsIsNoMoreThanThereAre) {
  const auto planned = [](std::vector<std::string> options) {
    options.insert(options.begin(), {"run", "--fs", "ext4", "--strategy", "volatile", "--state",
                                     "hole", "--dry-run"});
    return faultline_command(options);
  };
  expect_refused(planned({"--seeds", "2", "--probe-seeds", "3"}), 2,
                 "--probe-seeds 3: of the seeds, and --seeds 2 names 2");
  expect_refused(planned({"--probe-seeds", "9"}), 2,
                 "--probe-seeds 9: of the seeds, and --seeds 5 names 5");
  expect_refused(planned({"--seeds", "4..6", "--observe", "vector", "--observe-seeds", "4"}), 2,
                 "--observe-seeds 4: of the seeds, and --seeds 4..6 names 3");
  EXPECT_EQ(planned({"--seeds", "2", "--probe-seeds", "2"}).status, 0);
  EXPECT_EQ(planned({"--seeds", "4..6", "--observe", "vector", "--observe-seeds", "3"}).status, 0);
  expect_refused(planned({"--accel", "tcg", "--probe-seeds", "9"}), 2,
                 "--probe-seeds: of virtual time only");
}

TEST(CrashTest, RefusesWhatItCannotDo) {
  const Scratch scratch;
  const auto refused = [&](std::vector<std::string> arguments, const std::string& said) {
    arguments.insert(arguments.begin(), "crashtest");
    arguments.insert(arguments.end(), {"--out", scratch / "out"});
    expect_refused(faultline_command(arguments), 2, said);
  };
  refused({"--strategy", "mapsync"}, "did you mean map_sync");
  refused({"--fs", "ext5"}, "did you mean ext4");
  refused({"--kernel", "bookwrm"}, "bookworm");
  for (const char* wrapped : {"-4", "0", "100001", "18446744073709551612"}) {
    refused({"--points", wrapped},
            fmt::format("--points: '{}' is not a whole number from 1 to 100000", wrapped));
  }
  refused({"--pages", "-1"}, "--pages: '-1' is not a whole number from 1 to 32768");
  refused({"--rounds", "4294967297"}, "--rounds: '4294967297' is not a whole number from 1 to 100");
  refused({"--seed", "-1"}, "--seed: '-1'");
  refused({"--point", "-1"}, "--point: '-1'");
  refused({"--points", "5", "--point", "5"}, "with --points 5 they are 0 to 4");
  EXPECT_FALSE(fs::exists(scratch / "out/crashtest.json"));
  write_file(scratch / "out/crashtest.json", "{}");
  refused({}, "holds another crashtest.json; give another --out, or --force");
}

TEST(Submit, PrintsAScriptThatAShellTakes) {
  const Scratch scratch;
  const CommandOutput script =
      faultline_command({"submit", "--fs", "ext4", "--strategy", "map_*", "--samples", "--tasks",
                         "3", "--partition", "short", "--sbatch=--time=30", "--sbatch", "--mem=2G",
                         "--cpus", "2", "--out", scratch / "it's out", "--print"});
  ASSERT_EQ(script.status, 0) << script.error;
  EXPECT_NE(script.out.find("selection=(--fs ext4 --strategy 'map_*' --samples)\n"),
            std::string::npos)
      << script.out;
  EXPECT_NE(script.out.find("#SBATCH --array=\"1-4\"\n"), std::string::npos) << script.out;
  EXPECT_NE(script.out.find("#SBATCH --partition=\"short\"\n#SBATCH --time=\"30\"\n"
                            "#SBATCH --mem=\"2G\"\n"),
            std::string::npos)
      << script.out;
  write_file(scratch / "job.sh", script.out);
  EXPECT_EQ(run_command({"bash", "-n", scratch / "job.sh"}).status, 0);
  EXPECT_FALSE(fs::exists(scratch / "it's out"));
}

TEST(Submit, RefusesWhatItCannotDo) {
  const Scratch scratch;
  const auto refused = [&](std::vector<std::string> arguments, const std::string& said) {
    arguments.insert(arguments.begin(), "submit");
    expect_refused(faultline_command(arguments, {"env", "PATH=" + scratch / "bin"}), 2, said);
  };
  refused({"--fs", "ext4", "--out", scratch / "out"},
          "sbatch is not installed; install package slurm-client");
  EXPECT_FALSE(fs::exists(scratch / "out"));
  refused({"--fs", "ext5", "--print"}, "did you mean ext4");
  refused({"--shard", "1/2"}, "submit: no option --shard");
  refused({"--accel", "kvm"}, "submit: no option --accel");
  refused({"--tasks", "1001"}, "--tasks: '1001' is not a whole number from 1 to 1000");
  refused({"--sbatch=--comment=a\nb", "--print"}, "--comment: sbatch takes neither a line's end");
  refused({"--follow", scratch / "out"}, "holds no submit.json");
  refused({"--follow", scratch / "out", "--fs", "ext4"}, "--fs: --follow takes what was submitted");
  fs::create_directories(scratch / "out");
  fs::create_directories(scratch / "bin");
  write_file(scratch / "out/submit.json", "[]");
  refused({"--follow", scratch / "out"}, "holds no submit.json");
  write_file(scratch / "bin/sbatch", "", 0755);
  refused({"--out", scratch / "out"}, "holds another submit.json; give another --out");
}

TEST(FsRow, EachVerbThatNamesFileSystemsTakesOne) {
  const Scratch scratch;
  write_file(scratch / "nova.json", R"({"id": "nova", "type": "NOVA", "options": "init"})");
  const CommandOutput list =
      faultline_command({"list", "--fs-row", scratch / "nova.json", "--json"});
  ASSERT_EQ(list.status, 0) << list.error;
  const nlohmann::json tables = nlohmann::json::parse(list.out, nullptr, false);
  EXPECT_EQ(tables["fs"].back()["id"], "nova");
  EXPECT_EQ(tables["fs"].back()["default"], false);
  // Its name is known: what is wrong is another.
  for (const std::string verb : {"run", "crashtest", "perf", "probes", "shell", "order"}) {
    std::vector<std::string> arguments = {verb, "--fs-row", scratch / "nova.json", "--fs", "novq"};
    if (verb != "probes" && verb != "order") {
      arguments.insert(arguments.end(), {"--out", scratch / "out"});
    }
    expect_refused(faultline_command(arguments), 2, "did you mean nova?");
  }
  for (const char* verb : {"run", "crashtest", "perf", "probes", "shell", "order", "list"}) {
    expect_refused(faultline_command({verb, "--fs-row", scratch / "none.json"}), 2,
                   "none.json: no such file");
  }
  expect_refused(faultline_command({"run", "--fs-row", scratch / "nova.json", "--on", "host",
                                    "--dir", scratch / "x"}),
                 2, "--fs-row: of a VM only");
}

TEST(Bisect, AWrongQuestionIsUsageButNeverABadCommit) {
  const Scratch scratch;
  const std::vector<std::string> cell = {"--cell", "ext4/volatile/first_touch/written/pte/t1"};
  const auto status = [&](std::vector<std::string> more) {
    more.insert(more.begin(), "bisect");
    return faultline_command(more).status;
  };
  EXPECT_EQ(status({"--cell", "ext4", "--threshold", "5", "--kernels", "6.1,6.12"}), 2);
  EXPECT_EQ(status({cell[0], cell[1], "--threshold", "0", "--kernels", "6.1,6.12"}), 2);
  EXPECT_EQ(status({cell[0], cell[1], "--threshold", "5", "--kernels", "6.1"}), 2);
  EXPECT_EQ(status({cell[0], cell[1], "--threshold", "5", "--kernels", "6.1,6.12", "--good", "7"}),
            2);
  EXPECT_EQ(status({cell[0], cell[1], "--threshold", "5", "--good", "6.1"}), 2);
  EXPECT_EQ(status({cell[0], cell[1], "--threshold", "-5", "--kernels", "6.1,6.12"}), 2);
  EXPECT_EQ(
      status({cell[0], cell[1], "--threshold", "5", "--kernels", "6.1,6.12", "--good-figure", "7"}),
      2);
  const std::string tree = scratch / "tree";
  EXPECT_EQ(
      status({"--kernel-tree", tree, cell[0], cell[1], "--threshold", "5", "--good-figure", "1"}),
      125);
  EXPECT_EQ(status({"--kernel-tree", tree, "--no-such-option"}), 125);
  EXPECT_EQ(status({"--kernel-tree=" + tree, cell[0], cell[1]}), 125);
}

// One median over two kernels would call commits good that are not.
TEST(Bisect, ABaselineOfSeveralKernelsWantsOneNamed) {
  const Scratch scratch;
  nlohmann::json rows = nlohmann::json::array();
  for (const char* kernel : {"bookworm", "7.3"}) {
    Row row = empty_row({.kernel = kernel,
                         .fs = "ext4",
                         .strategy = "volatile",
                         .workload = "first_touch",
                         .state = State::kWritten},
                        kStatusOk, "");
    row.per_page = 5000;
    rows.push_back(json_of(row));
  }
  // Beside it lies another result, which was not named.
  write_file(scratch / "both.json",
             nlohmann::json({{"context", nlohmann::json::object()}, {"benchmarks", rows}}).dump());
  write_file(scratch / "result.json", R"({"context": {}, "benchmarks": []})");
  const auto said = [&](const std::string& cell) {
    const CommandOutput output =
        faultline_command({"bisect", "--kernel-tree", scratch / "tree", "--threshold", "5",
                           "--baseline", scratch / "both.json", "--cell", cell});
    EXPECT_EQ(output.status, 125);
    return output.error;
  };
  const std::string cell = "ext4/volatile/first_touch/written/pte/t1";
  EXPECT_NE(said(cell).find("on several kernels, 7.3 and bookworm among them: --cell names one"),
            std::string::npos)
      << said(cell);
  // With one, it is the tree that is missing.
  EXPECT_NE(said("7.3/" + cell).find("build the kernel first"), std::string::npos);
  EXPECT_NE(said("6.1/" + cell).find("no row of 6.1/" + cell), std::string::npos);
}

// What follows `--` is the command's, its options too, whatever stands before.
TEST(Shell, AListOfFilesEndsBeforeTheCommand) {
  const Scratch scratch;
  write_file(scratch / "my.bt", "BEGIN { exit() }");
  const auto refused = [&](std::vector<std::string> in) {
    std::vector<std::string> arguments = {"shell", "--fs", "ext5"};
    arguments.insert(arguments.end(), in.begin(), in.end());
    arguments.insert(arguments.end(), {"--", "bpftrace", "/in/my.bt", "-c", "faultline-cell"});
    expect_refused(faultline_command(arguments, {"env", "FAULTLINE_CACHE=" + scratch / "cache"}), 2,
                   "--fs: nothing is called 'ext5'");
  };
  refused({"--in", scratch / "my.bt"});
  refused({"--in=" + scratch / "my.bt"});
  refused({"--in", scratch / "my.bt", "--in", scratch / "my.bt"});
  refused({});
}

TEST(Run, AFileThatTheDeviceDoesNotHoldIsRefusedBeforeABoot) {
  const Scratch scratch;
  expect_refused(faultline_command({"perf", "--touches", "262144", "--out", scratch / "out"},
                                   {"env", "FAULTLINE_CACHE=" + scratch / "cache"}),
                 2, "need 1174 MiB of pmem");
}

TEST(Command, WithoutAVerbOrWithAnUnknownOneIsUsage) {
  const CommandOutput none = faultline_command({});
  EXPECT_EQ(none.status, 2);
  EXPECT_EQ(none.out, "");
  EXPECT_NE(none.error.find("bisect"), std::string::npos) << none.error;
  expect_refused(faultline_command({"rum"}), 2, "verb: nothing is called 'rum'; did you mean run");
  expect_refused(faultline_command({"help", "rum"}), 2, "did you mean run");
}

TEST(Command, AnUnknownOptionIsNamedWithTheNearOnes) {
  expect_refused(faultline_command({"run", "--stat=hole", "--fs", "ext4"}), 2,
                 "run: no option --stat; did you mean --state");
  expect_refused(faultline_command({"shell", "--json", "--", "true"}), 2,
                 "shell: no option --json; `faultline shell --help` says more");
  expect_refused(faultline_command({"kernels", "list", "--releses"}), 2,
                 "kernels list: no option --releses; did you mean --releases");
  EXPECT_EQ(faultline_command({"run", "ext4"}).status, 2);
}

// Words that are verbs themselves reach the verb before them as its own.
TEST(Command, VerbsOfReportsTakeAllWordsAfterThem) {
  const Scratch scratch;
  const std::vector<std::string> own = {"env", "FAULTLINE_CACHE=" + scratch / "cache"};
  const CommandOutput list = faultline_command({"baseline", "list", "--json"}, own);
  EXPECT_EQ(list.status, 0) << list.error;
  EXPECT_EQ(list.out, "[]\n");
  expect_refused(faultline_command({"baseline", "show", "table"}, own), 2,
                 "no baseline 'table', nor a file of that name; there are: none");
  expect_refused(faultline_command({"gate", "--baseline", "run", "out"}, own), 2, "no baseline");
  expect_refused(faultline_command({"history", "list"}, own), 2, "no history there");
}

TEST(Command, ModuleOfAnUnknownKernelNamesTheNearOnes) {
  expect_refused(faultline_command({"kernels", "module", "bookwrm"}), 2, "did you mean bookworm");
}

TEST(Command, ModuleStrategiesAreMarkedInTheTables) {
  const nlohmann::json tables =
      nlohmann::json::parse(faultline_command({"list", "--json"}).out, nullptr, false);
  size_t of_module = 0;
  for (const nlohmann::json& strategy : tables["strategy"]) {
    ASSERT_TRUE(strategy["module"].is_boolean()) << strategy;
    of_module += strategy["module"].get<bool>() ? 1 : 0;
    if (strategy["id"] == "volatile" || strategy["id"] == "map_sync") {
      EXPECT_FALSE(strategy["module"]);
    }
  }
  EXPECT_GT(of_module, 0U);
}

TEST(Command, ListsEveryTableAsJson) {
  const CommandOutput output = faultline_command({"list", "--json"});
  ASSERT_EQ(output.status, 0);
  const nlohmann::json tables = nlohmann::json::parse(output.out);
  for (const char* table :
       {"kernel", "fs", "strategy", "workload", "state", "order", "accel", "probe"}) {
    ASSERT_TRUE(tables.contains(table)) << table;
    EXPECT_FALSE(tables[table].empty()) << table;
    for (const nlohmann::json& row : tables[table]) EXPECT_TRUE(row.contains("id"));
  }
  EXPECT_FALSE(tables.contains("selftest"));
}

TEST(Command, KernelsAreListedWithoutTheNetwork) {
  const Scratch scratch;
  const CommandOutput output = faultline_command({"kernels", "list", "--json"},
                                                 {"env", "FAULTLINE_CACHE=" + scratch / "cache"});
  ASSERT_EQ(output.status, 0) << output.error;
  const nlohmann::json rows = nlohmann::json::parse(output.out);
  EXPECT_EQ(rows.at(0).at("id"), "bookworm");
  for (const nlohmann::json& row : rows) EXPECT_EQ(row.at("fetched"), false);
}

TEST(Run, OptionsWithoutEffectAreRefused) {
  const Scratch scratch;
  const auto refused = [&](std::vector<std::string> arguments, const std::string& said) {
    arguments.insert(arguments.begin(), "run");
    arguments.insert(arguments.end(), {"--out", scratch / "out"});
    expect_refused(faultline_command(arguments), 2, said);
  };
  refused({"--samples", "--probes", "off"}, "--samples: of cells with probes");
  refused({"--vary", "pages", "--repetitions", "3", "--accel", "tcg"},
          "--vary: of virtual time only");
  EXPECT_FALSE(fs::exists(scratch / "out/result.json"));
}

TEST(Run, AFileThatIsNoKernel) {
  const Scratch scratch;
  write_file(scratch / "bzImage", std::string(4096, 'x'));
  expect_refused(faultline_command({"run", "--kernel", scratch / "bzImage", "--modules",
                                    scratch / "", "--out", scratch / "out"}),
                 2, "bzImage");
}

// A kernel as far as its header goes, with a configuration beside it.
std::string kernel_with(const Scratch& scratch, const std::string& config) {
  std::string bytes(0x4000, '\0');
  bytes.replace(0x1fe, 2, "\x55\xaa");
  bytes.replace(0x202, 4, "HdrS");
  bytes[0x20f] = '\x30';
  bytes.replace(0x3200, 13, "6.9.0 (me) #1");
  write_file(scratch / "bzImage", bytes);
  write_file(scratch / "config-6.9.0", config);
  return scratch / "bzImage";
}

TEST(Kernels, CheckNamesWhatIsMissing) {
  const Scratch scratch;
  const std::string kernel = kernel_with(scratch, "CONFIG_X86_64=y\nCONFIG_KASAN=y\n");
  const CommandOutput output = faultline_command({"kernels", "check", kernel, "--json"});
  EXPECT_EQ(output.status, 2) << output.error;
  const nlohmann::json found = nlohmann::json::parse(output.out);
  EXPECT_EQ(found.at("release"), "6.9.0");
  EXPECT_EQ(found.at("config"), scratch / "config-6.9.0");
  const auto of = [&](const std::string& option) {
    for (const nlohmann::json& row : found.at("options")) {
      if (row.at("option") == option) {
        return row.at("need").get<std::string>() + " " + row.at("found").get<std::string>();
      }
    }
    return std::string();
  };
  EXPECT_EQ(of("CONFIG_X86_64"), "");
  EXPECT_EQ(of("CONFIG_X86_IOPL_IOPERM"), "needed not set");
  EXPECT_EQ(of("CONFIG_XFS_FS"), "wanted not set");
  EXPECT_EQ(of("CONFIG_KASAN"), "path y");
  const auto lines = found.at("fragment").get<std::vector<std::string>>();
  EXPECT_NE(std::find(lines.begin(), lines.end(), "CONFIG_X86_IOPL_IOPERM=y"), lines.end());

  const CommandOutput text = faultline_command({"kernels", "check", kernel});
  EXPECT_EQ(text.status, 2) << text.error;
  EXPECT_NE(text.out.find("\nCONFIG_X86_IOPL_IOPERM=y\n"), std::string::npos) << text.out;
  // A configuration that nothing was built with yet, and a kernel without any.
  EXPECT_EQ(faultline_command({"kernels", "check", scratch / "config-6.9.0"}).status, 2);
  fs::create_directory(scratch / "linux");
  fs::copy_file(scratch / "config-6.9.0", scratch / "linux/.config");
  const CommandOutput tree = faultline_command({"kernels", "check", scratch / "linux"});
  EXPECT_EQ(tree.status, 2) << tree.error;
  EXPECT_NE(tree.out.find("its configuration: " + (scratch / "linux/.config") + "\n"),
            std::string::npos)
      << tree.out;
  // With a kernel in it the kernel is checked, by that configuration.
  fs::rename(kernel, scratch / "linux/vmlinuz");
  const CommandOutput built = faultline_command({"kernels", "check", scratch / "linux", "--json"});
  EXPECT_EQ(nlohmann::json::parse(built.out).at("release"), "6.9.0") << built.error;
  fs::rename(scratch / "linux/vmlinuz", kernel);
  fs::remove(scratch / "config-6.9.0");
  expect_refused(faultline_command({"kernels", "check", kernel}), 77, "no configuration is found");
}

TEST(Run, AKernelThatLacksWhatIsNeededIsRefusedBeforeABoot) {
  const Scratch scratch;
  const std::string kernel = kernel_with(scratch, "CONFIG_X86_64=y\n");
  expect_refused(faultline_command({"run", "--kernel", kernel, "--out", scratch / "out"}), 2,
                 "no guest runs without CONFIG_BLK_DEV_INITRD, ");
  EXPECT_FALSE(fs::exists(scratch / "out/result.json"));
}

TEST(Run, ADryRunCountsAndWritesNothing) {
  const Scratch scratch;
  const CommandOutput output = faultline_command(
      {"run", "--dry-run", "--json", "--fs", "ext4", "--strategy", "volatile,prealloc", "--state",
       "hole,written", "--seeds", "2", "--jobs", "2", "--out", scratch / "out"});
  EXPECT_EQ(output.status, 0) << output.error;
  const nlohmann::json plan = nlohmann::json::parse(output.out);
  EXPECT_EQ(plan.at("cells"), 3);
  EXPECT_EQ(plan.at("lives"), 12);  // two seeds, each with its twin
  EXPECT_EQ(plan.at("boots"), 1);
  EXPECT_DOUBLE_EQ(plan.at("seconds").get<double>(), 7);  // half a second each, and a boot
  ASSERT_EQ(plan.at("skipped").size(), 1U);
  EXPECT_EQ(plan["skipped"][0]["cells"], 1);
  EXPECT_EQ(plan["skipped"][0]["reason"],
            "prealloc writes every block beforehand: there is no hole state");
  EXPECT_FALSE(fs::exists(scratch / "out"));
  EXPECT_EQ(faultline_command(
                {"run", "--dry-run", "--fs", "ext4", "--strategy", "prealloc", "--state", "hole"})
                .status,
            77);
  expect_refused(faultline_command({"run", "--dry-run", "--kernel", "releases"}), 2,
                 "--dry-run fetches nothing");
}

TEST(Run, ModulesGoWithAPath) {
  const Scratch scratch;
  expect_refused(faultline_command({"run", "--modules", "/tmp", "--out", scratch / "out"}), 2,
                 "--modules goes with --kernel PATH");
}

TEST(Usage, IsSaidInOneLineWithTheVerbsHelp) {
  expect_refused(faultline_command({"bisect"}), 2,
                 "faultline: --cell is required; `faultline bisect --help` says more");
  const Scratch scratch;
  expect_refused(faultline_command({"run", "--repetitions", "3", "--out", scratch / "out"}), 2,
                 "in virtual time each would be identical to the first");
}

TEST(Run, ASelectionOfImpossibleCellsIsSkippedWithReasons) {
  const Scratch scratch;
  const CommandOutput output =
      faultline_command({"run", "--strategy", "prealloc", "--state", "hole", "--fs", "ext4",
                         "--out", scratch / "out"});
  EXPECT_EQ(output.status, 77) << output.error;
  const nlohmann::json result = read_json(scratch / "out/result.json");
  ASSERT_EQ(result.at("benchmarks").size(), 2U);
  EXPECT_EQ(result["benchmarks"][0]["status"], "skipped");
  EXPECT_EQ(result["benchmarks"][0]["reason"],
            "prealloc writes every block beforehand: there is no hole state");
  EXPECT_NE(output.out.find("prealloc writes every block"), std::string::npos) << output.out;
}

TEST(Run, DoesNotReplaceAnotherRunsResult) {
  const Scratch scratch;
  make_dirs(scratch / "out");
  write_file(scratch / "out/result.json", "precious");
  expect_refused(faultline_command({"run", "--out", scratch / "out"}), 2, "--force");
  EXPECT_EQ(read_file(scratch / "out/result.json"), "precious");
}

TEST(Run, AnOutputThatIsAFile) {
  const Scratch scratch;
  write_file(scratch / "out", "a file");
  expect_refused(faultline_command({"run", "--out", scratch / "out"}), 2, "out");
}

// A file system of a few pages, full. `use` gets its folder.
template <typename Use>
void with_full_disk(const Scratch& scratch, Use use) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to mount a tmpfs";
  const std::string place = scratch / "full";
  make_dirs(place);
  ASSERT_EQ(mount("none", place.c_str(), "tmpfs", 0, "size=64k"), 0);
  use(place);
  umount(place.c_str());
}

TEST(Run, NoSpaceInTheOutput) {
  const Scratch scratch;
  with_full_disk(scratch, [&](const std::string& place) {
    // 2 x 180 rows are more than 64 KiB.
    const CommandOutput output =
        faultline_command({"run", "--strategy", "prealloc", "--state", "hole,unwritten",
                           "--threads", "1,2,4", "--order", "pte,pmd", "--fs", "*", "--workload",
                           "first_touch,random_touch,paced", "--out", place});
    EXPECT_EQ(output.status, 69) << output.error;
    EXPECT_NE(output.error.find("No space left"), std::string::npos) << output.error;
    EXPECT_TRUE(fs::is_empty(place));
  });
}

TEST(Run, NoSpaceInTheCache) {
  const Scratch scratch;
  with_full_disk(scratch, [&](const std::string& place) {
    const CommandOutput output =
        faultline_command({"run", "--out", scratch / "out"}, {"env", "FAULTLINE_CACHE=" + place});
    EXPECT_NE(output.status, 0);
    EXPECT_NE(output.error.find("space"), std::string::npos) << output.error;
  });
}

TEST(Reports, RefuseWhatIsNoResult) {
  const Scratch scratch;
  make_dirs(scratch / "garbage");
  make_dirs(scratch / "empty");
  write_file(scratch / "garbage/result.json", "{\"context\": {");
  make_dirs(scratch / "newer");
  write_file(scratch / "newer/result.json",
             R"({"context": {"schema_version": 99}, "benchmarks": []})");
  for (const char* verb : {"table", "check"}) {
    for (const char* place : {"garbage", "empty", "newer", "absent"}) {
      const CommandOutput output = faultline_command({verb, scratch / place});
      expect_refused(output, 2, place);
      EXPECT_EQ(output.error.find("Traceback"), std::string::npos);
    }
  }
}

TEST(Progress, ClockText) {
  EXPECT_EQ(clock_text(0), "0:00");
  EXPECT_EQ(clock_text(59.6), "1:00");
  EXPECT_EQ(clock_text(3725), "1:02:05");
}

}  // namespace
}  // namespace faultline
