// SPDX-License-Identifier: GPL-2.0-only
#include <csignal>

#include "harness/workload.h"

namespace faultline {
namespace {

void run_loop(Lane& lane) {
  while (lane.next()) raise(SIGSEGV);
}

}  // namespace

extern const Workload k_selftest_crash;
const Workload k_selftest_crash = {.id = "selftest_crash",
                                   .summary = "dies of SIGSEGV: the cell has failed",
                                   .run = run_loop,
                                   .touches = 64,
                                   .rewrite = false,
                                   .paced = false,
                                   .scattered = false,
                                   .by_default = false,
                                   .selftest = true};

}  // namespace faultline
