// SPDX-License-Identifier: GPL-2.0-only
// The eBPF probes as user space sees them: loaded for a file system, attached for a cell, read
// once.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "bpf/sample.h"
#include "harness/attach.h"
#include "harness/bpf_cost.h"
#include "harness/filesystem.h"
#include "harness/histogram.h"
#include "harness/interruptions.h"

namespace faultline {

enum class ProbeId {
#define PROBE(id, what) k_##id,
#include "bpf/probes.def"
#undef PROBE
  kEnd
};
inline constexpr auto kProbes = static_cast<size_t>(ProbeId::kEnd);

// What became of a point on this kernel and file system.
struct PointStatus {
  std::string id = {};
  std::string target = {};  // kernel function or tracepoint; several by commas
  std::string means = {};   // means_name(), or "" when there is no way
  std::string error = {};   // why not, or why not by the means that was tried before
};

// All that a set of probes has seen since it was reset. Times in ns of the monotonic clock.
struct ProbeReading {
  fl_state state = {};
  std::vector<Interruption> interruptions = {};
  std::vector<fl_thread> threads = {};  // those that took faults or locks
  std::array<Distribution, kProbes> events = {};
  // The time of each phase, and how often each mark was made, over all faults.
  std::array<uint64_t, FL_PHASES> phases = {};
  std::array<uint64_t, FL_MARKS_END> marks = {};
  uint64_t huge = 0;       // of the faults, those of order above 0
  uint64_t waited = 0;     // off the CPU within syncs of faults
  uint64_t recursion = 0;  // calls that the kernel did not hand over (recursion_misses)

  [[nodiscard]] const Distribution& of(ProbeId id) const {
    return events.at(static_cast<size_t>(id));
  }
};

// Finds a point by its id; nullptr when it is not among them, or there is no way to it.
const PointStatus* find_point(std::span<const PointStatus> points, const std::string& id);

class ProbeSet {
 public:
  // Loads what points_of() names. A point that no way leads to is left out and its status says why;
  // nothing is attached yet.
  ProbeSet(const ProbeChoice& choice, const FileSystem& fs);
  ~ProbeSet();
  ProbeSet(const ProbeSet&) = delete;
  ProbeSet& operator=(const ProbeSet&) = delete;

  [[nodiscard]] std::span<const PointStatus> points() const { return status_; }
  // Why the set cannot count faults here; empty when it can.
  [[nodiscard]] std::string why_not() const;

  // Attaches all that was loaded. Throws Failure(kRegression) naming the point that refused.
  void attach();
  void detach();
  // Zeroes the counters. `device` is st_dev of the file system, 0 for any.
  void reset(pid_t process, dev_t device);
  [[nodiscard]] ProbeReading read() const;
  // The records, in order of their start. Empties the ring buffer.
  [[nodiscard]] std::vector<fl_sample> drain_samples();

 private:
  struct Loaded;
  ProbeChoice choice_;
  std::vector<Point> table_;
  std::vector<PointStatus> status_;
  std::unique_ptr<Loaded> loaded_;
};

// The sets of a file system, each loaded once. In a guest all are, at once: so that its memory
// looks the same to every cell, whichever set it attaches. With `one_process`, on a machine that
// others use too, a set is loaded when it is asked for.
class ProbeSets {
 public:
  enum class Loading { kAtOnce, kWhenAsked };
  explicit ProbeSets(const FileSystem& fs, bool one_process = false,
                     Loading loading = Loading::kAtOnce);
  // The set of a cell, nullptr for none. One for the strategy module, or with samples, is loaded
  // when it is asked for.
  ProbeSet* set_for(ProbeChoice choice);
  // Attaches the program that a set of kRunsAProgram runs; for another set it does nothing. Failure
  // as of BpfCosts.
  void attach_program(Probes set);
  void detach_program();
  // What became of each point of each set: [{set, id, target, means, error}].
  [[nodiscard]] nlohmann::json report() const;

 private:
  const FileSystem& fs_;
  bool one_process_;
  std::unique_ptr<BpfCosts> costs_;
  std::map<ProbeChoice, std::unique_ptr<ProbeSet>> sets_;
};

}  // namespace faultline
