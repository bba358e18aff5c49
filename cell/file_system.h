// SPDX-License-Identifier: GPL-2.0-only
// The table of file systems.
#pragma once

#include <array>
#include <list>
#include <span>
#include <string>

#include "cell/cell.h"

namespace faultline {

// A kernel function that a probe may hook, and how many arguments it has (fexit finds the return
// value behind them; there must be at most three).
struct Hook {
  const char* function = nullptr;
  unsigned arguments = 0;
};

// Names that a function has in different kernels: the first that the kernel has is used.
using Hooks = std::array<Hook, 3>;

// The kind of journal whose commits and waits the probes look at. The rest that the harness knows
// of each is in harness/journal.cc.
enum class Journal { kNone, kJbd2, kXfsLog };
struct JournalRow {
  const char* id;
  const char* summary;
  const char* replayed;  // what the kernel logs when a mount has replayed it; empty: nothing is
};
inline constexpr JournalRow kJournalTable[] = {
    {.id = "none", .summary = "no journal", .replayed = ""},
    // fs/ext4/super.c
    {.id = "jbd2", .summary = "jbd2's transactions", .replayed = "recovery complete"},
    // fs/xfs/xfs_log.c
    {.id = "xfs_log", .summary = "the log of XFS", .replayed = "Ending recovery"}};
constexpr const JournalRow& row_of(Journal journal) {
  return kJournalTable[static_cast<std::size_t>(journal)];
}
constexpr const char* id_of(Journal journal) { return row_of(journal).id; }

struct FileSystemRow;  // cell/fs_row.h

// Of a crowded file system's blocks one in so many is free, and no two of them are neighbours.
inline constexpr std::uint64_t kCrowded = 16;

struct FileSystem {
  const char* id = "";
  const char* summary = "";
  const char* type = "";  // for mount(2)
  const char* mkfs = "";  // command line; the device is appended. Empty: it needs none
  // The superblock's feature bits that mkfs must have set, and no others, by commas. Empty: they
  // are not looked at.
  const char* features = "";
  const char* options = "";  // mount options
  // Mount options of every mount but the first; nullptr: the same as of the first.
  const char* options_again = nullptr;
  bool dax = false;           // mounted so that a mapping is the medium itself
  bool map_sync = false;      // grants MAP_SYNC
  bool by_default = false;    // in the default matrix
  const char* module = "";    // kernel module, may be built in
  const char* tool = "";      // the program that makes it
  Hooks fault = {};           // the handler that every write fault goes through once per attempt
  const char* map = nullptr;  // its iomap_ops->iomap_begin() for a write fault
  // Tracepoints at which `map` ends, one on each of its ways, which cost less than a probe on its
  // return; or none.
  std::array<const char*, 2> map_tracepoints = {};
  Journal journal = Journal::kNone;
  bool fast_commit = false;  // jbd2 alone
  // Nearly full: a file takes all, and gives one block in kCrowded back, each by itself.
  bool crowded = false;
  // The command line of a check that looks for errors on the host and changes nothing, and exits
  // with 0 if there are none; the image is appended.
  const char* check = "";
  const char* module_parameters = "";
  const FileSystemRow* given = nullptr;  // the row that a user gave; nullptr: one of the table

  // Tells whether `features` names that bit.
  [[nodiscard]] bool has_feature(const std::string& name) const {
    return ("," + std::string(features) + ",").find("," + name + ",") != std::string::npos;
  }
  [[nodiscard]] const char* options_of_later_mounts() const {
    return options_again != nullptr ? options_again : options;
  }
};

// The rows of the table, then those added until this call.
std::span<const FileSystem> file_systems();
// Finds a file system by its id; nullptr when there is none.
const FileSystem* find_file_system(const std::string& id);

// Adds a file system, for as long as the process lives; before threads or guests start. Its id must
// be no other's. Failure(kUsage) when there is no room for more.
const FileSystem& add_file_system(const FileSystemRow& row);
inline constexpr std::size_t kMostAdded = 8;
// Removes all that were added, for tests, which share a process.
void forget_added_file_systems();

// The row of the table for what is mounted on a machine; one made up where there is none: `TYPE` in
// lower case, or that and `-nodax`, without mkfs. Its probes are those of the nearest row, or none.
const FileSystem& host_file_system(const std::string& type, bool dax, bool fast_commit);

}  // namespace faultline
