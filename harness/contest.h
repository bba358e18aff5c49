// SPDX-License-Identifier: GPL-2.0-only
// Who touches what a thread faults on, and how: the contract between a workload that has touches
// and the harness. A victim has attackers, a thread that faults has a bystander. How one such run
// goes is in contest_run.h; what a cell makes of many runs, in contest_scan.h.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <string>

#include "harness/workload.h"

namespace faultline {

// The kind that stands in a cell nobody touches.
inline constexpr char kNoTouch[] = "none";
inline constexpr unsigned kMaxTouchers = 4;

// Who touches: an attacker process, or a bystander. It has a part of the file of its own, beyond
// the pages that the victim faults on.
struct Toucher {
  std::string directory = {};  // on the file system
  std::string path = {};       // of the victim's file
  int fd = -1;                 // the same, opened by the toucher
  unsigned index = 0;          // among the cell's touchers
  off_t written = 0;           // kWrittenBytes that are written and synced
  off_t room = 0;              // room_bytes that are a hole (written where a file can have none)
  off_t room_bytes = 0;
  off_t end = 0;                                  // of the file
  const std::atomic<uint64_t>* victim = nullptr;  // where in the file the victim stores
  // The kind's own, set by prepare().
  char* map = nullptr;
  int other = -1;
};
inline constexpr off_t kWrittenBytes = 16 * kPageSize;

// One kind of touch: a row of a workload's table.
struct TouchKind {
  const char* id;
  const char* summary;
  // The n-th touch. False: it was refused, errno says why.
  bool (*touch)(Toucher& toucher, uint64_t n);
  bool (*prepare)(Toucher& toucher) = nullptr;            // before the start; false as above
  bool in_process = false;                                // by a thread of the faulting process
  bool (*setup)(const std::string& directory) = nullptr;  // once per cell
  void (*release)(const std::string& directory) =
      nullptr;            // after each run: the touchers were killed
  bool whole_fs = false;  // does something to the file system as a whole: in a VM only
};

// A touch that both workloads have: a page more behind the file's end, and again without it.
bool truncate_up_and_down(Toucher& toucher, uint64_t n);

}  // namespace faultline
