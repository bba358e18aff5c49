// SPDX-License-Identifier: GPL-2.0-only
// The kernels of a campaign as machines: what its guests boot, and what its result says of that.
#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "campaign/context.h"
#include "campaign/machine.h"
#include "cell/cell.h"
#include "cell/plan.h"
#include "vm/saved_state.h"

namespace faultline {

struct MachineWish {
  std::string kernel = {};  // as obtain_kernels() takes it, and the modules of a path
  std::string modules = {};
  std::string accel = "tcg-icount";
  Planted planted = Planted::kRefuse;
  ImageExtras more = {};  // in the images beside what all have
};

class Machines {
 public:
  // Makes the cache's folder.
  Machines(const CommandContext& context, Say say);

  // Finds or fetches QEMU and the kernels, settles the accelerator and makes an image of each
  // kernel; `result`, a result's context, then says what they are.
  void prepare(const MachineWish& wish, nlohmann::json& result, const std::atomic<bool>& cancel);

  [[nodiscard]] const std::filesystem::path& cache() const { return cache_; }
  [[nodiscard]] Accel accel() const { return accel_; }
  [[nodiscard]] StateCache& states() { return *states_; }
  [[nodiscard]] std::size_t count() const { return kernels_.size(); }
  [[nodiscard]] const FetchedKernel& kernel(std::size_t number) const {
    return kernels_.at(number).kernel;
  }
  // Where the tools of all guests are from.
  [[nodiscard]] const GuestRoot& guest_root() const { return kernels_.front().image.guest; }
  // What a plan must know of kernel number `number`.
  [[nodiscard]] Surroundings around(std::size_t number) const;

  // The machine of a cell on kernel number `number`. The image with the strategy module is made
  // when a cell needs it first, and noted in `result`. Returns why that cannot be, or an empty
  // text.
  std::string equip(std::size_t number, const Cell& cell, VmSpec& spec, nlohmann::json& result);

 private:
  struct Prepared {
    FetchedKernel kernel;
    GuestImage image;
    std::optional<ModuleImage> with_module;
  };

  const CommandContext& context_;
  Say say_;
  std::filesystem::path cache_;
  Accel accel_ = Accel::kTcgIcount;
  std::vector<Prepared> kernels_;
  std::unique_ptr<StateCache> states_;
};

}  // namespace faultline
