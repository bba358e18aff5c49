// SPDX-License-Identifier: GPL-2.0-only
#include "vm/guest_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace faultline {
namespace {

TEST(RunMany, RunsAllAndOnlySoManyAtOnce) {
  std::atomic<bool> cancel = false;
  std::atomic<int> at_once = 0;
  std::atomic<int> most = 0;
  std::vector<std::size_t> done;
  run_many(
      20, 3,
      [&](std::size_t) {
        const int now = ++at_once;
        int seen = most;
        while (now > seen && !most.compare_exchange_weak(seen, now)) {
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        --at_once;
        return GuestOutcome{};
      },
      [&](std::size_t index, const GuestOutcome&) { done.push_back(index); }, cancel);
  EXPECT_EQ(most, 3);
  std::sort(done.begin(), done.end());
  ASSERT_EQ(done.size(), 20U);
  for (std::size_t i = 0; i < done.size(); ++i) EXPECT_EQ(done[i], i);
}

TEST(RunMany, StopsOnCancelAndOnAnException) {
  std::atomic<bool> cancel = false;
  int done = 0;
  run_many(
      100, 1, [](std::size_t) { return GuestOutcome{}; },
      [&](std::size_t, const GuestOutcome&) { cancel = ++done == 3; }, cancel);
  EXPECT_EQ(done, 3);

  cancel = false;
  std::atomic<int> started = 0;
  EXPECT_THROW(run_many(
                   100, 2,
                   [&](std::size_t) -> GuestOutcome {
                     ++started;
                     throw std::runtime_error("no");
                   },
                   [](std::size_t, const GuestOutcome&) {}, cancel),
               std::runtime_error);
  EXPECT_TRUE(cancel);
  EXPECT_LE(started, 2);
  run_many(0, 4, {}, {}, cancel);
}

TEST(WorkersFor, WallTimeRunsAlone) {
  EXPECT_EQ(workers_for(Accel::kTcg), 1U);
  EXPECT_EQ(workers_for(Accel::kKvm), 1U);
  EXPECT_GE(workers_for(Accel::kTcgIcount), 1U);
}

TEST(MostGuests, AsManyAsFitTheMemoryMayBeAskedFor) {
  EXPECT_EQ(most_guests(23552, 512, 2), 46U);
  EXPECT_EQ(most_guests(1024, 512, 8), 8U);
  EXPECT_EQ(most_guests(256, 512, 0), 1U);
  EXPECT_GT(memory_of_machine_mib(), 128U);
}

}  // namespace
}  // namespace faultline
