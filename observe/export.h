// SPDX-License-Identifier: GPL-2.0-only
// Profiles in the formats of tools that show them. All pure.
#pragma once

#include <string>

#include "observe/profile.h"

namespace faultline::observe {

// The profile with a line for each stack, `OUTERMOST;...;INNERMOST COUNT`, as flame graphs are
// drawn from.
std::string folded(const Profile& profile);
// The profile for KCachegrind and callgrind_annotate. `title` says what it is of.
std::string callgrind(const Profile& profile, const std::string& title);
// The profile for pprof: profile.proto, gzipped.
std::string pprof(const Profile& profile, const std::string& title);

}  // namespace faultline::observe
