// SPDX-License-Identifier: GPL-2.0-only
#include "harness/journal.h"

#include <fmt/format.h>
#include <sys/sysmacros.h>

#include <filesystem>
#include <sstream>

#include "harness/files.h"

namespace faultline {
namespace {

std::optional<uint64_t> less(const std::optional<uint64_t>& now,
                             const std::optional<uint64_t>& before) {
  if (!now || !before) return std::nullopt;
  return *now - *before;
}

}  // namespace

JournalCounters JournalCounters::since(const JournalCounters& before) const {
  return {less(commits, before.commits), less(forces, before.forces),
          less(log_bytes, before.log_bytes)};
}

JournalKernel JournalCounters::figures() const {
  return {.commits = commits, .forces = forces, .log_bytes = log_bytes};
}

JournalCounters parse_jbd2_info(const std::string& text) {
  // "17 transactions (5 requested), each up to 8192 blocks"
  JournalCounters counters;
  std::istringstream in(text);
  uint64_t transactions = 0;
  std::string word;
  if (in >> transactions >> word && word.starts_with("transactions")) {
    counters.commits = transactions;
  }
  return counters;
}

JournalCounters parse_xfs_stat(const std::string& text) {
  // "log WRITES BLOCKS NOICLOGS FORCES SLEEPS", blocks of 512 bytes.
  JournalCounters counters;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream in(line);
    std::string name;
    uint64_t writes = 0;
    uint64_t blocks = 0;
    uint64_t noiclogs = 0;
    uint64_t forces = 0;
    if (in >> name >> writes >> blocks >> noiclogs >> forces && name == "log") {
      counters.forces = forces;
      counters.log_bytes = 512 * blocks;
    }
  }
  return counters;
}

JournalCounters read_journal_counters(const FileSystem& fs, dev_t device) {
  namespace paths = std::filesystem;
  std::error_code ignored;
  switch (fs.journal) {
    case Journal::kNone:
      break;
    case Journal::kXfsLog:
      return parse_xfs_stat(read_file("/proc/fs/xfs/stat"));
    case Journal::kJbd2: {
      const std::string name =
          paths::read_symlink(fmt::format("/sys/dev/block/{}:{}", major(device), minor(device)),
                              ignored)
              .filename();
      for (const auto& entry : paths::directory_iterator("/proc/fs/jbd2", ignored)) {
        if (entry.path().filename().string().starts_with(name + "-")) {
          return parse_jbd2_info(read_file(entry.path() / "info"));
        }
      }
      break;
    }
  }
  return {};
}

void add_journal_points(std::vector<Point>& points, const FileSystem& fs) {
  switch (fs.journal) {
    case Journal::kNone:
      break;
    case Journal::kJbd2:
      points.push_back(raw_tracepoint("commit.end", "jbd2_end_commit", {"jbd2_end_commit"}));
      points.push_back(raw_tracepoint("commit.bytes", "jbd2_run_stats", {"jbd2_run_stats"}));
      points.push_back(raw_tracepoint("commit.begin", "jbd2_start_commit", {"jbd2_start_commit"}));
      // fs/jbd2/journal.c, the same 5.10 to 7.3.
      points.push_back(entry_point("commit.ask", "ask", {"jbd2_complete_transaction"}));
      points.push_back(entry_point("commit.wait", "await", {"jbd2_log_wait_commit"}));
      break;
    case Journal::kXfsLog:
      // fs/xfs/xfs_log.c; "xfs: xfs_log_force_lsn isn't passed a LSN" (v5.14).
      points.push_back(
          entry_point("commit.ask", "force_seq", {"xfs_log_force_seq", "xfs_log_force_lsn"}));
      points.push_back(entry_point("commit.ask_all", "force", {"xfs_log_force"}));
      // fs/xfs/xfs_log_cil.c, the same 5.10 to 7.3.
      add_pair(points, "commit.begin", "commit.end", "cil_enter", "cil_leave",
               {"xlog_cil_push_work"});
      break;
  }
  if (fs.fast_commit) {
    points.push_back(
        raw_tracepoint("fast_commit.end", "ext4_fc_commit_stop", {"ext4_fc_commit_stop"}));
    points.push_back(
        raw_tracepoint("fast_commit.begin", "ext4_fc_commit_start", {"ext4_fc_commit_start"}));
  }
}

std::vector<WaitPhase> waits_of(Journal journal) {
  switch (journal) {
    case Journal::kNone:
      break;
    case Journal::kJbd2:
      return {{.phase = "commit_wait", .functions = {"jbd2_log_wait_commit"}}};
    case Journal::kXfsLog:
      // xlog_cil_force_lsn() until "xfs: xfs_log_force_lsn isn't passed a LSN" (v5.14).
      return {{.phase = "cil_push", .functions = {"xlog_cil_force_seq", "xlog_cil_force_lsn"}},
              {.phase = "log_wait", .functions = {"xlog_wait_on_iclog"}}};
  }
  return {};
}

}  // namespace faultline
