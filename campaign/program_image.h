// SPDX-License-Identifier: GPL-2.0-only
// A program of the user's in a guest's image: with the libraries that it has on this machine, in a
// folder of its own, so that they do not meet those of the guest's tools.
#pragma once

#include <string>
#include <vector>

#include "campaign/machine.h"

namespace faultline {

// "PROGRAM ARGUMENT..." in words, split at spaces. Failure(kUsage) when the first is no file that
// can be run.
std::vector<std::string> program_words(const std::string& run);

// The program of program_words() as wire::kCrashProgram, and what it needs as wire.h says. Failure
// (kUsage) when it is no x86-64 executable, or a library is missing.
ImageExtras program_in_image(const std::string& run);

}  // namespace faultline
