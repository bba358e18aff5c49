// SPDX-License-Identifier: GPL-2.0-only
// A guest's whole memory as a file, so that the host can look at its pmem and change it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "campaign/power_cut.h"
#include "vm/files.h"
#include "vm/process.h"
#include "vm/qemu.h"

namespace faultline {

class GuestMemory {
 public:
  // As large as the guest's; holes until something is stored. Failure when there is no room.
  explicit GuestMemory(const VmSpec& spec);
  // For VmSpec::memory_file.
  [[nodiscard]] std::string path() const;
  // Makes the pmem hold the image.
  void load(const PmemImage& image) const;
  // The pmem as a file of its own.
  void save(const std::filesystem::path& to) const;

 private:
  std::uint64_t start_;  // of the pmem, bytes
  std::uint64_t bytes_;  // of the pmem
  Fd file_;
};

}  // namespace faultline
