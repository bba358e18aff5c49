// SPDX-License-Identifier: GPL-2.0-only
// The one grammar of a cell's name: how it is written, and how it is read.
//
//   KERNEL/FS/STRATEGY[:K]/WORKLOAD/STATE/ORDER/tTHREADS[/dINODES][/wSTORES]
//     [/TOUCH/aATTACKERS/SETTING[/fMS]]/PROBES
//
// It is read from its end, so that a kernel's id may hold slashes.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cell/cell.h"

namespace faultline {

// The part STRATEGY[:K] of a name.
std::string strategy_name(const std::string& id, std::uint64_t writes_per_sync);

// The whole name; cell_part() is that without PROBES, which a cell shares with its twin.
std::string row_name(const Cell& cell);
std::string cell_part(const Cell& cell);

// The name of a cell or a row and which of its samples is meant; the first has the name alone.
std::string sample_name(std::string name, std::uint64_t seed, std::uint64_t repetition);

// A name taken apart. What is absent in the text is empty.
struct CellName {
  std::string kernel = {};
  std::string cell = {};    // ext4/map_sync/first_touch/hole/pte/t1: no kernel, no probes
  std::string probes = {};  // a set's id
  // What the cell's part selects: axis id (cell/axes.h) and value.
  std::vector<std::pair<std::string, std::string>> axes = {};
};
// Reads a row's whole name, or one without kernel, without probes, or without both. nullopt if it
// is no cell's name. The values of axes are not looked up.
std::optional<CellName> parse_cell_name(const std::string& text);

}  // namespace faultline
