// SPDX-License-Identifier: GPL-2.0-only
#include "harness/workload.h"

namespace faultline {
namespace {

void run_loop(Lane& lane) {
  while (const Stretch s = lane.next()) lane.touch(s.first);
}

}  // namespace

extern const WorkloadCode k_paced;
const WorkloadCode k_paced = {.run = run_loop};

}  // namespace faultline
