// SPDX-License-Identifier: GPL-2.0-only
// Where the command's own parts lie: in a build folder below the source tree, or installed.
#pragma once

#include <filesystem>
#include <string>

namespace faultline {

struct CommandParts {
  std::filesystem::path guest_binary = {};  // faultline-guest
  // The one that goes into guests: built by the guest's own suite's compiler, where this machine's
  // is another (tools/pinned-guest). Empty: guest_binary.
  std::filesystem::path image_binary = {};
  // What says that `image_binary` is empty though there is such a one; empty where there is none.
  std::string passed_over = {};
  std::filesystem::path reports = {};  // faultline_report.py
  std::filesystem::path kmod = {};     // the strategy module's sources
  std::filesystem::path bt = {};       // the bpftrace scripts
  std::filesystem::path caches = {};   // geometries of modelled caches
};

// The parts of the command that lies in the folder `here`. Installed as PREFIX/bin/faultline: what
// is compiled in PREFIX/lib/faultline, the rest in PREFIX/share/faultline. Else what is compiled
// lies beside it, and the rest in the folder above; a guest of the other compiler that is older
// than faultline-guest is then passed over, for it is of other sources. What is not there is empty;
// `guest_binary` is where it should be.
CommandParts find_parts(const std::filesystem::path& here);

}  // namespace faultline
