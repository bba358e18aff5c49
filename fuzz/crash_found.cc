// SPDX-License-Identifier: GPL-2.0-only
// What a guest says of an image that it has recovered.
#include "campaign/power_cut.h"
#include "cell/json_text.h"
#include "fuzz/target.h"

namespace faultline::fuzz {

FAULTLINE_FUZZ(crash_found) {
  refused_or_taken([&] {
    CrashState state(2);
    state.pages[0] = {.started = 2, .written = 2, .promised = 1};
    state.size = {.begin = 0, .now = 8192, .promised = 4096};
    state.mtime = state.size;
    state.items = {{1, true}, {2, false}};
    judge_crash(state, parse_json(bytes));
  });
}

}  // namespace faultline::fuzz
