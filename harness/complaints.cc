// SPDX-License-Identifier: GPL-2.0-only
#include "harness/complaints.h"

#include <fmt/format.h>

namespace faultline {
namespace {

struct FaultBit {
  const char* name;
  uint32_t bit;
};
constexpr FaultBit kFaultBits[] = {
#define VM_FAULT(id, bit) {"VM_FAULT_" #id, bit},
#include "bpf/vm_fault.def"
#undef VM_FAULT
};

}  // namespace

std::string complaint_of_errors(uint64_t errors, uint32_t bits) {
  if (errors == 0) return "";
  std::string names;
  for (const FaultBit& row : kFaultBits) {
    if ((bits & row.bit) == 0) continue;
    names += names.empty() ? row.name : fmt::format(", {}", row.name);
  }
  return fmt::format("{} attempts at a fault ended in an error ({})", errors, names);
}

}  // namespace faultline
