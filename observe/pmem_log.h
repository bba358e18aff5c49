// SPDX-License-Identifier: GPL-2.0-only
// What QEMU's plugin (pmem_log_plugin.cc) writes about a guest: every store to pmem in the order
// in which they happen, what wrote lines back and what fenced, among them the words of the crash
// test's writer; and the pmem as it was before the first of them and after the last.
#pragma once

#include <cstdint>

namespace faultline {

inline constexpr std::uint64_t kPmemPage = 4096;
inline constexpr std::uint64_t kPmemLine = 64;  // of a CPU's cache

// One thing that the guest did. Stores lie within one line.
struct PmemRecord {
  enum class Kind : std::uint8_t {
    kStore,
    kNonTemporal,      // a store past the caches: movnti and the like
    kWriteBack,        // of the line at `where`, done by the next fence: clwb, clflushopt
    kWriteBackAtOnce,  // clflush
    kFence,            // sfence, mfence
    kLocked,           // a locked operation, which fences; told only if there was anything to fence
    kWord,             // of the writer's (harness/wire.h)
  };

  std::uint64_t value = 0;         // what was stored, in the lowest `bytes`; a word
  std::uint64_t site = 0;          // the instruction's address
  std::uint32_t where = 0;         // offset in the pmem, bytes
  std::uint32_t instructions = 0;  // since the record before; the maximum if there were more
  std::uint32_t stack = 0;         // kStackOfNobody, or of PmemStack in kPmemStacksFile
  Kind kind = Kind::kStore;
  std::uint8_t bytes = 0;  // of a store: 1, 2, 4, 8
  std::uint16_t spare = 0;

  [[nodiscard]] bool is_word() const { return kind == Kind::kWord; }
  [[nodiscard]] bool is_store() const { return kind == Kind::kStore || kind == Kind::kNonTemporal; }
  [[nodiscard]] std::uint64_t line() const { return where / kPmemLine; }
};
static_assert(sizeof(PmemRecord) == 32);
inline constexpr std::uint32_t kStackOfNobody = UINT32_MAX;

// What may have called an instruction: words of its stack that point behind a call, the nearest
// first, 0 past the last. Stale ones are among them.
struct PmemStack {
  static constexpr unsigned kDeepest = 24;
  std::uint64_t site = 0;
  std::uint64_t returns[kDeepest] = {};
  bool operator==(const PmemStack&) const = default;
};

// A page of a memory that is all zeroes but for these.
struct PmemPage {
  std::uint64_t index = 0;
  unsigned char bytes[kPmemPage] = {};
};
static_assert(sizeof(PmemPage) == 8 + kPmemPage);

// What a guest did with a line, where that is marked.
inline constexpr unsigned char kLineRead = 1;
inline constexpr unsigned char kLineWritten = 2;

// Files in the folder that the plugin is given.
inline constexpr char kPmemLogFile[] = "log";        // of PmemRecord
inline constexpr char kPmemBeginFile[] = "begin";    // of PmemPage
inline constexpr char kPmemEndFile[] = "end";        // of PmemPage
inline constexpr char kPmemStacksFile[] = "stacks";  // of PmemStack
// This file is there if the plugin has given up, since registers could not be read.
inline constexpr char kPmemInBlockFile[] = "in-block";

}  // namespace faultline
