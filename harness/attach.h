// SPDX-License-Identifier: GPL-2.0-only
// Which program of bpf/ attaches where: the table, and what of it a cell needs. Pure.
#pragma once

#include <compare>
#include <string>
#include <vector>

#include "bpf/sample.h"
#include "cell/cell.h"
#include "harness/filesystem.h"

namespace faultline {

enum class Means { kRawTracepoint, kFentry, kFexit, kKprobe, kKretprobe };
const char* means_name(Means means);

// One way to see what a point is about: a program, and all the places where it must attach.
struct Attachment {
  std::string program;  // in bpf/probes.bpf.c
  Means means = Means::kRawTracepoint;
  std::vector<std::string> targets;  // kernel functions or tracepoints
  unsigned arguments = 0;            // of the function, where the program needs it
};

// Something that a set of probes wants to see, and the ways to, the best first.
struct Point {
  std::string id = {};
  std::vector<Attachment> ways = {};
  // The point in whose place this one stands, where that has no way.
  std::string instead = {};
  // Without it the set's figures would be wrong, and not just fewer.
  bool required = false;
};

// What a cell asks of the probes.
struct ProbeChoice {
  Probes probes = Probes::k_off;
  bool module = false;       // the fault ends where the strategy module's handler returns
  bool sampling = false;     // a record per event
  bool one_process = false;  // faults of other processes do not count
  auto operator<=>(const ProbeChoice&) const = default;
};

// The id of the point at which a mark is made.
const char* point_of_mark(fl_mark mark);

// The points of a choice on a file system, in the order in which they are to be attached.
std::vector<Point> points_of(const ProbeChoice& choice, const FileSystem& fs);

}  // namespace faultline
