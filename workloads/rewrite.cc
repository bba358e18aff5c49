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

extern const Workload k_rewrite;
const Workload k_rewrite = {.id = "rewrite",
                            .summary = "each page again after an fsync write-protected it",
                            .run = Run,
                            .touches = 1024,
                            .rewrite = true,
                            .paced = false,
                            .scattered = false,
                            .by_default = false,
                            .selftest = false};

}  // namespace faultline
