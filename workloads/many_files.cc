// SPDX-License-Identifier: GPL-2.0-only
#include "harness/workload.h"

namespace faultline {
extern const WorkloadCode k_many_files;
const WorkloadCode k_many_files = {.run = touch_in_order};

}  // namespace faultline
