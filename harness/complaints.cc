// SPDX-License-Identifier: GPL-2.0-only
#include "harness/complaints.h"

#include <fmt/format.h>

#include <algorithm>

#include "cell/row.h"

namespace faultline {
namespace {

struct FaultBit {
  const char* name;
  uint32_t bit;
};
constexpr FaultBit kFaultBits[] = {
#define VM_FAULT(id, bit_) {.name = "VM_FAULT_" #id, .bit = (bit_)},
#include "bpf/vm_fault.def"
#undef VM_FAULT
};

std::string fault_bit_names(uint32_t bits) {
  std::string names;
  for (const FaultBit& row : kFaultBits) {
    if ((bits & row.bit) == 0) continue;
    names += names.empty() ? row.name : fmt::format(", {}", row.name);
  }
  return names;
}

}  // namespace

std::string complaint_of(const Proof& proof) {
  if (proof.dax != proof.dax_asked) {
    return fmt::format("statx says DAX is {} on {}", proof.dax_asked ? "off" : "on", proof.fs);
  }
  if (proof.map_sync != proof.map_sync_asked) {
    return "VmFlags in smaps do not show MAP_SYNC (sf) as asked";
  }
  return "";
}

uint64_t CellCounts::expected_faults() const {
  if (!mapped) return 0;
  return protects ? std::max(touches, faults) : touches;
}

std::string complaint_of(const CellCounts& counts) {
  const uint64_t expected = counts.expected_faults();
  // It comes first: a fault that failed is why other counts do not agree.
  if (counts.probed && counts.probed->errors != 0) {
    return fmt::format("{} attempts at a fault ended in an error ({})", counts.probed->errors,
                       fault_bit_names(counts.probed->error_bits));
  }
  if (counts.faults != expected) {
    return fmt::format("{} touches took {} faults, not {}", counts.touches, counts.faults,
                       expected);
  }
  if (counts.mapped && counts.order_mapped != id_of(counts.order_asked)) {
    return fmt::format("asked for {} entries, the kernel mapped {}", id_of(counts.order_asked),
                       counts.order_mapped);
  }
  if (counts.module_faults && *counts.module_faults != expected) {
    return fmt::format("{} touches, but the module saw {} faults", counts.touches,
                       *counts.module_faults);
  }
  if (!counts.probed) return "";
  const CellCounts::Probed& probed = *counts.probed;
  if (probed.faults != expected) {
    return fmt::format("{} touches, {} faults, but {} samples by {}", counts.touches, counts.faults,
                       probed.faults, probed.by);
  }
  if (counts.mapped && (probed.huge == probed.faults) != (counts.order_asked == Order::kPmd)) {
    return fmt::format("{} of {} faults came in with a huge order", probed.huge, probed.faults);
  }
  if (probed.commits && counts.journal_commits && *probed.commits != *counts.journal_commits) {
    return fmt::format("{} commits by the probe, {} by the file system's own counter",
                       *probed.commits, *counts.journal_commits);
  }
  return "";
}

std::string complaint_of(const ContestCounts& counts) {
  if (counts.stores == 0 && counts.starved == 0) return "no store ended, and none starved";
  if (counts.module_faults && *counts.module_faults < counts.stores) {
    return fmt::format("{} stores, but the module saw {} faults", counts.stores,
                       *counts.module_faults);
  }
  if (counts.kernel_faults && *counts.kernel_faults < counts.stores) {
    return fmt::format("{} stores on fresh pages took {} faults", counts.stores,
                       *counts.kernel_faults);
  }
  if (counts.alone && counts.kernel_faults && *counts.kernel_faults != counts.stores) {
    return fmt::format("the victim alone: {} stores on fresh pages took {} faults", counts.stores,
                       *counts.kernel_faults);
  }
  if (counts.attacked && counts.attempts_to_touch == 0) return "no attacker touched";
  return "";
}

Standing standing_of(const std::string& complaint, const Losses& losses) {
  if (!complaint.empty()) return {.status = kStatusFailed, .reason = complaint};
  const uint64_t lost = losses.dropped + losses.recursion + losses.slots;
  if (lost == 0) return {.status = kStatusOk, .reason = ""};
  return {.status = kStatusIncomplete,
          .reason = fmt::format(
              R"(lost {} events: {{"dropped":{},"missed":{},"recursion":{},"slots":{}}})", lost,
              losses.dropped, losses.missed, losses.recursion, losses.slots)};
}

}  // namespace faultline
