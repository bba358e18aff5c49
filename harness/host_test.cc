// SPDX-License-Identifier: GPL-2.0-only
#include "harness/host.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "harness/testing.h"

namespace faultline {
namespace {

constexpr char kMountinfo[] =
    "22 27 0:21 / /proc rw,relatime - proc proc rw\n"
    "27 1 254:0 / / rw,relatime shared:1 master:2 - ext4 /dev/vda rw,discard,resuid=65534\n"
    "41 27 259:0 /sub /mnt/two\\040words rw,noatime - xfs /dev/pmem0 rw,attr2,dax=always\n"
    "garbage\n";

TEST(Mountinfo, IsFoundByItsId) {
  const auto root = find_mount(kMountinfo, 27);
  ASSERT_TRUE(root);
  EXPECT_EQ(root->where, "/");
  EXPECT_EQ(root->type, "ext4") << "behind two tags";
  EXPECT_EQ(root->source, "/dev/vda");
  EXPECT_EQ(root->device, "254:0");
  EXPECT_EQ(root->options, "rw,relatime,discard,resuid=65534");
  const auto pmem = find_mount(kMountinfo, 41);
  ASSERT_TRUE(pmem);
  EXPECT_EQ(pmem->where, "/mnt/two words");
  EXPECT_EQ(find_mount(kMountinfo, 22)->options, "rw,relatime");
  EXPECT_EQ(pmem->options, "rw,noatime,attr2,dax=always");
  EXPECT_FALSE(find_mount(kMountinfo, 2)) << "no prefix of an id";
  EXPECT_FALSE(find_mount(kMountinfo, 0));
}

Place place_on(bool dax, const char* map_sync) {
  Place place;
  place.mount = *find_mount(kMountinfo, 27);
  place.dax = dax;
  place.map_sync = map_sync;
  return place;
}

TEST(Refusal, SaysWhatIsThereAndWhatToDo) {
  EXPECT_EQ(refusal(place_on(false, "Operation not supported")),
            "not on DAX: files there go through the page cache (ext4 of /dev/vda on /; statx shows "
            "no STATX_ATTR_DAX, MAP_SYNC: Operation not supported); mount a pmem device with -o "
            "dax, or give --allow-page-cache to measure it so");
  EXPECT_EQ(refusal(place_on(true, "")), "");
}

TEST(HostPlace, IsWhatDecidesWhichCellsThereAre) {
  const HostPlace place = host_place(place_on(true, "Invalid argument"));
  EXPECT_EQ(place.where, "/");
  EXPECT_EQ(place.map_sync, "Invalid argument");
  EXPECT_EQ(place.module_loaded, access("/dev/faultline", F_OK) == 0);
}

TEST(Inspect, LeavesTheFolderAsItWas) {
  const TempFolder folder;
  const Place place = inspect(folder.path());
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  EXPECT_FALSE(place.mount.type.empty());
  ASSERT_NE(place.fs, nullptr);
  EXPECT_EQ(place.fs->dax, place.dax);
  EXPECT_TRUE(place.dax || !place.map_sync.empty()) << "MAP_SYNC is for DAX alone";
}

TEST(Inspect, OfWhatIsNoFolder) {
  const TempFolder folder;
  EXPECT_NE(
      message_of(ExitCode::kUsage, [&] { inspect(folder.path() + "/absent"); }).find("absent"),
      std::string::npos);
  std::ofstream(folder.path() + "/file") << "x";
  EXPECT_NE(message_of(ExitCode::kUsage, [&] { inspect(folder.path() + "/file"); })
                .find("Not a directory"),
            std::string::npos);
}

}  // namespace
}  // namespace faultline
