// SPDX-License-Identifier: GPL-2.0-only
// A guest's whole memory as a file, so that the host can look at its pmem and change it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "campaign/power_cut.h"
#include "vm/files.h"
#include "vm/process.h"
#include "vm/qemu.h"

namespace faultline {

class GuestMemory {
 public:
  // Makes a file as large as the guest's memory, all holes. Failure when there is no room.
  explicit GuestMemory(const VmSpec& spec);
  ~GuestMemory();
  GuestMemory(const GuestMemory&) = delete;
  GuestMemory& operator=(const GuestMemory&) = delete;
  // The file's path, for VmSpec::memory_file.
  [[nodiscard]] std::string path() const;
  // The path of a file with a byte for each line of the pmem, in which a plugin marks what the
  // guest does with it (observe/pmem_log.h, kLineRead and kLineWritten).
  [[nodiscard]] std::string marks_path() const;
  // Makes the pmem hold the image, and clears the marks. After the first time only pages are
  // written that differ, or that the guest has changed, by the marks; `anew`: all are.
  void load(const PmemImage& image, bool anew = false);
  // Lines that the guest has read since the image was loaded.
  [[nodiscard]] LineSet lines_read() const;
  // Tells whether the guest has since stored to the line that holds the byte at that offset.
  [[nodiscard]] bool is_written(std::uint64_t at) const;
  // A page of the pmem as it is now, by its index.
  [[nodiscard]] PmemImage::Bytes page(std::uint64_t index) const;
  // Writes the pmem to a file of its own. The file that was saved last gets only what has changed
  // since.
  void save(const std::filesystem::path& to);

 private:
  // Calls `visit` with the index of each line that has the mark, rising.
  template <typename Visit>
  void visit_marked(unsigned char mark, Visit visit) const;

  std::uint64_t start_;  // of the pmem, bytes
  std::uint64_t bytes_;  // of the pmem
  Fd file_;
  Fd marks_file_;
  unsigned char* marks_ = nullptr;
  std::optional<PmemImage> loaded_ = {};
  std::filesystem::path saved_ = {};
  std::vector<std::uint64_t> stale_ = {};  // pages of the saved file
};

}  // namespace faultline
