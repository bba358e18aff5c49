// SPDX-License-Identifier: GPL-2.0-only
// The samples of one cell put on tracks, so that what is on one track nests and nothing overlaps,
// and who waited for whom. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "trace/samples.h"

namespace faultline {

struct Track {
  Home home = Home::kThread;
  uint32_t tid = 0;   // 0: the journal's
  uint32_t lane = 0;  // what would overlap is on the next
};
// "thread 85", "thread 85 locks", "journal 2".
std::string track_name(const Track& track);

// One sample in its place. Samples come in the order of their start, the enclosing before the
// enclosed.
struct Placed {
  static constexpr uint32_t kNone = UINT32_MAX;
  uint32_t sample = 0;      // index into the row
  uint32_t track = 0;       // index into Timeline::tracks
  uint32_t parent = kNone;  // index into Timeline::placed
  uint64_t self = 0;        // its time, less that of what it encloses
};

// A sync, and the journal's work that it waited for: indices into the row's samples.
struct Wait {
  uint32_t sync = 0;
  uint32_t work = 0;
};

struct Timeline {
  std::vector<Track> tracks = {};
  std::vector<Placed> placed = {};
  std::vector<Wait> waits = {};
};

// Failure(kUsage) naming the samples when a thread was in two faults or syncs at a time, neither
// inside the other.
Timeline arrange(const SampleRow& row);

}  // namespace faultline
