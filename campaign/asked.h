// SPDX-License-Identifier: GPL-2.0-only
// What was asked, as one text, by which a campaign knows again what it has measured before.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "campaign/context.h"

namespace faultline {

// What a figure hangs on, besides the options: what was built, and not the revision, which two
// builds may share ("unknown", or with changes that are not committed). Their bytes are read.
struct AskedBuild {
  std::filesystem::path command = {};  // the host's half
  std::filesystem::path guest = {};    // the guest's half
  std::filesystem::path kernel = {};   // of the user's own; empty for Debian's
  std::string package = {};            // which version of Debian's; empty if not known
};
// This command's own, with a kernel named as --kernel takes it.
AskedBuild build_with(const CommandContext& context, const std::string& kernel);

// One text for equal options and equal builds. Failure(kUsage) if a file cannot be read.
std::string asked_key(const nlohmann::json& options, const AskedBuild& build);

// Adds to the options what they hang on beside their names: a file system of the user's own may
// come with another row under the same id, or with another build of its module.
void add_given_rows(nlohmann::json& options);

}  // namespace faultline
