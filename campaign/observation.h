// SPDX-License-Identifier: GPL-2.0-only
// Cells that are watched by QEMU's plugin (observe/plugin.cc) while they are measured.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "campaign/machine.h"
#include "campaign/runner.h"
#include "cell/cell.h"
#include "cell/row.h"
#include "observe/profile.h"
#include "observe/symbols.h"
#include "vm/process.h"
#include "vm/saved_state.h"

namespace faultline {

// Why a cell cannot be observed; empty if it can. Pure.
std::string why_not_observed(const Cell& cell, const VmSpec& spec);

// What was observed of one life.
class Observation {
 public:
  Observation(const VmSpec& spec, const Cell& cell, const ObserveWish& wish,
              const std::filesystem::path& plugin, std::shared_ptr<const observe::Symbols> symbols);
  // The arguments by which the QEMU to be watched loads the plugin.
  [[nodiscard]] std::vector<std::string> qemu_parameters() const;
  // The profile of what was executed so far. Failure(kRegression) in words where it does not come
  // to the row's figure.
  [[nodiscard]] observe::Profile profile(const Row& row) const;

 private:
  VmSpec spec_;
  Count lanes_;
  ObserveWish wish_;
  std::filesystem::path plugin_;
  std::shared_ptr<const observe::Symbols> symbols_;
  Fd record_;
  Fd for_plugin_;
};

// The figures that a row has of a profile. `pages` are those of 4 KiB that the loop touched. Pure.
ProfileFigures profile_figures(const observe::Profile& profile, Count pages);
VectorFigures vector_figures(const observe::Profile& profile, const Row& row,
                             const observe::Geometry& geometry);
CacheFigures cache_figures(const observe::Profile& profile, Count pages,
                           const observe::Geometry& geometry);

// The text of a `symbols` frame, which deflate made shorter; empty if it is none, or one of more
// than 64 MiB. Pure.
std::string inflated(const std::string& packed);

// The functions of each guest's kernel and modules, kept in the cache.
class KernelSymbols {
 public:
  explicit KernelSymbols(std::filesystem::path cache) : folder_(std::move(cache)) {}
  // Asks a guest of this spec for them, which runs the cell beforehand, unless they are known.
  // Returns nullptr, and says in `why`, if the guest did not tell.
  std::shared_ptr<const observe::Symbols> obtain(StateCache& states, const VmSpec& spec,
                                                 const Cell& cell, const Deadlines& deadlines,
                                                 const std::atomic<bool>& cancel, std::string& why);

 private:
  std::filesystem::path folder_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<const observe::Symbols>> known_;
};

}  // namespace faultline
