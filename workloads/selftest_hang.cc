// SPDX-License-Identifier: GPL-2.0-only

#include "harness/workload.h"

namespace faultline {
namespace {

void run_loop(Lane& lane) {
  while (lane.next()) {
    for (volatile bool on = true; on;) {
    }
  }
}

}  // namespace

extern const Workload k_selftest_hang;
const Workload k_selftest_hang = {.id = "selftest_hang",
                                  .summary = "never ends: exit 69, hang in the cell",
                                  .run = run_loop,
                                  .touches = 64,
                                  .rewrite = false,
                                  .paced = false,
                                  .scattered = false,
                                  .by_default = false,
                                  .selftest = true};

}  // namespace faultline
