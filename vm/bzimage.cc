// SPDX-License-Identifier: GPL-2.0-only
#include "vm/bzimage.h"

#include <fmt/format.h>

#include <cerrno>
#include <fstream>

#include "cell/failure.h"
#include "vm/files.h"

namespace faultline {
namespace fs = std::filesystem;
namespace {

// What one gives in place of a bzImage, by how it begins, and what to give instead.
struct Mistaken {
  std::string_view begins;
  const char* is;
};
constexpr Mistaken kMistaken[] = {
    {.begins = "\x7f"
               "ELF",
     .is = "an ELF file (a vmlinux?); give --kernel the bzImage, which the build leaves in "
           "arch/x86/boot, or the tree itself"},
    {.begins = "!<arch>",
     .is = "a Debian package; unpack it, `dpkg-deb -x FILE DIR`, and give --kernel the folder"},
    {.begins = "\xed\xab\xee\xdb",
     .is = "an RPM package; unpack it, `rpm2cpio FILE | cpio -id`, and give --kernel the folder"},
    {.begins = "\x1f\x8b",
     .is = "a compressed file; give --kernel a bzImage, which unpacks itself"},
    {.begins = "\xfd"
               "7zXZ",
     .is = "a compressed file; give --kernel a bzImage, which unpacks itself"},
    {.begins = "\x28\xb5\x2f\xfd",
     .is = "a compressed file; give --kernel a bzImage, which unpacks itself"},
    {.begins = "0707", .is = "an initramfs; give --kernel the bzImage beside it"},
    {.begins = "MZ", .is = "no x86 kernel but another EFI program; give --kernel a bzImage"},
    {.begins = "#\n# Automatically generated file",
     .is = "a configuration; give --kernel a bzImage (`faultline kernels check` takes a "
           "configuration)"}};

const char* not_a_kernel(std::string_view bytes) {
  for (const Mistaken& mistaken : kMistaken) {
    if (bytes.starts_with(mistaken.begins)) return mistaken.is;
  }
  return "no x86 kernel; give --kernel a bzImage, a kernel tree that was built, or a folder with "
         "an "
         "unpacked package";
}

}  // namespace

std::string bzimage_version_of_file(const fs::path& bzimage) {
  std::error_code error;
  const fs::file_status status = fs::status(bzimage, error);
  if (!fs::exists(status)) {
    throw Failure(ExitCode::kUsage,
                  fmt::format("no such kernel file: {}; check --kernel", bzimage.string()));
  }
  if (!fs::is_regular_file(status)) {
    throw Failure(ExitCode::kUsage,
                  fmt::format("{} is no file; give --kernel a bzImage", bzimage.string()));
  }
  std::ifstream stream(bzimage, std::ios::binary);
  if (!stream) throw_io_failure("cannot read", bzimage, EACCES);
  // The setup code, at most 64 sectors and the header, holds the version string.
  std::string bytes(1 << 17, '\0');
  stream.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<std::size_t>(stream.gcount()));
  // A vmlinux in the tree that it was built in.
  const fs::path built = bzimage.parent_path() / "arch/x86/boot/bzImage";
  if (bytes.starts_with("\x7f"
                        "ELF") &&
      fs::exists(built, error)) {
    throw Failure(ExitCode::kUsage,
                  fmt::format("{} is an ELF file; give --kernel {}, or the tree itself",
                              bzimage.string(), built.string()));
  }
  return bzimage_version(bytes, bzimage.string());
}

std::string bzimage_version(std::string_view bytes, const std::string& where) {
  // Offsets: the kernel's Documentation/arch/x86/boot.rst.
  constexpr std::size_t kBootFlag = 0x1fe;
  constexpr std::size_t kMagic = 0x202;
  constexpr std::size_t kVersionPointer = 0x20e;
  const auto word = [&](std::size_t offset) {
    return static_cast<unsigned char>(bytes[offset]) |
           static_cast<unsigned>(static_cast<unsigned char>(bytes[offset + 1])) << 8;
  };
  if (bytes.size() < kVersionPointer + 2 || word(kBootFlag) != 0xaa55 ||
      bytes.substr(kMagic, 4) != "HdrS") {
    throw Failure(ExitCode::kUsage, fmt::format("{} is {}", where, not_a_kernel(bytes)));
  }
  const std::size_t start = word(kVersionPointer) + 0x200U;
  const std::size_t end = start < bytes.size() ? bytes.find('\0', start) : std::string_view::npos;
  if (start == 0x200 || end == std::string_view::npos || end == start || bytes[start] == ' ') {
    throw Failure(ExitCode::kUsage,
                  fmt::format("{} is a kernel that does not say its version, or is cut short; "
                              "give --kernel a whole bzImage",
                              where));
  }
  return std::string(bytes.substr(start, end - start));
}

std::string_view bzimage_payload(std::string_view bytes) {
  // Offsets as above; the payload's since protocol 2.08.
  constexpr std::size_t kSetupSectors = 0x1f1;
  constexpr std::size_t kProtocol = 0x206;
  constexpr std::size_t kPayloadOffset = 0x248;
  constexpr std::size_t kPayloadLength = 0x24c;
  const auto number = [&](std::size_t offset, unsigned size) {
    std::size_t value = 0;
    for (unsigned i = size; i-- > 0;) {
      value = value << 8 | static_cast<unsigned char>(bytes[offset + i]);
    }
    return value;
  };
  if (bytes.size() < kPayloadLength + 4 || bytes.substr(0x202, 4) != "HdrS" ||
      number(kProtocol, 2) < 0x208) {
    return {};
  }
  const std::size_t sectors = number(kSetupSectors, 1) == 0 ? 4 : number(kSetupSectors, 1);
  const std::size_t start = (sectors + 1) * 512 + number(kPayloadOffset, 4);
  return start < bytes.size() ? bytes.substr(start, number(kPayloadLength, 4)) : std::string_view();
}

}  // namespace faultline
