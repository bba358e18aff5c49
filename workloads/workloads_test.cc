// SPDX-License-Identifier: GPL-2.0-only
// The real table: its rows, the size of the default matrix, and the order of touches.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "cell/workload.h"
#include "harness/contest.h"
#include "harness/workload.h"

namespace faultline {

#define WORKLOAD(id, ...) extern const WorkloadCode k_##id;
#include "cell/workloads.def"
#undef WORKLOAD

namespace {

using Pages = std::vector<uint64_t>;

// The pages that a workload touches, in its order: a file opened for appending takes what a lane
// without a mapping writes one after the other, wherever the lane means it to be (pwrite(2), BUGS).
Pages touches_of(const char* id, uint64_t touches) {
  const Workload& workload = *find_workload(id);
  const int fd = memfd_create("touches", MFD_CLOEXEC);
  EXPECT_EQ(fcntl(fd, F_SETFL, O_APPEND), 0);
  const LaneSpec spec = {.fd = fd,
                         .stride = kPageSize,
                         .touches = touches,
                         .every = kEveryAll,
                         .paced = workload.paced,
                         .timed = workload.timed,
                         .scattered = workload.scattered};
  Lane lane(spec, nullptr);
  code_of(workload).run(lane);
  EXPECT_EQ(lane.counts().error, 0);
  Pages pages(2 * touches + 1);
  const ssize_t bytes = pread(fd, pages.data(), pages.size() * sizeof(uint64_t), 0);
  close(fd);
  pages.resize(static_cast<size_t>(bytes) / sizeof(uint64_t));
  return pages;
}

Pages up_to(uint64_t touches) {
  Pages pages(touches);
  std::iota(pages.begin(), pages.end(), 0);
  return pages;
}

TEST(Workloads, EachRowHasItsCode) {
  ASSERT_EQ(workload_codes().size(), workloads().size());
#define WORKLOAD(id, ...) EXPECT_EQ(&code_of(*find_workload(#id)), &k_##id);
#include "cell/workloads.def"
#undef WORKLOAD
  for (const Workload& workload : workloads()) {
    EXPECT_EQ(code_of(workload).run == nullptr, workload.contest != Contest::kNone) << workload.id;
    EXPECT_EQ(code_of(workload).kinds.empty(), workload.contest == Contest::kNone) << workload.id;
  }
}

TEST(Touches, EachRowHasItsCodeInItsOrder) {
  size_t rows = 0;
  for (const Workload& workload : workloads()) {
    for (const TouchKind& kind : code_of(workload).kinds) {
      const TouchRow* row = find_touch(workload.id, kind.id);
      ASSERT_NE(row, nullptr) << kind.id;
      EXPECT_EQ(kind.in_process, row->in_process) << kind.id;
      EXPECT_NE(kind.code.touch, nullptr) << kind.id;
      EXPECT_STREQ(touches()[rows].id, kind.id);
      ++rows;
    }
  }
  EXPECT_EQ(rows, touches().size());
}

TEST(Workloads, TouchEachPageOnceInOrder) {
  for (const uint64_t touches : {1, 2, 3, 64, 100, 1024}) {
    EXPECT_EQ(touches_of("first_touch", touches), up_to(touches));
    EXPECT_EQ(touches_of("rewrite", touches), up_to(touches));
    EXPECT_EQ(touches_of("many_files", touches), up_to(touches));
    EXPECT_EQ(touches_of("behind_commit", touches), up_to(touches));
  }
  for (const uint64_t touches : {1, 2, 5}) EXPECT_EQ(touches_of("paced", touches), up_to(touches));
}

TEST(Workloads, StoreAgainGoesRoundAfterRound) {
  for (const uint64_t touches : {1, 2, 100}) {
    EXPECT_EQ(touches_of("store_again", touches), up_to(touches));
  }
}

TEST(Workloads, RandomTouchTouchesEachPageOnce) {
  for (const uint64_t touches : {1, 2, 3, 5, 16, 63, 64, 65, 100, 1000, 1024, 4097}) {
    Pages pages = touches_of("random_touch", touches);
    std::sort(pages.begin(), pages.end());
    EXPECT_EQ(pages, up_to(touches)) << touches;
  }
}

TEST(Workloads, RandomTouchHasThisOrder) {
  ASSERT_TRUE(find_workload("random_touch")->scattered);
  EXPECT_EQ(touches_of("random_touch", 8), (Pages{0, 4, 2, 6, 5, 1, 7, 3}));
  // 6, 7 and 5 are none of its pages: it goes on from them.
  EXPECT_EQ(touches_of("random_touch", 5), (Pages{0, 4, 2, 3, 1}));
  // Neighbours in time are not neighbours in the file, nor in one 2 MiB stretch of a large one.
  const Pages pages = touches_of("random_touch", 1024);
  size_t near = 0;
  for (size_t i = 1; i < pages.size(); ++i) {
    near += pages[i] - pages[i - 1] + 16 <= 32 ? 1 : 0;
  }
  EXPECT_LT(near, 103U);  // a tenth
}

}  // namespace
}  // namespace faultline
