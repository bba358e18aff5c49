// SPDX-License-Identifier: GPL-2.0-only
#include "harness/superblock.h"

#include <gtest/gtest.h>

#include <string>

namespace faultline {
namespace {

using Names = std::set<std::string>;

std::string with(std::initializer_list<std::pair<std::size_t, std::string>> pieces) {
  std::string bytes(4096, '\0');
  for (const auto& [offset, piece] : pieces) bytes.replace(offset, piece.size(), piece);
  return bytes;
}

// The words are those that mke2fs 1.47.0 and mkfs.xfs 6.1.0 wrote, seen by xxd.
TEST(Superblock, OfExt4) {
  const std::string magic("\x53\xEF", 2);
  const std::string bytes = with({{1024 + 0x38, magic},
                                  {1024 + 0x5C, std::string("\x3C\x00\x00\x00", 4)},
                                  {1024 + 0x60, std::string("\xC2\x02\x00\x00", 4)},
                                  {1024 + 0x64, std::string("\x6B\x04\x00\x00", 4)}});
  EXPECT_EQ(ext4_features(bytes),
            (Names{"has_journal", "ext_attr", "resize_inode", "dir_index", "filetype", "extent",
                   "64bit", "flex_bg", "sparse_super", "large_file", "huge_file", "dir_nlink",
                   "extra_isize", "metadata_csum"}));
  EXPECT_EQ(ext4_features(
                with({{1024 + 0x38, magic}, {1024 + 0x5C, std::string("\x00\x14\x00\x40", 4)}})),
            (Names{"fast_commit", "orphan_file", "compat-0x40000000"}));
  EXPECT_EQ(ext4_features(std::string(4096, '\0')), Names{});
  EXPECT_EQ(ext4_features("short"), Names{});
}

TEST(Superblock, OfXfs) {
  const std::string bytes = with({{0, "XFSB"},
                                  {100, std::string("\xB5\xA5", 2)},
                                  {212, std::string("\x00\x00\x00\x09", 4)},
                                  {216, std::string("\x00\x00\x00\x0B", 4)}});
  EXPECT_EQ(xfs_features(bytes),
            (Names{"crc", "finobt", "inobtcount", "ftype", "sparse", "bigtime"}));
  EXPECT_EQ(xfs_features(with({{0, "XFSB"},
                               {100, std::string("\xB5\xA5", 2)},
                               {212, std::string("\x00\x00\x00\x06", 4)},
                               {216, std::string("\x00\x00\x04\x20", 4)}})),
            (Names{"crc", "rmapbt", "reflink", "nrext64", "incompat-0x400"}));
  EXPECT_EQ(xfs_features(std::string(4096, '\0')), Names{});
}

TEST(Superblock, OfWhatIsNone) {
  EXPECT_EQ(features_on("/nonexistent", "ext4"), Names{});
  EXPECT_EQ(features_on("/proc/self/exe", "ext4"), Names{});
  EXPECT_EQ(features_on("/proc/self/exe", "nova"), Names{});
}

}  // namespace
}  // namespace faultline
