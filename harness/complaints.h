// SPDX-License-Identifier: GPL-2.0-only
// What does not agree among the counts of a measured cell (rule 5 of DESIGN.md). Pure.
#pragma once

#include <cstdint>
#include <string>

namespace faultline {

// That `errors` attempts at a fault ended in an error; `bits` are those of bpf/vm_fault.def that
// they ended in, all together. Empty when there was none.
std::string complaint_of_errors(uint64_t errors, uint32_t bits);

}  // namespace faultline
