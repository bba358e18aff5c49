// SPDX-License-Identifier: GPL-2.0-only
// The guest's side of a VM run: process 1, the result channel, the point where the machine stops.
#pragma once

#include <span>

#include "harness/workload.h"

namespace faultline {

// Runs as process 1: mounts, loads the modules, makes the file system named on the kernel's command
// line, loads the probes, parks, takes the cell, runs it, sends its row and powers off. Never
// returns.
[[noreturn]] void GuestMain(std::span<const Workload* const> workloads);

}  // namespace faultline
