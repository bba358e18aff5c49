// SPDX-License-Identifier: GPL-2.0-only
// Where cells run: a guest of QEMU's, or the machine itself. A campaign asks one of them and does
// not know which.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "campaign/context.h"
#include "campaign/machine.h"
#include "campaign/progress.h"
#include "campaign/result.h"
#include "cell/axes.h"
#include "cell/plan.h"
#include "cell/row.h"
#include "observe/geometry.h"
#include "observe/profile.h"
#include "vm/guest.h"
#include "vm/kernel_table.h"

namespace faultline {

// One row that is to be measured, and what it is measured in.
struct CellJob {
  std::size_t row = 0;  // in the result
  Cell cell = {};
  VmSpec spec = {};       // of a guest; unused on the host
  std::string what = {};  // to tell the user: the row's name, and which of its samples
  bool module = false;    // its image holds the strategy module
  bool again = false;     // to explain a row that there is: it is not observed
};

// The result's context, which guests fill in as they come up.
// json() is noexcept.
struct SharedContext {  // NOLINT(bugprone-exception-escape)
  std::mutex mutex;
  nlohmann::json json;
};

// One kernel on which the selection is measured.
struct RunnerKernel {
  std::string id = {};
  Sources sources = {};  // the tables; on the host the one file system of the folder
  Surroundings around = {};
};

class Runner {
 public:
  virtual ~Runner() = default;

  [[nodiscard]] virtual TimeBase time() const = 0;
  // How many cells may run side by side without touching each other's figures.
  [[nodiscard]] virtual unsigned workers() const = 0;
  // Fetches, builds and looks; from then on the context says what cells run on. Failure when that
  // cannot be.
  virtual std::vector<RunnerKernel> prepare(SharedContext& context) = 0;
  // Readies the machine of a job on kernel number `kernel`, and says in the row what it is. Returns
  // why that cannot be, for which the row is skipped, or an empty text.
  virtual std::string assign(std::size_t kernel, CellJob& job, Row& row) = 0;
  // Makes what cells have in common, before the first of them runs: in a VM the saved states.
  virtual void warm_up(const std::vector<CellJob>& jobs, unsigned workers, SharedContext& context,
                       ProgressLine& progress, std::atomic<bool>& cancel) = 0;
  // Runs one cell to its end. `on_frame` gets its `samples` and `result` frames; others go into the
  // context.
  virtual GuestOutcome run(const CellJob& job, const FrameCallback& on_frame,
                           SharedContext& context, const std::atomic<bool>& cancel) = 0;
  // How many vCPUs a row that no job has settled is said to have; nothing where there is no VM.
  [[nodiscard]] virtual std::optional<Count> vcpus() const = 0;
  // Puts into the row what only the end of its life tells.
  virtual void note_life(const GuestOutcome& outcome, Row& row) const = 0;
  // Whether a cell's life is to be watched from outside, where that can be done.
  [[nodiscard]] virtual bool is_observed(const CellJob& /*job*/) const { return false; }
  // Puts into the row of a cell that was measured well what was observed of it; the row fails where
  // that does not agree with its figure. Called under the lock of the context.
  virtual void put_observed(const CellJob& /*job*/, Row& /*row*/) {}
  // Cleans up: nothing of ours is left behind.
  virtual void close() = 0;
};

// What is observed of cells from outside the guest, in virtual time (docs/observer.md).
struct ObserveWish {
  bool profile = false;
  bool vector = false;
  bool caches = false;
  std::uint64_t last_seed = UINT64_MAX;  // the last that is observed
  observe::Geometry geometry = {};       // of the TLB of `vector`, and of the caches
  explicit operator bool() const { return profile || vector || caches; }
};
// Reads a list of names. Failure(kUsage) naming those that there are.
ObserveWish observe_named(const std::string& list);
// Reads a geometry by the name of a file in `folder`, or by a path that ends in .toml; an empty
// name is the default. Failure(kUsage) naming those that there are.
observe::Geometry geometry_named(const std::string& name, const std::filesystem::path& folder);

struct VmWish {
  std::string kernel = kernel_table().front().id;
  std::string modules = {};  // of a kernel that is a path
  std::string accel = "tcg-icount";
  unsigned pmem_mib = kPmemMib;
  Deadlines deadlines = {.boot_s = 300, .cell_s = 300};
  ObserveWish observe = {};
  // It is called with every profile and the row that this is of, under the lock of the context.
  std::function<void(const Row&, const observe::Profile&)> on_profile = {};
  // It is called with the reason whenever a life that was to be observed is not.
  std::function<void(const std::string&)> on_unobserved = {};
};
std::unique_ptr<Runner> make_vm_runner(const CommandContext& context, const VmWish& wish, Say say,
                                       std::atomic<bool>& cancel);

// Plans, and neither boots nor fetches: kernels that are not in the cache are known by name alone.
std::unique_ptr<Runner> make_dry_runner(const VmWish& wish, Say say);

// Sets what of a guest hangs on its cell: the size of the pmem, of which `pmem_mib` were asked for,
// and the vCPUs. Failure(kUsage) unless the cell's file fits.
void size_guest(VmSpec& spec, const Cell& cell, unsigned pmem_mib);

struct HostWish {
  std::string dir = {};     // a folder on the mount to measure
  bool page_cache = false;  // it need not be on DAX
  double boot_s = 300;      // for a look at it
  double cell_s = 300;
};
std::unique_ptr<Runner> make_host_runner(const CommandContext& context, const HostWish& wish,
                                         Say say, std::atomic<bool>& cancel);

// Takes what a frame of kind `hello` or `ready` says of a kernel and a file system into the
// context. `context` is locked by the caller.
void note_hello(const nlohmann::json& payload, nlohmann::json& kernel);
nlohmann::json made_file_system(const nlohmann::json& payload);

}  // namespace faultline
