// SPDX-License-Identifier: GPL-2.0-only
#include "harness/workload.h"

namespace faultline {
namespace {

void Run(Lane& lane) {
  while (const Stretch s = lane.Next()) {
    for (uint64_t i = s.first; i < s.last; ++i) lane.Touch(i);
  }
}

}  // namespace

extern const Workload k_first_touch;
const Workload k_first_touch = {.id = "first_touch",
                                .summary = "each page once, in order",
                                .run = Run,
                                .touches = 1024,
                                .rewrite = false,
                                .paced = false,
                                .scattered = false,
                                .by_default = true,
                                .selftest = false};

}  // namespace faultline
