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
constexpr Bit kExt4Compat[] = {
    {.mask = 0x1, .name = "dir_prealloc"},    {.mask = 0x2, .name = "imagic_inodes"},
    {.mask = 0x4, .name = "has_journal"},     {.mask = 0x8, .name = "ext_attr"},
    {.mask = 0x10, .name = "resize_inode"},   {.mask = 0x20, .name = "dir_index"},
    {.mask = 0x200, .name = "sparse_super2"}, {.mask = 0x400, .name = "fast_commit"},
    {.mask = 0x800, .name = "stable_inodes"}, {.mask = 0x1000, .name = "orphan_file"}};
constexpr Bit kExt4Incompat[] = {{.mask = 0x2, .name = "filetype"},
                                 {.mask = 0x4, .name = "needs_recovery"},
                                 {.mask = 0x8, .name = "journal_dev"},
                                 {.mask = 0x10, .name = "meta_bg"},
                                 {.mask = 0x40, .name = "extent"},
                                 {.mask = 0x80, .name = "64bit"},
                                 {.mask = 0x100, .name = "mmp"},
                                 {.mask = 0x200, .name = "flex_bg"},
                                 {.mask = 0x400, .name = "ea_inode"},
                                 {.mask = 0x1000, .name = "dirdata"},
                                 {.mask = 0x2000, .name = "metadata_csum_seed"},
                                 {.mask = 0x4000, .name = "large_dir"},
                                 {.mask = 0x8000, .name = "inline_data"},
                                 {.mask = 0x10000, .name = "encrypt"},
                                 {.mask = 0x20000, .name = "casefold"}};
constexpr Bit kExt4RoCompat[] = {
    {.mask = 0x1, .name = "sparse_super"},    {.mask = 0x2, .name = "large_file"},
    {.mask = 0x8, .name = "huge_file"},       {.mask = 0x10, .name = "uninit_bg"},
    {.mask = 0x20, .name = "dir_nlink"},      {.mask = 0x40, .name = "extra_isize"},
    {.mask = 0x100, .name = "quota"},         {.mask = 0x200, .name = "bigalloc"},
    {.mask = 0x400, .name = "metadata_csum"}, {.mask = 0x2000, .name = "project"},
    {.mask = 0x8000, .name = "verity"},       {.mask = 0x10000, .name = "orphan_present"}};
// fs/xfs/libxfs/xfs_format.h, XFS_SB_FEAT_*; names are those of xfs_info.
constexpr Bit kXfsRoCompat[] = {{.mask = 0x1, .name = "finobt"},
                                {.mask = 0x2, .name = "rmapbt"},
                                {.mask = 0x4, .name = "reflink"},
                                {.mask = 0x8, .name = "inobtcount"}};
constexpr Bit kXfsIncompat[] = {
    {.mask = 0x1, .name = "ftype"},        {.mask = 0x2, .name = "sparse"},
    {.mask = 0x4, .name = "meta_uuid"},    {.mask = 0x8, .name = "bigtime"},
    {.mask = 0x10, .name = "needsrepair"}, {.mask = 0x20, .name = "nrext64"},
    {.mask = 0x40, .name = "exchange"},    {.mask = 0x80, .name = "parent"},
    {.mask = 0x100, .name = "metadir"},    {.mask = 0x200, .name = "zoned"}};

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
