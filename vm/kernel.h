// SPDX-License-Identifier: GPL-2.0-only
// A kernel that can be booted, wherever it comes from.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace faultline {

// A kernel that can be booted.
struct FetchedKernel {
  std::string id = {};                     // of the row; of the user's own: own_kernel_id(), a NAME
  std::string release = {};                // uname -r
  std::string build = {};                  // the whole version string in the bzImage
  std::string package = {};                // Debian's name; empty for the user's own
  std::string version = {};                // Debian's version; empty for the user's own
  std::filesystem::path vmlinuz = {};      // a bzImage
  std::filesystem::path modules_dir = {};  // what the kernel calls /lib/modules/RELEASE, or none
  std::filesystem::path config = {};       // empty if not known
  std::string path = {};                   // as the user gave it; empty for Debian's
  std::vector<std::string> suites = {};    // of Debian; empty for the user's own
  std::vector<std::string> config_notes = {};  // what makes a fault take another path than Debian's
  std::uint64_t delay = 0;  // instructions planted in each fault; `id` ends in +delay
};

}  // namespace faultline
