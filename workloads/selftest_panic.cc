// SPDX-License-Identifier: GPL-2.0-only
#include <fcntl.h>
#include <unistd.h>

#include "harness/workload.h"

namespace faultline {
namespace {

void run_loop(Lane& lane) {
  while (lane.next()) {
    const int fd = open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "c", 1) != 1) return;
  }
}

}  // namespace

extern const WorkloadCode k_selftest_panic;
const WorkloadCode k_selftest_panic = {.run = run_loop};

}  // namespace faultline
