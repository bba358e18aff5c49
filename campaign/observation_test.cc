// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/observation.h"

#include <gtest/gtest.h>

namespace faultline {
namespace {

TEST(Observation, AQemuGetsThePluginOfItsInterface) {
  EXPECT_EQ(observer_plugin("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)"),
            "libfaultline_observer_1.so");
  EXPECT_EQ(observer_plugin("QEMU emulator version 9.0.2"), "");
  EXPECT_EQ(observer_plugin("QEMU emulator version 9.1.0"), "libfaultline_observer_3.so");
  EXPECT_EQ(observer_plugin("QEMU emulator version 10.0.13"), "libfaultline_observer_3.so");
  EXPECT_EQ(observer_plugin("v-next"), "libfaultline_observer_3.so");
}

TEST(Observation, NamesAreLookedUp) {
  EXPECT_FALSE(observe_named(""));
  EXPECT_TRUE(observe_named("profile").profile);
  EXPECT_FALSE(observe_named("profile").vector);
  EXPECT_TRUE(observe_named("profile,vector").vector);
  EXPECT_THROW(observe_named("profile,caches"), Failure);
}

TEST(Observation, SaysWhyNot) {
  const Cell cell{.workload = "first_touch"};
  EXPECT_EQ(why_not_observed(cell, {}), "");
  EXPECT_NE(why_not_observed(cell, {.vcpus = 2}), "");
  EXPECT_NE(why_not_observed(cell, {.accel = Accel::kTcg}), "");
  EXPECT_NE(why_not_observed({.workload = "dos", .touch = "none"}, {}), "");
}

TEST(Observation, AProfilesFiguresAreSortedAndWhole) {
  observe::Profile profile;
  profile.instructions = 90;
  profile.skipped = 10;
  profile.functions = {{"a", 30}, {"b", 60}, {"[halted]", 10}};
  profile.parties[static_cast<std::size_t>(observe::Party::kTouch)] = 90;
  profile.parties[static_cast<std::size_t>(observe::Party::kIdle)] = 10;
  const ProfileFigures figures = profile_figures(profile, 2);
  EXPECT_EQ(figures.total, 100U);
  EXPECT_EQ(figures.pages, 2U);
  EXPECT_EQ(figures.functions, (std::vector<FunctionCost>{{"b", 60}, {"a", 30}, {"[halted]", 10}}));
  EXPECT_EQ(figures.parties, (CountByName{{"touch", 90}, {"idle", 10}}));
}

TEST(Observation, AVectorIsPerPage) {
  observe::Profile profile;
  profile.events[static_cast<std::size_t>(observe::Event::kBytes)] = 4104 * 4;
  profile.events[static_cast<std::size_t>(observe::Event::kFences)] = 2;
  profile.events[static_cast<std::size_t>(observe::Event::kFlushedClean)] = 4;
  profile.journal_bytes = 8192;
  observe::EventCounts written = {};
  written[static_cast<std::size_t>(observe::Event::kBytes)] = 8;
  profile.stack_events[{"touch", "[user]"}] = written;
  written[static_cast<std::size_t>(observe::Event::kBytes)] = 8204;
  profile.stack_events[{"jbd2", "write"}] = written;
  profile.stack_events[{"jbd2", "commit", "write"}] = written;
  written = {};
  written[static_cast<std::size_t>(observe::Event::kFences)] = 1;
  profile.stack_events[{"touch", "fence"}] = written;
  Row row;
  row.pages = 4;
  row.touches = 4;
  VectorFigures figures = vector_figures(profile, row);
  EXPECT_EQ(figures.bytes, 4104);
  EXPECT_EQ(figures.fences, 0.5);
  EXPECT_EQ(*figures.writers, (std::vector<FunctionCost>{{"jbd2:write", 16408}, {"[user]", 8}}));
  EXPECT_EQ(figures.amplification, 513);
  EXPECT_FALSE(figures.flushed_clean) << "which lines was not known";
  EXPECT_FALSE(figures.journal_bytes) << "no journal";
  profile.flush_addresses = true;
  row.journal = JournalFigures{};
  row.journal->kernel.commits = 2;
  figures = vector_figures(profile, row);
  EXPECT_EQ(figures.flushed_clean, 1);
  EXPECT_EQ(figures.journal_bytes, 2048) << "ext4: what jbd2 stored";
  row.journal->kernel.log_bytes = 400;
  EXPECT_EQ(vector_figures(profile, row).journal_bytes, 100) << "XFS: its own counter";
  row.stores_per_page = 4;
  EXPECT_EQ(vector_figures(profile, row).amplification, 513.0 / 4);
}

}  // namespace
}  // namespace faultline
