// SPDX-License-Identifier: GPL-2.0-only
// A fault that syncs nothing may have to wait all the same: on ext4 it starts a journal handle, and
// that waits while the running transaction is locked for a commit (fs/jbd2/transaction.c,
// start_this_handle() and wait_transaction_locked(), 5.10 to 7.3).
#include <fcntl.h>
#include <unistd.h>

#include <vector>

#include "harness/workload.h"

namespace faultline {
namespace {

constexpr off_t kMostBytes = 16 << 20;

// Commits one after another. It never sleeps but in fsync(), for a thread of the file system that
// has work: the CPU does not halt, whose clock would not be exact (harness/wait.h).
void append_and_sync(const std::string& directory) {
  const std::vector<char> page(kPageSize, 'a');
  const int fd = open((directory + "/log").c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  for (off_t at = 0;; at += kPageSize) {
    if (at == kMostBytes) {
      if (ftruncate(fd, 0) != 0) _exit(1);
      at = 0;
    }
    if (pwrite(fd, page.data(), page.size(), at) != static_cast<ssize_t>(page.size()) ||
        fsync(fd) != 0) {
      _exit(1);
    }
  }
}

}  // namespace

extern const WorkloadCode k_behind_commit;
const WorkloadCode k_behind_commit = {.run = touch_in_order, .beside = append_and_sync};

}  // namespace faultline
