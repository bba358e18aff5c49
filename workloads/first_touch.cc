// SPDX-License-Identifier: GPL-2.0-only
#include "harness/workload.h"

namespace faultline {
extern const Workload k_first_touch;
const Workload k_first_touch = {.id = "first_touch",
                                .summary = "each page once, in order",
                                .run = touch_in_order,
                                .touches = 1024,
                                .rewrite = false,
                                .paced = false,
                                .scattered = false,
                                .by_default = true,
                                .selftest = false};

}  // namespace faultline
