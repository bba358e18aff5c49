// SPDX-License-Identifier: GPL-2.0-only
// Profiles in the formats of tools that show them. All pure.
#pragma once

#include <string>

#include "observe/profile.h"

namespace faultline::observe {

// A line a stack, `OUTERMOST;...;INNERMOST COUNT`, as flame graphs are drawn from.
std::string folded(const Profile& profile);
// For KCachegrind and callgrind_annotate. `title` says of what.
std::string callgrind(const Profile& profile, const std::string& title);
// For pprof: profile.proto, gzipped.
std::string pprof(const Profile& profile, const std::string& title);

}  // namespace faultline::observe
