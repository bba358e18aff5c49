// SPDX-License-Identifier: GPL-2.0-only
#include "harness/filesystem.h"

#include <gtest/gtest.h>

#include <set>

#include "harness/subprocess.h"

namespace faultline {
namespace {

TEST(FileSystems, HaveNamesOfTheirOwn) {
  std::set<std::string> ids;
  for (const FileSystem& fs : file_systems()) {
    EXPECT_TRUE(ids.insert(fs.id).second) << fs.id;
    EXPECT_EQ(find_file_system(fs.id), &fs);
    EXPECT_STRNE(fs.summary, "") << fs.id;
  }
  EXPECT_EQ(find_file_system(""), nullptr);
  EXPECT_EQ(find_file_system("ext"), nullptr);
}

TEST(FileSystems, AreMadeByTheirTool) {
  for (const FileSystem& fs : file_systems()) {
    EXPECT_EQ(split_words(fs.mkfs).at(0), fs.tool) << fs.id;
    EXPECT_EQ(std::string(fs.tool), std::string("mkfs.") + fs.type) << fs.id;
    EXPECT_EQ(std::string(fs.mkfs).find("  "), std::string::npos) << fs.mkfs;
  }
}

TEST(FileSystems, AreCheckedByTheirTool) {
  for (const FileSystem& fs : file_systems()) {
    EXPECT_STREQ(fs.check, std::string(fs.type) == "xfs" ? "xfs_repair -n -f" : "e2fsck -f -n")
        << fs.id;
  }
}

TEST(FileSystems, AreMountedAsTheirRowSays) {
  for (const FileSystem& fs : file_systems()) {
    EXPECT_EQ(std::string(fs.options).find("dax") != std::string::npos, fs.dax) << fs.id;
    EXPECT_TRUE(fs.dax || !fs.by_default) << fs.id;
  }
}

TEST(FileSystems, HooksCanBeAttached) {
  const auto check = [](const Hooks& hooks, const std::string& where) {
    bool ended = false;
    std::set<std::string> functions;
    for (const Hook& hook : hooks) {
      if (hook.function == nullptr) {
        ended = true;
        EXPECT_EQ(hook.arguments, 0U) << where;
        continue;
      }
      EXPECT_FALSE(ended) << where << ": a gap before " << hook.function;
      EXPECT_TRUE(functions.insert(hook.function).second) << where << ": " << hook.function;
      EXPECT_GE(hook.arguments, 1U) << where << ": " << hook.function;
      EXPECT_LE(hook.arguments, 3U) << where << ": " << hook.function;
    }
    return functions.size();
  };
  for (const FileSystem& fs : file_systems()) {
    const std::string id = fs.id;
    EXPECT_GE(check(fs.fault, id + " fault"), 1U);
    EXPECT_EQ(fs.fast_commit, id == "ext4-fc") << id;
    EXPECT_EQ(fs.map != nullptr, fs.dax) << id;
    EXPECT_NE(fs.journal, Journal::kNone) << id;
  }
}

}  // namespace
}  // namespace faultline
