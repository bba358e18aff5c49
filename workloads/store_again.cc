// SPDX-License-Identifier: GPL-2.0-only
#include "harness/workload.h"

namespace faultline {
namespace {

// Round after round, as an application returns to a page that it has stored to: where the strategy
// syncs by a call, the page was written back and write-protected since.
void run_loop(Lane& lane) {
  uint64_t page = 0;
  while (const Stretch s = lane.next()) {
    for (uint64_t i = s.first; i < s.last; ++i) {
      lane.touch(page);
      if (++page == lane.pages()) page = 0;
    }
  }
}

}  // namespace

extern const WorkloadCode k_store_again;
const WorkloadCode k_store_again = {.run = run_loop};

}  // namespace faultline
