// SPDX-License-Identifier: GPL-2.0-only
#include "cell/file_system.h"

#include <gtest/gtest.h>

#include <set>

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
    const std::string mkfs = fs.mkfs;
    EXPECT_EQ(mkfs.substr(0, mkfs.find(' ')), fs.tool) << fs.id;
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
    // fs/ext2 sets no mmap_supported_flags.
    EXPECT_EQ(fs.map_sync, fs.dax && std::string(fs.type) != "ext2") << fs.id;
    const std::string id = fs.id;
    EXPECT_EQ(fs.by_default, id == "ext4" || id == "ext4-fc" || id == "xfs") << fs.id;
    EXPECT_STREQ(fs.module, fs.type) << fs.id;
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
    const bool none = id == "ext2" || id == "ext4-nojournal";
    EXPECT_EQ(fs.journal, none                    ? Journal::kNone
                          : id.starts_with("xfs") ? Journal::kXfsLog
                                                  : Journal::kJbd2)
        << id;
    // A journal of jbd2 is a feature of the superblock: without it a figure of "ext4" would be one
    // of another file system.
    EXPECT_EQ(std::string(fs.features).find("has_journal") != std::string::npos,
              fs.journal == Journal::kJbd2)
        << id;
  }
}

TEST(HostFileSystem, IsTheRowThatFits) {
  EXPECT_STREQ(host_file_system("ext4", true, false).id, "ext4");
  EXPECT_STREQ(host_file_system("ext4", true, true).id, "ext4-fc");
  EXPECT_STREQ(host_file_system("ext4", false, false).id, "ext4-nodax");
  EXPECT_STREQ(host_file_system("xfs", true, false).id, "xfs");
  EXPECT_STREQ(host_file_system("xfs", false, false).id, "xfs-nodax");
}

TEST(HostFileSystem, IsMadeUpWhereThereIsNoRow) {
  const FileSystem& fast = host_file_system("ext4", false, true);
  EXPECT_STREQ(fast.id, "ext4-fc-nodax");
  EXPECT_STREQ(fast.fault.front().function, "ext4_page_mkwrite") << "as without fast_commit";
  EXPECT_TRUE(fast.fast_commit);
  EXPECT_EQ(fast.journal, Journal::kJbd2);
  EXPECT_FALSE(fast.dax);
  EXPECT_FALSE(fast.map_sync);
  EXPECT_STREQ(fast.summary, "found on this machine");
  EXPECT_STREQ(fast.type, "ext4");
  const FileSystem& other = host_file_system("btrfs", false, false);
  EXPECT_STREQ(other.id, "btrfs-nodax");
  EXPECT_EQ(other.fault.front().function, nullptr) << "no probe is known";
  EXPECT_EQ(other.journal, Journal::kNone);
  const FileSystem& third = host_file_system("erofs", true, false);
  EXPECT_STREQ(third.id, "erofs");
  EXPECT_TRUE(third.dax);
  EXPECT_TRUE(third.map_sync);
  EXPECT_STREQ(other.id, "btrfs-nodax") << "still there";
  // As a row's schema has it, and for mount(2) as the kernel has it.
  const FileSystem& nova = host_file_system("NOVA", true, false);
  EXPECT_STREQ(nova.id, "nova");
  EXPECT_STREQ(nova.type, "NOVA");
  EXPECT_STREQ(host_file_system("fuse.My fs", false, false).id, "fuse.my-fs-nodax");
  EXPECT_STREQ(host_file_system("xfs", true, true).id, "xfs-fc");
  for (const FileSystem* made : {&fast, &other, &third}) {
    EXPECT_STREQ(made->mkfs, "") << made->id;
    EXPECT_STREQ(made->options, "") << made->id;
    EXPECT_STREQ(made->tool, "") << made->id;
    EXPECT_STREQ(made->module, "") << made->id;
    EXPECT_EQ(find_file_system(made->id), nullptr) << "in no table";
  }
}

}  // namespace
}  // namespace faultline
