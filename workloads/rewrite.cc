// SPDX-License-Identifier: GPL-2.0-only
#include "harness/workload.h"

namespace faultline {
extern const Workload k_rewrite;
const Workload k_rewrite = {.id = "rewrite",
                            .summary = "each page again after an fsync write-protected it",
                            .run = touch_in_order,
                            .touches = 1024,
                            .rewrite = true,
                            .paced = false,
                            .scattered = false,
                            .by_default = false,
                            .selftest = false};

}  // namespace faultline
