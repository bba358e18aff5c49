// SPDX-License-Identifier: GPL-2.0-only
// The ranges of the numbers that more than one verb takes.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "campaign/machine.h"
#include "cell/axes.h"
#include "cell/number_option.h"
#include "vm/guest_pool.h"

namespace faultline {

inline CLI::Option* touches_of(CLI::Option* option) {
  return whole_numbers(option, 1, kMaxTouches);
}
inline CLI::Option* repetitions_of(CLI::Option* option) {
  return whole_numbers(option, 1, kMostRepetitions);
}
inline CLI::Option* seconds_of(CLI::Option* option) {
  return numbers(option, kLeastSeconds, kMostSeconds);
}
inline CLI::Option* jobs_of(CLI::Option* option) {
  const unsigned memory = memory_of_machine_mib();
  return whole_numbers(
      option, 1, most_guests(memory, kRamMib, std::thread::hardware_concurrency()),
      fmt::format("as guests of {} MiB fit this machine's {} MiB", kRamMib, memory));
}
inline CLI::Option* pmem_of(CLI::Option* option) {
  const unsigned memory = std::max(memory_of_machine_mib(), kPmemMib);
  return whole_numbers(option, 2, memory, "the MiB of memory that this machine has");
}

}  // namespace faultline
