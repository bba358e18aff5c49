// SPDX-License-Identifier: GPL-2.0-only
#include "harness/complaints.h"

#include <gtest/gtest.h>

namespace faultline {
namespace {

// 23 touches, 23 faults, 23 samples, and one commit by whoever counts.
CellCounts agreeing() {
  return {.touches = 23,
          .faults = 23,
          .module_faults = 23,
          .journal_commits = 1,
          .probed = CellCounts::Probed{
              .faults = 23, .by = "dax_pte_fault_done", .huge = 0, .commits = 1}};
}

struct Case {
  const char* what;
  void (*change)(CellCounts& counts);
  const char* complaint;
};

TEST(CellCounts, EachThatDoesNotAgreeIsTold) {
  constexpr Case kCases[] = {
      {"all agree", [](CellCounts& /*c*/) {}, ""},
      {"a fault less", [](CellCounts& c) { c.faults = 22; }, "23 touches took 22 faults, not 23"},
      {"a fault more", [](CellCounts& c) { c.faults = 24; }, "23 touches took 24 faults, not 23"},
      {"another order", [](CellCounts& c) { c.order_mapped = "pmd"; },
       "asked for pte entries, the kernel mapped pmd"},
      {"the module", [](CellCounts& c) { c.module_faults = 21; },
       "23 touches, but the module saw 21 faults"},
      {"no module", [](CellCounts& c) { c.module_faults.reset(); }, ""},
      {"a sample less", [](CellCounts& c) { c.probed->faults = 22; },
       "23 touches, 23 faults, but 22 samples by dax_pte_fault_done"},
      {"all huge", [](CellCounts& c) { c.probed->huge = 23; },
       "23 of 23 faults came in with a huge order"},
      {"commits", [](CellCounts& c) { c.journal_commits = 2; },
       "1 commits by the probe, 2 by the file system's own counter"},
      {"a journal that does not count", [](CellCounts& c) { c.journal_commits.reset(); }, ""},
      {"a probe that sees no commits",
       [](CellCounts& c) {
         c.journal_commits = 2;
         c.probed->commits.reset();
       },
       ""},
      {"an error", [](CellCounts& c) { c.probed->errors = 3, c.probed->error_bits = 0x2; },
       "3 attempts at a fault ended in an error (VM_FAULT_SIGBUS)"},
      {"errors of two kinds, before what they bring about",
       [](CellCounts& c) {
         c.faults = 22;
         c.probed->errors = 2;
         c.probed->error_bits = 0x41;
       },
       "2 attempts at a fault ended in an error (VM_FAULT_OOM, VM_FAULT_SIGSEGV)"},
      {"no probes", [](CellCounts& c) { c.probed.reset(); }, ""},
  };
  for (const Case& row : kCases) {
    CellCounts counts = agreeing();
    row.change(counts);
    EXPECT_EQ(complaint_of(counts), row.complaint) << row.what;
  }
}

TEST(CellCounts, OfHugeFaultsEachMustBe) {
  CellCounts counts = agreeing();
  counts.order_asked = Order::kPmd;
  counts.order_mapped = "pmd";
  EXPECT_EQ(complaint_of(counts), "0 of 23 faults came in with a huge order");
  counts.probed->huge = 22;
  EXPECT_EQ(complaint_of(counts), "22 of 23 faults came in with a huge order");
  counts.probed->huge = 23;
  EXPECT_EQ(complaint_of(counts), "");
}

TEST(CellCounts, PwriteTakesNoFault) {
  CellCounts counts{.touches = 23, .mapped = false, .faults = 0, .order_mapped = "none"};
  EXPECT_EQ(counts.expected_faults(), 0U);
  EXPECT_EQ(complaint_of(counts), "");
  counts.faults = 1;
  EXPECT_EQ(complaint_of(counts), "23 touches took 1 faults, not 0");
}

TEST(CellCounts, ThreadsThatSyncMayTakeMoreFaultsAndNotLess) {
  CellCounts counts{.touches = 23, .protects = true, .faults = 25};
  EXPECT_EQ(counts.expected_faults(), 25U);
  EXPECT_EQ(complaint_of(counts), "");
  counts.faults = 22;
  EXPECT_EQ(counts.expected_faults(), 23U);
  EXPECT_EQ(complaint_of(counts), "23 touches took 22 faults, not 23");
}

TEST(Proof, IsHeldAgainstWhatWasAsked) {
  EXPECT_EQ(complaint_of(Proof{.fs = "ext4", .dax_asked = true, .dax = true}), "");
  EXPECT_EQ(complaint_of(Proof{.fs = "ext4", .dax_asked = true, .dax = false}),
            "statx says DAX is off on ext4");
  EXPECT_EQ(complaint_of(Proof{.fs = "ext4", .dax_asked = false, .dax = true}),
            "statx says DAX is on on ext4");
  EXPECT_EQ(complaint_of(Proof{.fs = "ext4", .map_sync_asked = true, .map_sync = false}),
            "VmFlags in smaps do not show MAP_SYNC (sf) as asked");
}

TEST(ContestCounts, EachThatDoesNotAgreeIsTold) {
  const ContestCounts good{.stores = 64,
                           .module_faults = 64,
                           .kernel_faults = 70,
                           .attacked = true,
                           .attempts_to_touch = 1};
  EXPECT_EQ(complaint_of(good), "");
  ContestCounts bad = good;
  bad.stores = 0;
  EXPECT_EQ(complaint_of(bad), "no store ended, and none starved");
  bad.starved = 1;
  EXPECT_EQ(complaint_of(bad), "");
  bad = good;
  bad.module_faults = 63;
  EXPECT_EQ(complaint_of(bad), "64 stores, but the module saw 63 faults");
  bad = good;
  bad.kernel_faults = 63;
  EXPECT_EQ(complaint_of(bad), "64 stores on fresh pages took 63 faults");
  bad.kernel_faults.reset();
  EXPECT_EQ(complaint_of(bad), "");
  bad = good;
  bad.attempts_to_touch = 0;
  EXPECT_EQ(complaint_of(bad), "no attacker touched");
  bad = {.stores = 64, .kernel_faults = 65, .alone = true};
  EXPECT_EQ(complaint_of(bad), "the victim alone: 64 stores on fresh pages took 65 faults");
  bad.kernel_faults = 64;
  EXPECT_EQ(complaint_of(bad), "");
}

TEST(Standing, AComplaintIsWorseThanALoss) {
  EXPECT_EQ(standing_of("", {}).status, "ok");
  EXPECT_EQ(standing_of("", {}).reason, "");
  // Faults without a sample are a complaint's matter.
  EXPECT_EQ(standing_of("", {.missed = 1}).status, "ok");
  const Standing lost = standing_of("", {.dropped = 1, .missed = 2, .recursion = 3, .slots = 4});
  EXPECT_EQ(lost.status, "incomplete");
  EXPECT_EQ(lost.reason, R"(lost 8 events: {"dropped":1,"missed":2,"recursion":3,"slots":4})");
  EXPECT_EQ(standing_of("why", {.dropped = 1}).status, "failed");
  EXPECT_EQ(standing_of("why", {.dropped = 1}).reason, "why");
}

}  // namespace
}  // namespace faultline
