// SPDX-License-Identifier: GPL-2.0-only
// The side file of a result that was measured with --samples: fixed records, little endian, one
// after the other. A row's `samples` says which are its own, its `sample_kinds` what their kinds
// stand for.
#pragma once

#include <cstdint>

namespace faultline {

inline constexpr char kSamplesName[] = "samples.bin";

// One record, as the eBPF programs write it (struct fl_sample of bpf/sample.h). Times in ns of the
// guest's clock, which are instructions in virtual time.
struct SampleRecord {
  std::uint32_t kind = 0;  // an index into the row's sample_kinds
  std::uint32_t tid = 0;
  std::uint64_t start = 0;
  std::uint64_t duration = 0;
  std::uint64_t address = 0;  // of the fault; of a commit the bytes that it logged (XFS: 0); else 0
  std::uint32_t result = 0;  // VM_FAULT bits; of a commit the thread that asked; of a lock its kind
  std::uint32_t order = 0;   // of a fault 0 or 9; of a commit how many faults it served
  std::uint64_t link = 0;    // of a commit its transaction or push; of a sync the one it waited for

  [[nodiscard]] std::uint64_t end() const { return start + duration; }
};
static_assert(sizeof(SampleRecord) == 48);

}  // namespace faultline
