// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/observation.h"

#include <gtest/gtest.h>

#include "vm/files.h"

namespace faultline {
namespace {

TEST(Observation, NamesAreLookedUp) {
  EXPECT_FALSE(observe_named(""));
  EXPECT_TRUE(observe_named("profile").profile);
  EXPECT_FALSE(observe_named("profile").vector);
  EXPECT_TRUE(observe_named("profile,vector").vector);
  EXPECT_FALSE(observe_named("profile,vector").caches);
  EXPECT_TRUE(observe_named("caches").caches);
  EXPECT_THROW(observe_named("profile,cache"), Failure);
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
  VectorFigures figures = vector_figures(profile, row, {});
  EXPECT_EQ(figures.bytes, 4104);
  EXPECT_EQ(figures.fences, 0.5);
  EXPECT_EQ(*figures.writers, (std::vector<FunctionCost>{{"jbd2:write", 16408}, {"[user]", 8}}));
  EXPECT_EQ(figures.amplification, 513);
  EXPECT_FALSE(figures.flushed_clean) << "which lines was not known";
  EXPECT_FALSE(figures.journal_bytes) << "no journal";
  profile.flush_addresses = true;
  row.journal = JournalFigures{};
  row.journal->kernel.commits = 2;
  figures = vector_figures(profile, row, {});
  EXPECT_EQ(figures.flushed_clean, 1);
  EXPECT_EQ(figures.journal_bytes, 2048) << "ext4: what jbd2 stored";
  row.journal->kernel.log_bytes = 400;
  EXPECT_EQ(vector_figures(profile, row, {}).journal_bytes, 100) << "XFS: its own counter";
  row.stores_per_page = 4;
  EXPECT_EQ(vector_figures(profile, row, {}).amplification, 513.0 / 4);
}

TEST(Observation, RefillsAreThoseOfATlbThatThereIs) {
  observe::Profile profile;
  profile.events[static_cast<std::size_t>(observe::Event::kTlbRefills)] = 10;
  Row row;
  row.pages = 4;
  row.touches = 4;
  const observe::SetsOfWays tlb = {.sets = 128, .ways = 12};
  const VectorFigures with = vector_figures(profile, row, {.title = "t", .tlb = tlb});
  EXPECT_EQ(with.tlb_refills, 2.5);
  EXPECT_EQ(**with.tlb, "1536 entries of 12 ways");
  const VectorFigures without = vector_figures(profile, row, {.title = "t"});
  EXPECT_FALSE(without.tlb_refills);
  EXPECT_TRUE(without.tlb && !*without.tlb) << "null, and there";
}

TEST(Observation, WhatCachesCountIsPerPage) {
  observe::Profile profile;
  // L1I, L1D, L2, read from DRAM and pmem, written to DRAM and pmem.
  for (unsigned i = 0; i < 7; ++i) {
    profile.events.at(static_cast<std::size_t>(observe::Event::kL1iMisses) + i) = 64U >> i;
  }
  observe::Geometry geometry = {.title = "t"};
  CacheFigures figures = cache_figures(profile, 4, geometry);
  EXPECT_EQ(figures.l1i_misses, 16);
  EXPECT_EQ(figures.l1d_misses, 8);
  EXPECT_FALSE(figures.l2_misses) << "there is no L2";
  EXPECT_EQ(figures.dram_reads, 2);
  EXPECT_EQ(figures.pmem_reads, 1);
  EXPECT_EQ(figures.llc_misses, 3);
  EXPECT_EQ(figures.dram_writes, 0.5);
  EXPECT_EQ(figures.pmem_writes, 0.25);
  EXPECT_FALSE(figures.flushes_seen);
  geometry.caches.l2.emplace();
  EXPECT_EQ(cache_figures(profile, 4, geometry).l2_misses, 4);
}

TEST(Observation, AGeometryIsAFileOfOnesOwnOrOfThoseThatThereAre) {
  const TempDir dir(std::filesystem::temp_directory_path(), "faultline-test-");
  const std::string levels =
      "line = 64\n[l1i]\nsize = 64\nways = 1\nsource = \"s\"\n[l1d]\nsize = 64\nways = 1\n"
      "source = \"s\"\n[llc]\nsize = 64\nways = 1\nsource = \"s\"\n";
  for (const std::string name : {"cascadelake", "mine"}) {
    write_file(dir.path() / (name + ".toml"), "title = \"" + name + "\"\n" + levels, 0644);
  }
  EXPECT_EQ(geometry_named("", dir.path()).title, "cascadelake");
  EXPECT_EQ(geometry_named("mine", dir.path()).title, "mine");
  EXPECT_EQ(geometry_named(dir.path() / "mine.toml", "").title, "mine");
  try {
    geometry_named("other", dir.path());
    FAIL() << "there is none";
  } catch (const Failure& failure) {
    EXPECT_EQ(failure.code(), ExitCode::kUsage);
    EXPECT_NE(std::string(failure.what()).find("there are: cascadelake, mine, or a path"),
              std::string::npos)
        << failure.what();
  }
}

}  // namespace
}  // namespace faultline
