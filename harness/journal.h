// SPDX-License-Identifier: GPL-2.0-only
// All that the harness knows of one kind of journal: what the file system itself counts of it, for
// the probes to be held against, where probes see its commits, and which of its waits are phases of
// a fault.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cell/row.h"
#include "harness/filesystem.h"
#include "harness/point.h"

namespace faultline {

// What the file system counts of its journal. A count is empty where the file system, or this
// kernel, does not say.
struct JournalCounters {
  std::optional<uint64_t> commits = {};    // jbd2: transactions that were committed
  std::optional<uint64_t> forces = {};     // XFS: log forces
  std::optional<uint64_t> log_bytes = {};  // XFS: written to the log

  [[nodiscard]] JournalCounters since(const JournalCounters& before) const;
  [[nodiscard]] JournalKernel figures() const;
};

// Reads /proc/fs/jbd2/DEVICE-INODE/info (fs/jbd2/journal.c, jbd2_seq_info_show), or
// /proc/fs/xfs/stat (fs/xfs/xfs_stats.c). XFS's are of all its file systems together.
JournalCounters read_journal_counters(const FileSystem& fs, dev_t device);

// Where commits are asked for, waited for, begin and end. Pure.
void add_journal_points(std::vector<Point>& points, const FileSystem& fs);

// A function in which a sync waits for the journal: a phase of its own (bpf/phases.def), whose
// programs bear the phase's name. Pure.
struct WaitPhase {
  std::string phase;
  std::vector<std::string> functions;  // the names that it had over the versions
};
std::vector<WaitPhase> waits_of(Journal journal);

// The parts that read a text. Pure.
JournalCounters parse_jbd2_info(const std::string& text);
JournalCounters parse_xfs_stat(const std::string& text);

}  // namespace faultline
