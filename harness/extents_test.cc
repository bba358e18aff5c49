// SPDX-License-Identifier: GPL-2.0-only
#include "harness/extents.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace faultline {
namespace {

TEST(Extents, OfWhatHasNoBlocksAreNotTold) {
  const int pipe_end = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  ASSERT_GE(pipe_end, 0);
  EXPECT_FALSE(extents_of(pipe_end)) << "procfs has no FIEMAP";
  close(pipe_end);
  EXPECT_FALSE(extents_of(-1));
}

}  // namespace
}  // namespace faultline
