// SPDX-License-Identifier: GPL-2.0-only
#include "harness/counters.h"

#include <gtest/gtest.h>
#include <linux/perf_event.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "harness/cell.h"

namespace faultline {
namespace {

// Software events need no PMU. A fault is accounted to the user's instruction.
constexpr CounterRow kSoftware[] = {
    {"faults", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS, false},
    {"minor", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS_MIN, false},
    {"none", PERF_TYPE_SOFTWARE, 12345, false},
};

void touch_pages(char* base, unsigned pages) {
  for (unsigned i = 0; i < pages; ++i) *static_cast<volatile char*>(base + i * kPageSize) = 1;
}

char* make_pages(unsigned pages) {
  void* base =
      mmap(nullptr, pages * kPageSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  madvise(base, pages * kPageSize, MADV_NOHUGEPAGE);
  return static_cast<char*>(base);
}

TEST(Counters, CountAsOneGroupWhatThreadsDoToo) {
  constexpr unsigned kPages = 2300;
  char* const here = make_pages(kPages);
  char* const there = make_pages(kPages);
  Counters counters(kSoftware);
  counters.start();
  touch_pages(here, kPages);
  std::thread([&] { touch_pages(there, kPages); }).join();
  const nlohmann::json counted = counters.stop();
  touch_pages(make_pages(kPages), kPages);
  if (counted["faults"].is_null()) GTEST_SKIP() << counted["reason"];
  // Those of the thread's own start are few.
  EXPECT_GE(counted["faults"], 4600);
  EXPECT_LT(counted["faults"], 4700);
  EXPECT_EQ(counted["minor"], counted["faults"]) << "on the CPU together";
  EXPECT_TRUE(counted["none"].is_null());
  EXPECT_EQ(counted["reason"], "none: this CPU, or its hypervisor, has no such counter");
}

TEST(Counters, StartAnew) {
  Counters counters(kSoftware);
  counters.start();
  touch_pages(make_pages(1000), 1000);
  const nlohmann::json first = counters.stop();
  if (first["faults"].is_null()) GTEST_SKIP() << first["reason"];
  counters.start();
  const nlohmann::json second = counters.stop();
  EXPECT_GE(first["faults"], 1000);
  EXPECT_LT(second["faults"], 100);
}

// On the CPU's own counters where this machine has any; elsewhere every one is null with a reason.
TEST(Counters, OfTheKernel) {
  Counters counters;
  counters.start();
  touch_pages(make_pages(1000), 1000);
  const nlohmann::json counted = counters.stop();
  ASSERT_TRUE(counted.contains("instructions"));
  ASSERT_TRUE(counted.contains("cycles"));
  ASSERT_TRUE(counted.contains("dtlb_load_misses"));
  if (counted["instructions"].is_null()) {
    EXPECT_NE(counted["reason"].get<std::string>().find("instructions: "), std::string::npos);
    GTEST_SKIP() << counted["reason"];
  }
  EXPECT_GT(counted["instructions"], 1000 * 100) << "a fault takes hundreds";
}

TEST(Counters, RefusalsAreTold) {
  EXPECT_EQ(why_no_counter("cycles", EACCES, "2"),
            "cycles: not permitted (perf_event_paranoid is 2); root, CAP_PERFMON or a value of 1 "
            "may");
  EXPECT_EQ(why_no_counter("cycles", ENOENT, "2"),
            "cycles: this CPU, or its hypervisor, has no such counter");
  EXPECT_EQ(why_no_counter("cycles", ENOSYS, ""), "cycles: this kernel has no perf events");
}

}  // namespace
}  // namespace faultline
