// SPDX-License-Identifier: GPL-2.0-only
// What `faultline --version` says.
#pragma once

#include <string>

namespace faultline {

// Which QEMU the guests run in, or that it will be fetched; fetches nothing. Failure(kUsage) as
// guest_qemu().
std::string found_qemu();

// The build, the versions of what it exchanges with others, the QEMU.
std::string version_text();

}  // namespace faultline
