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

extern const WorkloadCode k_selftest_hang;
const WorkloadCode k_selftest_hang = {.run = run_loop};

}  // namespace faultline
