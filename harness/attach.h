// SPDX-License-Identifier: GPL-2.0-only
// Which program of bpf/ attaches where: the table, and what of it a cell needs. Pure.
#pragma once

#include <compare>
#include <string>
#include <vector>

#include "bpf/sample.h"
#include "cell/cell.h"
#include "harness/filesystem.h"
#include "harness/point.h"

namespace faultline {

// What a cell asks of the probes.
struct ProbeChoice {
  Probes probes = Probes::k_off;
  bool module = false;       // the fault ends where the strategy module's handler returns
  bool sampling = false;     // a record per event
  bool one_process = false;  // faults of other processes do not count
  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 takes the 0 of a comparison for a pointer.
  auto operator<=>(const ProbeChoice&) const = default;
};

// The id of the point at which a mark is made.
const char* point_of_mark(fl_mark mark);

// The points of a choice on a file system, in the order in which they are to be attached.
std::vector<Point> points_of(const ProbeChoice& choice, const FileSystem& fs);

}  // namespace faultline
