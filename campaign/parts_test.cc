// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/parts.h"

#include <gtest/gtest.h>

#include <chrono>

#include "vm/files.h"

namespace faultline {
namespace {

namespace fs = std::filesystem;

class Parts : public testing::Test {
 protected:
  void add(const std::string& file) {
    make_dirs((root_ / file).parent_path());
    write_file(root_ / file, "", 0644);
  }
  void add_shared(const std::string& folder) {
    add(folder + "reports/faultline_report.py");
    add(folder + "kmod/faultline_ioctl.h");
    add(folder + "bpf/bt/fault.bt");
    add(folder + "observe/caches/cascadelake.toml");
  }

  TempDir dir_{fs::temp_directory_path(), "faultline-test-"};
  const fs::path root_ = fs::canonical(dir_.path());
};

TEST_F(Parts, OfABuildFolderLieBesideAndAbove) {
  add("tree/build/faultline-guest");
  add_shared("tree/");
  const CommandParts parts = find_parts(root_ / "tree/build");
  EXPECT_EQ(parts.guest_binary, root_ / "tree/build/faultline-guest");
  EXPECT_EQ(parts.image_binary, "");
  EXPECT_EQ(parts.reports, root_ / "tree/reports/faultline_report.py");
  EXPECT_EQ(parts.kmod, root_ / "tree/kmod");
  EXPECT_EQ(parts.bt, root_ / "tree/bpf/bt");
  EXPECT_EQ(parts.caches, root_ / "tree/observe/caches");
}

TEST_F(Parts, InstalledLieInLibAndShare) {
  add("usr/lib/faultline/faultline-guest");
  add("usr/lib/faultline/pinned/faultline-guest");
  add_shared("usr/share/faultline/");
  add_shared("usr/");  // somebody else's
  const CommandParts parts = find_parts(root_ / "usr/bin");
  EXPECT_EQ(parts.guest_binary, root_ / "usr/lib/faultline/faultline-guest");
  EXPECT_EQ(parts.image_binary, root_ / "usr/lib/faultline/pinned/faultline-guest");
  EXPECT_EQ(parts.reports, root_ / "usr/share/faultline/reports/faultline_report.py");
  EXPECT_EQ(parts.kmod, root_ / "usr/share/faultline/kmod");
  EXPECT_EQ(parts.bt, root_ / "usr/share/faultline/bpf/bt");
  EXPECT_EQ(parts.caches, root_ / "usr/share/faultline/observe/caches");
}

TEST_F(Parts, OfABuildFolderComeBeforeInstalledOnes) {
  add("tree/build/faultline-guest");
  add("tree/build/pinned/faultline-guest");
  add("tree/lib/faultline/faultline-guest");
  add_shared("tree/share/faultline/");
  const CommandParts parts = find_parts(root_ / "tree/build");
  EXPECT_EQ(parts.guest_binary, root_ / "tree/build/faultline-guest");
  EXPECT_EQ(parts.image_binary, root_ / "tree/build/pinned/faultline-guest");
  EXPECT_EQ(parts.reports, "");
}

TEST_F(Parts, OfABuildFolderLeaveOutAGuestOfFormerSources) {
  add("tree/build/faultline-guest");
  add("tree/build/pinned/faultline-guest");
  const fs::path pinned = root_ / "tree/build/pinned/faultline-guest";
  const auto now = fs::last_write_time(root_ / "tree/build/faultline-guest");
  fs::last_write_time(pinned, now);
  EXPECT_EQ(find_parts(root_ / "tree/build").image_binary, pinned);
  EXPECT_EQ(find_parts(root_ / "tree/build").passed_over, "");
  fs::last_write_time(pinned, now - std::chrono::seconds(1));
  const CommandParts parts = find_parts(root_ / "tree/build");
  EXPECT_EQ(parts.image_binary, "");
  EXPECT_EQ(parts.passed_over.find(pinned.string() + " is older than "), 0U) << parts.passed_over;
}

// One build's, whatever has copied them.
TEST_F(Parts, InstalledAreTakenHoweverOld) {
  add("usr/lib/faultline/faultline-guest");
  add("usr/lib/faultline/pinned/faultline-guest");
  const fs::path pinned = root_ / "usr/lib/faultline/pinned/faultline-guest";
  fs::last_write_time(pinned, fs::last_write_time(pinned) - std::chrono::hours(1));
  EXPECT_EQ(find_parts(root_ / "usr/bin").image_binary, pinned);
  EXPECT_EQ(find_parts(root_ / "usr/bin").passed_over, "");
}

TEST_F(Parts, ThatAreNotThereAreEmptyButTheGuest) {
  make_dirs(root_ / "bin");
  const CommandParts parts = find_parts(root_ / "bin");
  EXPECT_EQ(parts.guest_binary, root_ / "bin/faultline-guest");
  EXPECT_EQ(parts.reports, "");
  EXPECT_EQ(parts.kmod, "");
  EXPECT_EQ(parts.bt, "");
}

}  // namespace
}  // namespace faultline
