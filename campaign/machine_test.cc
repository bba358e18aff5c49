// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/machine.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "cell/failure.h"
#include "vm/files.h"

namespace faultline {
namespace {

// Kernels that are names alone; "both" stands for two of them.
const KernelSource kNames = {
    .rows =
        [](const std::string& name) {
          if (name == "both") return std::vector<KernelRow>{{.id = "one"}, {.id = "two"}};
          return std::vector<KernelRow>{{.id = name}};
        },
    .fetch = [](const KernelRow& row) { return FetchedKernel{.id = row.id}; }};

std::string ids_of(const std::string& names, Planted planted = Planted::kRefuse) {
  std::string ids;
  for (const FetchedKernel& kernel : obtain_kernels(names, "", kNames, {}, planted)) {
    ids += fmt::format("{}{} {}", ids.empty() ? "" : ", ", kernel.id, kernel.delay);
  }
  return ids;
}

std::string complaint(const std::string& names, const std::string& modules = "") {
  try {
    obtain_kernels(names, modules, kNames, {});
  } catch (const Failure& failure) {
    EXPECT_EQ(failure.code(), ExitCode::kUsage);
    return failure.what();
  }
  return "";
}

TEST(ObtainKernels, GivesEachOnceInTheOrderNamed) {
  EXPECT_EQ(ids_of("two,both"), "two 0, one 0");
  EXPECT_EQ(ids_of("one,one+200,both+200", Planted::kTake), "one 0, one+200 200, two+200 200");
}

TEST(ObtainKernels, SaysWhatIsWrongWhereverKernelsComeFrom) {
  EXPECT_EQ(complaint("one+200"), "--kernel one+200: only `run` and `bisect` can plant a delay");
  EXPECT_EQ(complaint(","), "--kernel: names no kernel");
  EXPECT_EQ(complaint("one", "/lib/modules"),
            "--modules goes with --kernel PATH, the path of a bzImage");
  EXPECT_EQ(complaint("bookworm=/no/such"),
            "--kernel bookworm=/no/such: bookworm is another kernel's name; give another");
}

TEST(LackingFileSystems, AreNoneWhereAllIsBuiltIn) {
  EXPECT_EQ(lacking_file_systems({.id = "mine"}), std::set<std::string>{});
}

TEST(LackingFileSystems, AreThoseThatAreNeitherBuiltInNorAModule) {
  const TempDir dir(std::filesystem::temp_directory_path());
  make_dirs(dir.path() / "kernel");
  write_file(dir.path() / "modules.order", "");
  write_file(dir.path() / "modules.builtin", "kernel/fs/ext4/ext4.ko\n");
  const std::set<std::string> lacks = lacking_file_systems({.modules_dir = dir.path()});
  EXPECT_FALSE(lacks.contains("ext4"));
  EXPECT_TRUE(lacks.contains("xfs"));
  EXPECT_FALSE(lacks.contains("")) << "a row without a module lacks none";
}

}  // namespace
}  // namespace faultline
