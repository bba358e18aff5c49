// SPDX-License-Identifier: GPL-2.0-only
// Guests that are booted, have made and mounted their file system, and stand still: kept in the
// cache, so that a cell costs a restore and not a boot, and starts at the same instruction for
// ever. Safe with other threads and other commands on the same cache: whoever comes second waits
// and uses the first one's.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "vm/command.h"
#include "vm/qemu.h"
#include "vm/supervisor.h"

namespace faultline {

// A state that can be restored from, for as long as this object lives, even if another command
// prunes it from the cache meanwhile.
struct SavedState {
  std::string key = {};
  StateFiles files = {};   // what GuestJob::state takes
  std::string hello = {};  // payloads of the frames that the guest sent before it parked
  std::string ready = {};
  std::uint64_t size_bytes = 0;  // what it takes of the disk
  bool made_now = false;
  std::array<std::shared_ptr<const Fd>, 2> held = {};  // keep the files that `files` names
};

// What a life has beside its cell, none of which a saved state hangs on.
struct LifeExtras {
  std::vector<std::string> qemu_parameters = {};  // added to QEMU's arguments
  bool symbols = false;                           // as GuestJob has it
};

// Either a state, or what became of the guest that was to give one.
struct StateOutcome {
  std::optional<SavedState> state = std::nullopt;
  GuestOutcome outcome = {};
};

class StateCache {
 public:
  // `log` gets one line for the user now and then, from any thread. States beyond `limit_bytes` in
  // all are dropped, the one least recently used first.
  explicit StateCache(const std::filesystem::path& cache,
                      std::function<void(const std::string&)> log = {},
                      std::uint64_t limit_bytes = std::uint64_t{4} << 30);

  // The state of `spec`, whose checksum has been verified or which has been made now. If making it
  // has failed once, this object does not try again and returns the same outcome. Failure(kUsage)
  // when a file of `spec`, QEMU or the cache cannot be used.
  StateOutcome obtain(const VmSpec& spec, const Deadlines& deadlines,
                      const std::atomic<bool>& cancel);

  // Runs one cell: from a saved state where this QEMU and accelerator can, else by a boot of its
  // own; the outcome says which. `on_frame` gets `hello` and `ready` first in either case.
  GuestOutcome run_cell(const VmSpec& spec, const std::string& cell, const Deadlines& deadlines,
                        const FrameCallback& on_frame, const std::atomic<bool>& cancel,
                        const LifeExtras& extras = {});

  // SHA-256 over all that a state depends on: QEMU's version and binary, its arguments, kernel,
  // initrd and the wire's constants.
  std::string key_of(const VmSpec& spec);

  // Drops the state, as damaged.
  void forget(const std::string& key);

 private:
  struct Lock;
  std::string file_hash(const std::filesystem::path& file);
  std::string qemu_identity(const std::string& program);
  std::optional<SavedState> open(const std::string& key);
  StateOutcome make(const VmSpec& spec, const std::string& key, const Deadlines& deadlines,
                    const std::atomic<bool>& cancel);
  void prune(const std::string& keep);
  [[nodiscard]] std::filesystem::path folder(const std::string& key) const;
  void say(const std::string& line) const;

  std::filesystem::path states_;
  std::function<void(const std::string&)> log_;
  std::uint64_t limit_bytes_;
  std::mutex mutex_;                           // protects all members below
  std::map<std::string, std::string> hashes_;  // SHA-256 of a file, by its path, size and time
  std::map<std::string, std::string> qemus_;   // version and SHA-256 of QEMU, by its SHA-256
  std::map<std::string, std::string>
      verified_;  // by key: the state file's stamp when it was verified
  std::map<std::string, GuestOutcome>
      failures_;  // by key: what became of the guest that was to give the state
  std::map<std::string, int> unusable_;  // by key: how often a restore has failed
};

}  // namespace faultline
