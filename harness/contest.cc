// SPDX-License-Identifier: GPL-2.0-only
#include "harness/contest.h"

#include <unistd.h>

namespace faultline {

bool truncate_up_and_down(Toucher& toucher, uint64_t n) {
  return ftruncate(toucher.fd, toucher.end + (n % 2 == 0 ? static_cast<off_t>(kPageSize) : 0)) == 0;
}

}  // namespace faultline
