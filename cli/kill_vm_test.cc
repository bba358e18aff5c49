// SPDX-License-Identifier: GPL-2.0-only
// A few instants of each of tools/kill-trial's trials, which says what must be left.
#include <gtest/gtest.h>

#include "campaign/testing.h"

namespace faultline {
namespace {

class KillTrial : public testing::TestWithParam<const char*> {};

TEST_P(KillTrial, LeavesWhatCanBeGoneOnWith) {
  const CommandOutput output =
      run_command({FAULTLINE_SOURCE_DIR "/tools/kill-trial", "--only", GetParam(), "--build",
                   FAULTLINE_BUILD_DIR, FAULTLINE_COMMAND, "3"});
  EXPECT_EQ(output.status, 0) << output.out << output.error;
}

INSTANTIATE_TEST_SUITE_P(Real, KillTrial, testing::Values("run", "verbs", "full", "faults"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace faultline
