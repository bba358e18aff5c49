// SPDX-License-Identifier: GPL-2.0-only
// What the file system itself counts of its journal, for the probes to be held against.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "harness/filesystem.h"

namespace faultline {

// Empty where the file system, or this kernel, does not say.
struct JournalCounters {
  std::optional<uint64_t> commits = {};    // jbd2: transactions that were committed
  std::optional<uint64_t> forces = {};     // XFS: log forces
  std::optional<uint64_t> log_bytes = {};  // XFS: written to the log

  [[nodiscard]] JournalCounters Since(const JournalCounters& before) const;
  [[nodiscard]] nlohmann::json Json() const;
};

// /proc/fs/jbd2/DEVICE-INODE/info (fs/jbd2/journal.c, jbd2_seq_info_show), /proc/fs/xfs/stat
// (fs/xfs/xfs_stats.c). XFS's are of all its file systems together.
JournalCounters ReadJournalCounters(const FileSystem& fs, dev_t device);

// The parts that read a text. Pure.
JournalCounters ParseJbd2Info(const std::string& text);
JournalCounters ParseXfsStat(const std::string& text);

}  // namespace faultline
