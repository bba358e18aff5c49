// SPDX-License-Identifier: GPL-2.0-only
#include "harness/workload.h"

namespace faultline {
namespace {

constexpr const char* kStrategies[] = {"map_sync"};

}  // namespace

extern const Workload k_unrelated;
const Workload k_unrelated = {
    .id = "unrelated",
    .summary = "one page after the inodes of N other files were dirtied; only the touch is timed",
    .run = touch_in_order,
    .touches = 16,
    .rewrite = false,
    .paced = true,
    .scattered = false,
    .by_default = false,
    .selftest = false,
    .strategies = kStrategies,
    .unrelated = true};

}  // namespace faultline
