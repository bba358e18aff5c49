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

inline constexpr unsigned kMaxTouchers = 4;

// Who touches: an attacker process, or a bystander. It has a part of the file of its own, beyond
// the pages that the victim faults on.
struct Toucher {
  std::string directory = {};  // on the file system
  std::string path = {};       // of the victim's file
  int fd = -1;                 // the same, opened by the toucher
  unsigned index = 0;          // among the cell's touchers
  off_t victim = 0;            // the victim's pages, in the order of its stores
  off_t victim_bytes = 0;
  // Of a kind that has a spare part: what follows them, in the same state and extent.
  off_t spare = 0;
  off_t spare_bytes = 0;
  const std::atomic<uint64_t>* done = nullptr;  // the victim's stores that have ended
  off_t written = 0;                            // kWrittenBytes that are written and synced
  off_t room = 0;  // room_bytes that are a hole (written where a file can have none)
  off_t room_bytes = 0;
  off_t end = 0;  // of the file
  // The kind's own, set by prepare().
  char* map = nullptr;
  int other = -1;
};
inline constexpr off_t kWrittenBytes = 16 * kPageSize;

// What a kind of touch does: the code behind its row of cell/touches.def.
struct TouchCode {
  // The n-th touch. False: it was refused, errno says why.
  bool (*touch)(Toucher& toucher, uint64_t n) = nullptr;
  bool (*prepare)(Toucher& toucher) = nullptr;            // before the start; false as above
  bool (*setup)(const std::string& directory) = nullptr;  // once per cell
  // After each run: the touchers were killed.
  void (*release)(const std::string& directory) = nullptr;
};

// A kind as the harness runs it: of its row what the runs must know, and its code.
struct TouchKind {
  const char* id = "";
  bool in_process = false;  // by a thread of the faulting process
  bool spare = false;       // has a part of the victim's extent
  TouchCode code = {};
};
constexpr TouchKind touch_kind(const TouchRow& row, const TouchCode& code) {
  return {.id = row.id, .in_process = row.in_process, .spare = row.spare, .code = code};
}

// A touch that both workloads have: a page more behind the file's end, and again without it.
bool truncate_up_and_down(Toucher& toucher, uint64_t n);

}  // namespace faultline
