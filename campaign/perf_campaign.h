// SPDX-License-Identifier: GPL-2.0-only
// `perf record` over cells, each in a session of its own, which boots with the tools' disk and
// leaves a file instead of a row. What was recorded stands in an index, written cell by cell.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "campaign/context.h"
#include "campaign/machine.h"
#include "campaign/session.h"

namespace faultline {

// The index of the folder, by which `explain --perf` finds a cell's stacks.
inline constexpr char kPerfIndex[] = "perf.json";

struct PerfWish {
  SessionWishes session = {};
  std::string fs = "ext4";
  std::string strategy = "map_sync";
  std::string workload = "first_touch";
  std::string state = "hole";
  std::string out = "perf";
  std::uint64_t touches = 512;
  std::uint64_t period = 2000;  // instructions between two samples
  bool force = false;           // what is there is recorded again
  bool quiet = false;
};

struct PerfCell {
  std::string name = {};  // of its files, less their endings
  std::filesystem::path stem = {};
  bool remembered = false;  // an earlier command has recorded it
};

// Folds and draws the stacks in STEM.script; `say` takes what there is to tell of it.
using PerfDraw = std::function<void(const PerfCell& cell, const Say& say)>;

// Records each cell of the wish; one that is in the index already, of the same options and the same
// builds, is drawn again and not recorded. Failure(kUsage) for a wish that cannot be,
// Failure(kVmFailed) when a guest ends before its command.
std::vector<PerfCell> run_perf_campaign(const PerfWish& wish, const PerfDraw& draw,
                                        const CommandContext& context);

}  // namespace faultline
