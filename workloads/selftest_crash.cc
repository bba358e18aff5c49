// SPDX-License-Identifier: GPL-2.0-only
#include <csignal>

#include "harness/workload.h"

namespace faultline {
namespace {

void run_loop(Lane& lane) {
  while (lane.next()) raise(SIGSEGV);
}

}  // namespace

extern const WorkloadCode k_selftest_crash;
const WorkloadCode k_selftest_crash = {.run = run_loop};

}  // namespace faultline
