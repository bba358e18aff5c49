// SPDX-License-Identifier: GPL-2.0-only
// Which file of a plugin of ours (observe/CMakeLists.txt) a QEMU takes.
#pragma once

#include <string>
#include <string_view>

namespace faultline {

inline constexpr char kObserverPlugin[] = "observer";
inline constexpr char kPmemLogPlugin[] = "pmem_log";

// The name of the plugin's file for a QEMU, by the first line of its --version; the file lies
// beside the command. Empty if none is built for that QEMU's interface. Pure.
std::string plugin_file(std::string_view plugin, std::string_view qemu_version);

}  // namespace faultline
