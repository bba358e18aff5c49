// SPDX-License-Identifier: GPL-2.0-only
// What everything that fetches packages takes.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

namespace faultline {

// One line for the user about a step that takes time.
using Progress = std::function<void(const std::string&)>;

struct FetchOptions {
  bool refresh = false;                        // look for a newer one than the cache has
  std::filesystem::path etc_apt = "/etc/apt";  // where this machine's apt sources are
};

}  // namespace faultline
