// SPDX-License-Identifier: GPL-2.0-only
// The eBPF probes as user space sees them: loaded for a file system, attached for a cell, read
// once.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "bpf/sample.h"
#include "harness/filesystem.h"

namespace faultline {

enum class ProbeId {
#define PROBE(id, what) k_##id,
#include "bpf/probes.def"
#undef PROBE
  kEnd
};
inline constexpr auto kProbes = static_cast<size_t>(ProbeId::kEnd);

// What became of a probe on this kernel and file system.
struct ProbeStatus {
  const char* id = "";
  std::string target;  // the kernel function; empty when the file system has none for this probe
  const char* means = "";  // "fentry", "kprobe", or "" when it could not be loaded
  std::string error;       // why not, or why not by the means that was tried before
};

struct ProbeReading {
  fl_state state;
  uint64_t recursion = 0;  // calls that the kernel did not hand over (recursion_misses)
};

class ProbeSet {
 public:
  // Loads every probe that the file system has a hook for. A probe that cannot be loaded is left
  // out and its status says why; nothing is attached yet.
  explicit ProbeSet(const FileSystem& fs);
  // Of no probe: nothing is loaded, for a cell that attaches none.
  ProbeSet();
  ~ProbeSet();
  ProbeSet(const ProbeSet&) = delete;
  ProbeSet& operator=(const ProbeSet&) = delete;

  [[nodiscard]] const ProbeStatus& status(ProbeId id) const;
  // Loads a probe anew, for another function; for what is there only once a cell has begun.
  void Retarget(ProbeId id, const Hooks& hooks);
  // Attaches all that were loaded. Throws Failure(kRegression) naming the probe that refused.
  void Attach();
  void Detach();
  // Zeroes the counters. The fault and sync probes then count this process alone.
  void Reset(pid_t process, bool sampling);
  [[nodiscard]] ProbeReading Read(ProbeId id) const;
  // The records of all probes, in order of their start. Empties the ring buffers.
  [[nodiscard]] std::vector<fl_sample> DrainSamples();

 private:
  struct Loaded;
  void Load(size_t index, const Hooks& hooks);
  std::array<std::unique_ptr<Loaded>, kProbes> loaded_;
  std::array<ProbeStatus, kProbes> status_;
};

}  // namespace faultline
