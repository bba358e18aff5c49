// SPDX-License-Identifier: GPL-2.0-only
#include "cell/planted.h"

#include <fmt/format.h>

#include <cstdio>
#include <utility>

#include "bpf/delay.h"
#include "cell/failure.h"

namespace faultline {
namespace {

struct OverheadRow {
  unsigned major;
  unsigned minor;
  std::uint64_t instructions;
};
constexpr OverheadRow kOverheads[] = {{.major = 5, .minor = 10, .instructions = 77},
                                      {.major = 6, .minor = 1, .instructions = 101},
                                      {.major = 6, .minor = 12, .instructions = 118},
                                      {.major = 7, .minor = 2, .instructions = 149},
                                      {.major = 7, .minor = 3, .instructions = 149}};

}  // namespace

std::uint64_t delay_overhead(const std::string& release) {
  unsigned major = 0;
  unsigned minor = 0;
  std::sscanf(release.c_str(), "%u.%u", &major, &minor);
  std::uint64_t overhead = kOverheads[0].instructions;
  for (const OverheadRow& row : kOverheads) {
    if (std::pair(row.major, row.minor) <= std::pair(major, minor)) overhead = row.instructions;
  }
  return overhead;
}

void check_delay(std::uint64_t instructions, const std::string& release) {
  const std::uint64_t least = delay_overhead(release);
  const std::uint64_t most = least + std::uint64_t{FL_DELAY_ROUND} * FL_DELAY_ROUNDS;
  if (instructions >= least && instructions < most) return;
  throw Failure(ExitCode::kUsage,
                fmt::format("a delay of {} instructions cannot be planted: on {} it can be {} to "
                            "{}; a smaller change is one between two delays (+200, +205)",
                            instructions, release, least, most - 1));
}

}  // namespace faultline
