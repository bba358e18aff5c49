// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/machines.h"

#include "cell/strategy.h"
#include "vm/files.h"

namespace faultline {

Machines::Machines(const CommandContext& context, Say say)
    : context_(context), say_(std::move(say)), cache_(cache_dir()) {
  make_dirs(cache_);
}

void Machines::prepare(const MachineWish& wish, nlohmann::json& result,
                       const std::atomic<bool>& cancel) {
  // Names first: a typing error should not cost a download.
  if (wish.accel != kAccelAuto) accel_named(wish.accel);
  const std::vector<FetchedKernel> fetched =
      obtain_kernels(wish.kernel, wish.modules, cache_, say_, wish.planted);
  the_qemu(say_);
  accel_ = settle_accel(wish.accel, fetched.front(), cache_, cancel, say_);
  result["qemu"] = qemu_context();
  for (const FetchedKernel& kernel : fetched) {
    kernels_.push_back({.kernel = kernel,
                        .image = make_guest_image(context_, kernel, cache_, say_, {}, wish.more),
                        .with_module = std::nullopt});
    result["kernels"][kernel.id] = kernel_context(kernel, kernels_.back().image);
  }
  states_ = std::make_unique<StateCache>(cache_, say_);
}

Surroundings Machines::around(std::size_t number) const {
  const Prepared& on = kernels_.at(number);
  return {.release = on.kernel.release, .lacks = on.image.lacks};
}

std::string Machines::equip(std::size_t number, const Cell& cell, VmSpec& spec,
                            nlohmann::json& result) {
  Prepared& on = kernels_.at(number);
  const bool module = find_strategy(cell.strategy)->needs_module();
  if (module && !on.with_module) {
    on.with_module = make_module_image(context_, on.kernel, cache_, say_);
    if (on.with_module->reason.empty()) {
      result["kernels"][on.kernel.id]["module"] = on.with_module->context;
    }
  }
  if (module && !on.with_module->reason.empty()) return on.with_module->reason;
  spec =
      guest_spec(on.kernel, module ? on.with_module->image.path : on.image.path, cell.fs, accel_);
  return "";
}

}  // namespace faultline
