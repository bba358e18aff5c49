// SPDX-License-Identifier: GPL-2.0-only
// A planted regression: a kernel called `NAME+N` takes N instructions more in each DAX fault, with
// or without probes, so that what finds regressions can be tried on one of a known size.
#pragma once

#include <cstdint>
#include <string>

namespace faultline {

// The instructions that the program costs a fault on a kernel of this release by being there,
// before the first of the filler: the tracepoint's call, the program's entry and exit. They were
// measured (docs/bisect.md); a release that is no row has those of the last one before it.
std::uint64_t delay_overhead(const std::string& release);

// Failure(kUsage) for fewer instructions than the program spends anyway on a kernel of this
// release, and for more than it can.
void check_delay(std::uint64_t instructions, const std::string& release);

}  // namespace faultline
