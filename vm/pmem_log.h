// SPDX-License-Identifier: GPL-2.0-only
// What QEMU's plugin (pmem_log_plugin.cc) writes about a guest: every store to pmem in the order
// in which they happen, among them the words of the crash test's writer; and the pmem as it was
// before the first of them and after the last.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace faultline {

inline constexpr std::uint64_t kPmemPage = 4096;

// 1, 2, 4 or 8 bytes (`size_shift` 0 to 3) at `offset` of the pmem; or a word of the writer's.
struct PmemRecord {
  static constexpr unsigned kOffsetBits = 29;
  static constexpr unsigned kWord = 7;

  std::uint64_t value = 0;
  std::uint32_t where = 0;         // offset, and above it the size's shift or kWord
  std::uint32_t instructions = 0;  // since the record before; the maximum if there were more

  [[nodiscard]] bool is_word() const { return where >> kOffsetBits == kWord; }
  [[nodiscard]] std::uint64_t offset() const { return where & ((1U << kOffsetBits) - 1); }
  [[nodiscard]] std::uint64_t size() const {
    return is_word() ? 0 : std::uint64_t{1} << (where >> kOffsetBits);
  }
};
static_assert(sizeof(PmemRecord) == 16);

// A page of a memory that is all zeroes but for these.
struct PmemPage {
  std::uint64_t index = 0;
  unsigned char bytes[kPmemPage] = {};
};
static_assert(sizeof(PmemPage) == 8 + kPmemPage);

// Files in the folder that the plugin is given.
inline constexpr char kPmemLogFile[] = "log";      // of PmemRecord
inline constexpr char kPmemBeginFile[] = "begin";  // of PmemPage
inline constexpr char kPmemEndFile[] = "end";      // of PmemPage

// The plugin's file that a QEMU takes, by the first line of its --version; it lies beside the
// command.
std::string pmem_log_plugin(std::string_view qemu_version);

}  // namespace faultline
