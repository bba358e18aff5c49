// SPDX-License-Identifier: GPL-2.0-only
// What the file system itself counts of its journal, for the probes to be held against.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "cell/row.h"
#include "harness/filesystem.h"

namespace faultline {

// Empty where the file system, or this kernel, does not say.
struct JournalCounters {
  std::optional<uint64_t> commits = {};    // jbd2: transactions that were committed
  std::optional<uint64_t> forces = {};     // XFS: log forces
  std::optional<uint64_t> log_bytes = {};  // XFS: written to the log

  [[nodiscard]] JournalCounters since(const JournalCounters& before) const;
  [[nodiscard]] JournalKernel figures() const;
};

// /proc/fs/jbd2/DEVICE-INODE/info (fs/jbd2/journal.c, jbd2_seq_info_show), /proc/fs/xfs/stat
// (fs/xfs/xfs_stats.c). XFS's are of all its file systems together.
JournalCounters read_journal_counters(const FileSystem& fs, dev_t device);

// The parts that read a text. Pure.
JournalCounters parse_jbd2_info(const std::string& text);
JournalCounters parse_xfs_stat(const std::string& text);

}  // namespace faultline
