// SPDX-License-Identifier: GPL-2.0-only
#include "harness/prepare.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <new>

namespace faultline {
namespace {

// Of the process beside and of the test.
std::atomic<uint64_t>* g_steps = nullptr;  // NOLINT: what it does is a plain function

void count_steps(const std::string& /*directory*/) {
  for (;;) ++*g_steps;
}
void end_at_once(const std::string& /*directory*/) {}

class ProcessBesideTest : public testing::Test {
 protected:
  void SetUp() override {
    void* at =
        mmap(nullptr, sizeof *g_steps, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(at, MAP_FAILED);
    g_steps = new (at) std::atomic<uint64_t>(0);
  }
  void TearDown() override { munmap(g_steps, sizeof *g_steps); }

  static bool goes_on() {
    const uint64_t before = *g_steps;
    for (int i = 0; i < 1000 && *g_steps == before; ++i) usleep(10000);
    return *g_steps != before;
  }
};

TEST_F(ProcessBesideTest, RestsBetweenPauseAndGoOn) {
  ProcessBeside beside(count_steps, "");
  ASSERT_TRUE(goes_on());
  beside.pause();
  const uint64_t paused = *g_steps;
  usleep(30000);
  EXPECT_EQ(*g_steps, paused);
  beside.go_on();
  EXPECT_TRUE(goes_on());
  EXPECT_TRUE(beside.stop()) << "it was at work";
}

TEST_F(ProcessBesideTest, OneThatEndsByItselfIsTold) {
  ProcessBeside beside(end_at_once, "");
  beside.pause();
  beside.go_on();
  EXPECT_FALSE(beside.stop());
}

TEST_F(ProcessBesideTest, NoneIsNeverMissed) {
  ProcessBeside beside(nullptr, "");
  beside.pause();
  beside.go_on();
  EXPECT_TRUE(beside.stop());
}

}  // namespace
}  // namespace faultline
