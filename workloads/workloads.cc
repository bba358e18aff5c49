// SPDX-License-Identifier: GPL-2.0-only
// The code of each workload, in the order of the rows of cell/workloads.def.
#include "harness/workload.h"

namespace faultline {

#define WORKLOAD(id, ...) extern const WorkloadCode k_##id;
#include "cell/workloads.def"
#undef WORKLOAD

std::span<const WorkloadCode* const> workload_codes() {
  static constexpr const WorkloadCode* kCodes[] = {
#define WORKLOAD(id, ...) &k_##id,
#include "cell/workloads.def"
#undef WORKLOAD
  };
  return kCodes;
}

}  // namespace faultline
