// SPDX-License-Identifier: GPL-2.0-only
#include "harness/counters.h"

#include <gtest/gtest.h>
#include <linux/perf_event.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "cell/cell.h"

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
  const CountersRead counted = counters.stop();
  touch_pages(make_pages(kPages), kPages);
  if (!counted.counts.contains("faults")) GTEST_SKIP() << counted.reason;
  // Beside those of the thread's own start, of which a sanitizer has hundreds.
  EXPECT_GE(counted.counts.at("faults"), 4600U);
  EXPECT_LT(counted.counts.at("faults"), 6000U) << "what came after the end";
  EXPECT_EQ(counted.counts.at("minor"), counted.counts.at("faults")) << "on the CPU together";
  EXPECT_FALSE(counted.counts.contains("none"));
  EXPECT_EQ(counted.reason, "none: this CPU, or its hypervisor, has no such counter");
}

TEST(Counters, StartAnew) {
  Counters counters(kSoftware);
  counters.start();
  touch_pages(make_pages(1000), 1000);
  const CountersRead first = counters.stop();
  if (!first.counts.contains("faults")) GTEST_SKIP() << first.reason;
  counters.start();
  const CountersRead second = counters.stop();
  EXPECT_GE(first.counts.at("faults"), 1000U);
  EXPECT_LT(second.counts.at("faults"), 100U);
}

// On the CPU's own counters where this machine has any; elsewhere every one is null with a reason.
TEST(Counters, OfTheKernel) {
  Counters counters;
  counters.start();
  touch_pages(make_pages(1000), 1000);
  const CountersRead counted = counters.stop();
  if (!counted.counts.contains("instructions")) {
    EXPECT_NE(counted.reason.find("instructions: "), std::string::npos);
    GTEST_SKIP() << counted.reason;
  }
  EXPECT_GT(counted.counts.at("instructions"), 1000U * 100) << "a fault takes hundreds";
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
