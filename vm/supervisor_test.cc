// SPDX-License-Identifier: GPL-2.0-only
#include "vm/supervisor.h"

#include <gtest/gtest.h>

#include <string>

namespace faultline {
namespace {

TEST(RunGuest, QemuNotFound) {
  GuestJob job;
  job.spec.qemu = "no-such-qemu";
  const std::atomic<bool> cancel = false;
  const GuestOutcome outcome = run_guest(job, {}, cancel);
  EXPECT_EQ(outcome.verdict, Verdict::kQemuNotFound);
  EXPECT_EQ(outcome.exit_code, ExitCode::kVmFailed);
}

TEST(RunGuest, AQemuThatIsNone) {
  // It ignores its arguments and says what no QEMU says.
  GuestJob job;
  job.spec.qemu = "true";
  const std::atomic<bool> cancel = false;
  EXPECT_EQ(run_guest(job, {}, cancel).verdict, Verdict::kNoDone);
  job.spec.qemu = "false";
  EXPECT_EQ(run_guest(job, {}, cancel).verdict, Verdict::kQemuFailed);
}

TEST(RunGuest, CellTooLong) {
  GuestJob job;
  job.cell.assign(wire::kCellSize + 1, 'x');
  const std::atomic<bool> cancel = false;
  EXPECT_THROW(run_guest(job, {}, cancel), Failure);
}

}  // namespace
}  // namespace faultline
