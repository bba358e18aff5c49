// SPDX-License-Identifier: GPL-2.0-only
#include "harness/workload.h"

namespace faultline {
namespace {

void run_loop(Lane& lane) {
  while (const Stretch s = lane.next()) lane.touch(s.first);
}

}  // namespace

extern const Workload k_paced;
const Workload k_paced = {.id = "paced",
                          .summary = "one page per clock tick, so that every fault moves mtime",
                          .run = run_loop,
                          .touches = 128,
                          .rewrite = false,
                          .paced = true,
                          .scattered = false,
                          .by_default = false,
                          .selftest = false};

}  // namespace faultline
