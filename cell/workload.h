// SPDX-License-Identifier: GPL-2.0-only
// The tables of workloads and of the kinds of touch: what each is. What each does is in workloads/.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "cell/cell.h"

namespace faultline {

// Whom a workload with touches measures.
enum class Contest {
  kNone,       // the workload has no touches: a plain loop
  kVictim,     // who faults, while attackers touch its file
  kBystander,  // who touches, while another thread faults
};
inline constexpr Named kContestTable[] = {
    {.id = "loop", .summary = "a plain loop"},
    {.id = "victim", .summary = "who faults, while attackers touch its file"},
    {.id = "bystander", .summary = "who touches, while another thread faults"}};
constexpr std::span<const Named> table_of(Contest /*unused*/) { return kContestTable; }

// A row of cell/workloads.def.
struct Workload {
  const char* id;
  const char* summary;
  std::uint64_t touches;  // by default, order pte
  // Real seconds of one core for a guest's life in which a cell is measured with these: what plans
  // go by. Measured on the machine of docs/lab.md; no figure hangs on it.
  double life_s = 0.5;
  std::uint64_t touches_written = 0;  // the same on written blocks; 0: as many as elsewhere
  bool by_default = false;            // in the default matrix
  bool selftest = false;              // misbehaves on purpose; chosen by its full name alone
  bool vm_only = false;               // takes the kernel down with it
  bool rewrite = false;     // every page stored to and fsynced beforehand: mapped, write-protected
  bool paced = false;       // one touch per clock tick; only the touch is timed
  bool scattered = false;   // touches do not rise: a sync covers all of them each time
  bool again = false;       // each page is stored to W times: the axis stores-per-page
  bool many_files = false;  // each page is of a file of its own
  bool timed = false;       // each touch by itself: the longest is a figure
  bool unrelated = false;   // inodes of other files are dirtied before each touch; paced
  Contest contest = Contest::kNone;
  std::span<const char* const> strategies = {};  // by default; empty: the matrix's own
};

// One kind of touch: a row of cell/touches.def.
struct TouchRow {
  const char* id;
  const char* workload;  // the id of the workload that has it
  const char* summary;
  bool in_process = false;          // by a thread of the faulting process
  std::optional<State> state = {};  // the only one that it can be done to
  bool reflink = false;             // needs blocks that files can share
  bool spare = false;               // has a part of the victim's extent behind the victim's pages
  bool whole_fs = false;            // does something to the file system as a whole: in a VM only
};

// The kind that stands in a cell nobody touches.
inline constexpr char kNoTouch[] = "none";

std::span<const Workload> workloads();
std::span<const TouchRow> touches();
// They find a row by its id; nullptr when there is none.
const Workload* find_workload(const std::string& id);
const TouchRow* find_touch(const std::string& workload, const std::string& id);

}  // namespace faultline
