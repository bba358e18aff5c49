// SPDX-License-Identifier: GPL-2.0-only
#include "harness/superblock.h"

#include <fmt/format.h>

#include <cstdint>
#include <fstream>
#include <span>

namespace faultline {
namespace {

struct Bit {
  std::uint32_t mask;
  const char* name;
};

// fs/ext4/ext4.h, EXT4_FEATURE_*; names are those of e2fsprogs (lib/e2p/feature.c).
constexpr Bit kExt4Compat[] = {{0x1, "dir_prealloc"},    {0x2, "imagic_inodes"},
                               {0x4, "has_journal"},     {0x8, "ext_attr"},
                               {0x10, "resize_inode"},   {0x20, "dir_index"},
                               {0x200, "sparse_super2"}, {0x400, "fast_commit"},
                               {0x800, "stable_inodes"}, {0x1000, "orphan_file"}};
constexpr Bit kExt4Incompat[] = {{0x2, "filetype"},
                                 {0x4, "needs_recovery"},
                                 {0x8, "journal_dev"},
                                 {0x10, "meta_bg"},
                                 {0x40, "extent"},
                                 {0x80, "64bit"},
                                 {0x100, "mmp"},
                                 {0x200, "flex_bg"},
                                 {0x400, "ea_inode"},
                                 {0x1000, "dirdata"},
                                 {0x2000, "metadata_csum_seed"},
                                 {0x4000, "large_dir"},
                                 {0x8000, "inline_data"},
                                 {0x10000, "encrypt"},
                                 {0x20000, "casefold"}};
constexpr Bit kExt4RoCompat[] = {
    {0x1, "sparse_super"}, {0x2, "large_file"}, {0x8, "huge_file"},
    {0x10, "uninit_bg"},   {0x20, "dir_nlink"}, {0x40, "extra_isize"},
    {0x100, "quota"},      {0x200, "bigalloc"}, {0x400, "metadata_csum"},
    {0x2000, "project"},   {0x8000, "verity"},  {0x10000, "orphan_present"}};
// fs/xfs/libxfs/xfs_format.h, XFS_SB_FEAT_*; names are those of xfs_info.
constexpr Bit kXfsRoCompat[] = {
    {0x1, "finobt"}, {0x2, "rmapbt"}, {0x4, "reflink"}, {0x8, "inobtcount"}};
constexpr Bit kXfsIncompat[] = {{0x1, "ftype"},     {0x2, "sparse"},       {0x4, "meta_uuid"},
                                {0x8, "bigtime"},   {0x10, "needsrepair"}, {0x20, "nrext64"},
                                {0x40, "exchange"}, {0x80, "parent"},      {0x100, "metadir"},
                                {0x200, "zoned"}};

void name_bits(std::uint32_t word, std::span<const Bit> bits, const char* kind,
               std::set<std::string>& names) {
  for (const Bit& bit : bits) {
    if ((word & bit.mask) != 0) names.insert(bit.name);
    word &= ~bit.mask;
  }
  for (std::uint32_t mask = 1; word != 0; mask <<= 1U) {
    if ((word & mask) != 0) names.insert(fmt::format("{}-{:#x}", kind, mask));
    word &= ~mask;
  }
}

// A little- or big-endian number of `size` bytes.
std::uint32_t number_at(const std::string& bytes, std::size_t offset, std::size_t size, bool big) {
  std::uint32_t number = 0;
  for (std::size_t i = 0; i < size; ++i) {
    const std::size_t at = offset + (big ? i : size - 1 - i);
    number = number << 8U | static_cast<unsigned char>(bytes.at(at));
  }
  return number;
}

constexpr std::size_t kLooked = 4096;

}  // namespace

std::set<std::string> ext4_features(const std::string& bytes) {
  // struct ext4_super_block lies 1024 bytes into the device.
  constexpr std::size_t kBegin = 1024;
  constexpr std::uint32_t kMagic = 0xEF53;
  std::set<std::string> names;
  if (bytes.size() < kLooked || number_at(bytes, kBegin + 0x38, 2, false) != kMagic) return names;
  name_bits(number_at(bytes, kBegin + 0x5C, 4, false), kExt4Compat, "compat", names);
  name_bits(number_at(bytes, kBegin + 0x60, 4, false), kExt4Incompat, "incompat", names);
  name_bits(number_at(bytes, kBegin + 0x64, 4, false), kExt4RoCompat, "ro_compat", names);
  return names;
}

std::set<std::string> xfs_features(const std::string& bytes) {
  // struct xfs_dsb: sb_versionnum at 100, sb_features_ro_compat and _incompat of version 5 at 212.
  constexpr std::uint32_t kVersion5 = 5;
  std::set<std::string> names;
  if (bytes.size() < kLooked || !bytes.starts_with("XFSB")) return names;
  if ((number_at(bytes, 100, 2, true) & 0xFU) < kVersion5) return names;
  names.insert("crc");
  name_bits(number_at(bytes, 212, 4, true), kXfsRoCompat, "ro_compat", names);
  name_bits(number_at(bytes, 216, 4, true), kXfsIncompat, "incompat", names);
  return names;
}

std::set<std::string> features_on(const std::string& device, const std::string& type) {
  std::ifstream in(device, std::ios::binary);
  std::string bytes(kLooked, '\0');
  if (!in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()))) return {};
  if (type == "xfs") return xfs_features(bytes);
  return type.starts_with("ext") ? ext4_features(bytes) : std::set<std::string>{};
}

}  // namespace faultline
