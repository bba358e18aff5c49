// SPDX-License-Identifier: GPL-2.0-only
#include "harness/workload.h"

namespace faultline {
extern const WorkloadCode k_rewrite;
const WorkloadCode k_rewrite = {.run = touch_in_order};

}  // namespace faultline
