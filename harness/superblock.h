// SPDX-License-Identifier: GPL-2.0-only
// What a file system's superblock says that it has.
#pragma once

#include <set>
#include <string>

namespace faultline {

// The names of the feature bits that are set, as the file system's own tools print them; a bit
// without a name here as "compat-0x8000000" and the like. `type` is mount(2)'s. Empty for a type
// that is not known, or when it cannot be read or is no such file system.
std::set<std::string> features_on(const std::string& device, const std::string& type);

// The parts that read the device's first bytes. Pure.
std::set<std::string> ext4_features(const std::string& bytes);
std::set<std::string> xfs_features(const std::string& bytes);

}  // namespace faultline
