// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/result.h"

#include <gtest/gtest.h>

namespace faultline {
namespace {

Row row(const char* cell, Probes probes, const char* status, double fault, double page) {
  Row made;
  made.cell = Line(cell);
  made.name = std::string(cell) + "/" + id_of(probes);
  made.probes = probes;
  made.status = status;
  made.per_fault = fault;
  made.per_page = page;
  return made;
}

TEST(Tax, IsTheProbedFigureLessTheTwins) {
  std::vector<Row> rows = {
      row("a", Probes::k_off, "ok", 5000, 7000),    row("a", Probes::k_on, "ok", 5500, 7600),
      row("b", Probes::k_on, "ok", 100, 100),  // no twin
      row("c", Probes::k_off, "failed", 1, 1),      row("c", Probes::k_on, "ok", 9, 9),
      row("a", Probes::k_interruptions, "ok", 9, 9)};
  add_tax(rows);
  EXPECT_EQ(rows[1].tax->value, 500.0);
  EXPECT_EQ(rows[1].tax_page->value, 600.0);
  for (const std::size_t none : {0, 2, 4, 5}) EXPECT_FALSE(rows[none].tax) << none;
}

TEST(Tax, IsOfTheTwinWithTheSameSeed) {
  std::vector<Row> rows = {row("a", Probes::k_off, "ok", 5000, 5000),
                           row("a", Probes::k_off, "ok", 5600, 5600),
                           row("a", Probes::k_on, "ok", 5900, 5900)};
  rows[1].seed = rows[2].seed = 1;
  add_tax(rows);
  EXPECT_EQ(rows[2].tax->value, 300.0);
}

PhaseFigures phase(const char* id, double mean, double marks_cost) {
  return {.id = id, .mean = mean, .marks_cost = marks_cost};
}

TEST(Tax, OfAFaultThatWaitsForNobodyIsSharedByMarks) {
  std::vector<Row> rows = {row("a", Probes::k_off, "ok", 5000, 5000),
                           row("a", Probes::k_phases, "ok", 6400, 6400)};
  rows[1].phases = {phase("entry", 1200, 300), phase("other", 5200, 100)};
  add_tax(rows);
  EXPECT_EQ(rows[1].tax->value, 1400.0);
  // 1400 in the ratio of 300 to 100.
  const std::vector<PhaseFigures>& phases = *rows[1].phases;
  EXPECT_EQ(phases[0].tax->value, 1050.0);
  EXPECT_EQ(phases[0].net->value, 150.0);
  EXPECT_EQ(phases[1].tax->value, 350.0);
  EXPECT_EQ(phases[1].net->value, 4850.0);
}

TEST(Tax, ThatNoMarkAccountsForIsTheWaitings) {
  std::vector<Row> rows = {row("a", Probes::k_off, "ok", 73000, 73000),
                           row("a", Probes::k_phases, "ok", 77000, 77000)};
  rows[1].phases = {phase("entry", 1200, 300), phase("log_wait", 9000, 200),
                    phase("commit_wait", 60000, 200), phase("other", 6800, 100)};
  add_tax(rows);
  const std::vector<PhaseFigures>& phases = *rows[1].phases;
  EXPECT_EQ(phases[0].tax->value, 300.0);
  EXPECT_EQ(phases[1].tax->value, 200.0);
  // 200 of its marks, and 4000 - 800 that is left.
  EXPECT_EQ(phases[2].tax->value, 3400.0);
  EXPECT_EQ(phases[3].tax->value, 100.0);
}

Tally counts(std::size_t ok, std::size_t skipped, std::size_t failed, std::size_t incomplete) {
  return {.ok = ok, .skipped = skipped, .incomplete = incomplete, .failed = failed};
}

TEST(Tally, CountsRowsByStatus) {
  const Tally t =
      tally({row("a", Probes::k_off, "ok", 1, 1), row("b", Probes::k_off, "ok", 1, 1),
             row("c", Probes::k_off, "skipped", 1, 1), row("d", Probes::k_off, "failed", 1, 1),
             row("e", Probes::k_off, "incomplete", 1, 1)});
  EXPECT_EQ(t.total(), 5U);
  EXPECT_EQ(tally_text(t, "cell"), "5 cells: 2 ok, 1 skipped, 1 failed, 1 incomplete");
  EXPECT_EQ(tally_text({.ok = 1}, "row"), "1 row: 1 ok, 0 skipped, 0 failed, 0 incomplete");
}

TEST(EndCode, IsOfTheWorstThatHappened) {
  EXPECT_EQ(end_code(counts(2, 1, 0, 0), false, false), ExitCode::kPass);
  EXPECT_EQ(end_code(counts(0, 3, 0, 0), false, false), ExitCode::kSkipped);
  EXPECT_EQ(end_code(counts(0, 0, 1, 0), false, false), ExitCode::kRegression);
  EXPECT_EQ(end_code(counts(1, 0, 1, 1), false, false), ExitCode::kUsage);
  EXPECT_EQ(end_code(counts(1, 0, 1, 0), true, false), ExitCode::kUsage);
  EXPECT_EQ(end_code(counts(1, 0, 1, 1), true, true), ExitCode::kVmFailed);
}

TEST(NoteComplete, SaysWhatIsMissing) {
  const auto noted = [](const Tally& tally, const char* what, bool interrupted) {
    nlohmann::json context;
    note_complete(context, tally, what, interrupted);
    return context;
  };
  EXPECT_EQ(noted(counts(1, 1, 1, 0), "cells", false),
            nlohmann::json({{"complete", true}, {"reason", ""}}));
  EXPECT_EQ(noted(counts(1, 0, 0, 2), "tests", false),
            nlohmann::json({{"complete", false}, {"reason", "2 tests incomplete"}}));
  EXPECT_EQ(noted(counts(1, 0, 0, 2), "cells", true),
            nlohmann::json({{"complete", false}, {"reason", "interrupted: 2 cells not run"}}));
}

TEST(WhatDiffers, NamesWhatFiguresHangOn) {
  const nlohmann::json here = nlohmann::json::parse(
      R"({"faultline": {"git_revision": "a"}, "qemu": {"version": "7.2", "binary_sha256": "q"},
          "on": "vm", "accel": "tcg-icount", "time_domain": "virtual",
          "kernels": {"bookworm": {"vmlinuz_sha256": "v", "image_sha256": "i"}}})");
  const auto with = [&](const char* at, const char* value) {
    nlohmann::json other = here;
    other[nlohmann::json::json_pointer(at)] = value;
    std::string text;
    for (const ContextDifference& one : what_differs(here, other)) {
      text += one.what + (one.kernel ? "!" : "");
    }
    return text;
  };
  EXPECT_TRUE(what_differs(here, here).empty());
  EXPECT_EQ(with("/date", "today"), "");
  EXPECT_EQ(with("/faultline/git_revision", "b"), "faultline");
  EXPECT_EQ(with("/qemu/binary_sha256", "r"), "QEMU");
  EXPECT_EQ(with("/accel", "kvm"), "--accel");
  EXPECT_EQ(with("/kernels/bookworm/vmlinuz_sha256", "w"), "kernel bookworm!");
  EXPECT_EQ(with("/kernels/bookworm/image_sha256", "j"), "image of kernel bookworm");
  EXPECT_EQ(with("/kernels/sid", "another"), "");
}

// A file may hold rows that say they are ok and have nothing.
TEST(Tax, IsOfRowsWithFigures) {
  std::vector<Row> rows = {row("a", Probes::k_off, "ok", 5000, 5000),
                           row("a", Probes::k_on, "ok", 5900, 5900)};
  rows[0].per_fault.reset();
  add_tax(rows);
  EXPECT_FALSE(rows[1].tax);
  rows[0].per_fault = 5000;
  rows[1].cell.reset();
  add_tax(rows);
  EXPECT_FALSE(rows[1].tax);
}

TEST(ReadResult, OfWhatIsNoneIsEmpty) {
  for (const std::string& text :
       {std::string("{"), std::string(R"({"context": 7, "benchmarks": []})"),
        std::string(R"({"context": {}, "benchmarks": [7]})"),
        R"({"context": )" + std::string(1 << 20, '[') + std::string(1 << 20, ']') +
            R"(, "benchmarks": []})"}) {
    EXPECT_TRUE(result_of(text).context.is_null()) << text.substr(0, 50);
  }
  EXPECT_TRUE(result_of(R"({"context": {}, "benchmarks": []})").context.is_object());
}

}  // namespace
}  // namespace faultline
