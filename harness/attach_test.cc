// SPDX-License-Identifier: GPL-2.0-only
#include "harness/attach.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace faultline {
namespace {

const Point* find(const std::vector<Point>& points, const std::string& id) {
  const auto found =
      std::find_if(points.begin(), points.end(), [&](const Point& p) { return p.id == id; });
  return found == points.end() ? nullptr : &*found;
}

TEST(Attach, AFaultThatDoesNotSyncMeetsTwoRawTracepoints) {
  const std::vector<Point> points = points_of({.probes = Probes::k_on}, *find_file_system("ext4"));
  for (const char* id : {"fault.begin", "fault.end"}) {
    const Point* point = find(points, id);
    ASSERT_NE(point, nullptr) << id;
    ASSERT_EQ(point->ways.size(), 1U) << id;
    EXPECT_EQ(point->ways[0].means, Means::kRawTracepoint) << id;
    EXPECT_TRUE(point->required) << id;
  }
  EXPECT_EQ(find(points, "fault.begin")->ways[0].program, "page_fault_user");
  EXPECT_EQ(find(points, "fault.end")->ways[0].program, "dax_pte_fault_done");
  // Begins last, so that nothing begins that cannot end.
  EXPECT_EQ(points.back().id, "fault.begin");
}

TEST(Attach, TheVariantOfAProgramIsChosenByWhatTheCellAsks) {
  const FileSystem& xfs = *find_file_system("xfs");
  const auto program = [&](const ProbeChoice& choice) {
    return find(points_of(choice, xfs), "fault.end")->ways[0].program;
  };
  EXPECT_EQ(program({.probes = Probes::k_phases}), "dax_pte_fault_done_marked");
  EXPECT_EQ(program({.probes = Probes::k_phases, .sampling = true}),
            "dax_pte_fault_done_marked_recorded");
  EXPECT_EQ(program({.probes = Probes::k_on, .one_process = true}), "dax_pte_fault_done_filtered");
  EXPECT_EQ(program({.probes = Probes::k_on, .module = true}), "handler_fexit");
  EXPECT_EQ(program({.probes = Probes::k_locks, .module = true, .sampling = true}),
            "handler_recorded_fexit");
}

TEST(Attach, WithoutDaxTheFaultEndsWithItsHandler) {
  const std::vector<Point> points =
      points_of({.probes = Probes::k_on}, *find_file_system("xfs-nodax"));
  const Point* end = find(points, "fault.end");
  ASSERT_EQ(end->ways.size(), 4U);
  EXPECT_EQ(end->ways[0].targets, std::vector<std::string>{"xfs_filemap_page_mkwrite"});
  EXPECT_EQ(end->ways[1].targets, std::vector<std::string>{"xfs_write_fault"});
  EXPECT_EQ(end->ways[1].arguments, 2U);
  EXPECT_EQ(end->ways[3].means, Means::kKretprobe);
  EXPECT_EQ(find(points, "sync.end"), nullptr);
}

TEST(Attach, WithoutBtfOfXfsItsTracepointsEndTheMap) {
  const Point* map = nullptr;
  const std::vector<Point> points =
      points_of({.probes = Probes::k_phases}, *find_file_system("xfs"));
  map = find(points, "phase.map");
  ASSERT_EQ(map->ways.size(), 3U);
  EXPECT_EQ(map->ways[1].targets, (std::vector<std::string>{"xfs_iomap_found", "xfs_iomap_alloc"}));
  EXPECT_EQ(find(points, "phase.commit_wait"), nullptr) << "jbd2's";
  EXPECT_NE(find(points, "phase.cil_push"), nullptr);
}

TEST(Attach, EveryMarkHasItsPoint) {
  std::set<std::string> ids;
  for (const char* fs : {"ext4", "xfs"}) {
    for (const Point& point : points_of({.probes = Probes::k_phases}, *find_file_system(fs))) {
      ids.insert(point.id);
    }
  }
  for (int i = 0; i < FL_MARKS_END; ++i) {
    const std::string point = point_of_mark(static_cast<fl_mark>(i));
    EXPECT_EQ(ids.count(point), 1U) << i << ' ' << point;
  }
  EXPECT_STREQ(point_of_mark(FL_MARK_zero_leave), "phase.zero");
}

TEST(Attach, NoProbesNoPoints) { EXPECT_TRUE(points_of({}, *find_file_system("ext4")).empty()); }

TEST(Attach, TheSemaphoreStandsInForTheTracepoints) {
  const std::vector<Point> points =
      points_of({.probes = Probes::k_locks}, *find_file_system("ext4"));
  const Point* release = find(points, "mmap_write.release");
  ASSERT_NE(release, nullptr);
  EXPECT_EQ(release->instead, "mmap_lock.ask");
  EXPECT_EQ(release->ways[0].targets, std::vector<std::string>{"up_write"});
}

}  // namespace
}  // namespace faultline
