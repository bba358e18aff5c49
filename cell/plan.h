// SPDX-License-Identifier: GPL-2.0-only
// Makes cells of a selection of names and globs, and rows of cells, by sets of probes, seeds and
// repetitions.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cell/axes.h"
#include "cell/cell.h"
#include "cell/skip.h"

namespace faultline {

// Patterns are names or globs (fnmatch), by axis id. An axis without any has its default values.
struct Selection {
  std::map<std::string, std::vector<std::string>> patterns = {};
  bool wall = false;
  std::optional<std::uint64_t> touches = {};  // overrides the workload's own number
};

struct PlannedCell {
  Cell cell;         // kernel, probes, seed and samples are for plan_rows() to fill
  std::string skip;  // why it cannot be measured; empty when it can
};

// Plans the cells of a selection in a fixed order, that of the axes' ranks. Throws Failure(kUsage)
// for a name that nothing matches, with the near ones, and for one that is of no workload that is
// selected.
std::vector<PlannedCell> plan_cells(const Selection& selection, const Sources& sources = {},
                                    const Surroundings& around = {});

// The size in MiB, an even number, of a device that surely holds the cell's file: beside it a
// journal, what a file system keeps for itself, the warm-up, and what a workload writes of its own.
// A file that is a hole is made on any device, and the store that finds it full is SIGBUS.
std::uint64_t pmem_needed_mib(const Cell& cell);
// Failure(kUsage) that names the size, unless a device of `pmem_mib` holds it.
void check_fits(const Cell& cell, std::uint64_t pmem_mib);

// The seeds from first to last, both included.
struct SeedRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
};
constexpr std::uint64_t kMostSeeds = 1000;
// Reads `N`, which is the seeds 0 to N - 1, or `FIRST..LAST`. Failure(kUsage).
SeedRange seeds_named(const std::string& text);

// The sets that a list names, `off` first: a probed cell without its twin would have no tax.
std::vector<Probes> probe_sets_named(const std::string& list);

// How often and under which probes each cell is measured.
struct Sampling {
  std::vector<Probes> sets = {Probes::k_off};
  SeedRange seeds = {};
  SeedRange contest_seeds = {};
  std::uint64_t probe_seeds = 0;  // of `seeds`, how many from the first on probed cells get; 0: all
  std::string vary = kVaryAll;
  unsigned repetitions = 1;
  bool samples = false;  // of the probed rows
};
// Failure(kUsage) unless it is an accident, `all` or `none`.
void check_vary(const std::string& vary);

// A row that a run is to fill: one sample of a cell under one set of probes.
struct PlannedRow {
  Cell cell;
  std::string skip;
  unsigned repetitions = 1;  // of its cell
};
// The most rows of a run, which keeps them in memory, 6.4 KB each (`run --dry-run --seeds 60` over
// every file system, strategy and state: 93 360 rows, 596 MB).
constexpr std::size_t kMostRows = 1'000'000;
// Plans the rows of cells on a kernel, one for each sample and set of probes. Failure(kUsage) for
// more rows than `room`.
std::vector<PlannedRow> plan_rows(const std::string& kernel, const std::vector<PlannedCell>& cells,
                                  const Sampling& sampling, std::size_t room = kMostRows);

}  // namespace faultline
