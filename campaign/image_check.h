// SPDX-License-Identifier: GPL-2.0-only
// The file systems' own checks over what a recovery has left of an image.
#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "campaign/crash_images.h"
#include "campaign/guest_memory.h"
#include "vm/packages/guest_root.h"
#include "vm/qemu.h"

namespace faultline {

class ImageCheck {
 public:
  // The checks are tools of the guest's suite, but for a file system of the user's, whose row may
  // name a program of the host.
  explicit ImageCheck(const GuestRoot& guest);
  // Puts together what the guest has said of an image (`found`) and what its file system's check
  // says of what the guest left in `memory`, which is written to `file`. Read is what either has
  // read of the image, and the lines of the writer's file that the guest has stored to.
  Recovered look_at(const VmSpec& spec, const nlohmann::json& found, GuestMemory& memory,
                    const std::filesystem::path& file) const;

 private:
  std::map<std::string, std::vector<std::string>> commands_ = {};  // by file system
};

}  // namespace faultline
