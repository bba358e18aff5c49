// SPDX-License-Identifier: GPL-2.0-only
// Packages of a suite, unpacked into a folder: what all that fetches a tool shares.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "vm/packages/apt.h"
#include "vm/packages/fetch.h"
#include "vm/packages/package.h"

namespace faultline {

// Downloads each package into `scratch`, writes what `filter` takes of it into `destination`, and
// returns {NAME: [VERSION, SHA256]} for the stamp of a cache entry. Errors of apt_download() and
// unpack_deb().
nlohmann::json unpack_all(const AptLists& lists, const std::vector<AptPackage>& packages,
                          const std::filesystem::path& scratch,
                          const std::filesystem::path& destination, const MemberFilter& filter,
                          const UnpackOptions& options, const Progress& tell);

// A package's member where merged systems have it: /bin, /sbin, /lib and /lib64 below /usr. Pure.
std::string merged_place(const std::string& member);

// Makes a symbolic link and the folders above it, unless something is there.
void link_to(const std::filesystem::path& place, const std::string& target);
// The links of a merged system in `root`: /bin and the like, and the loader's own in /lib64.
void link_merged(const std::filesystem::path& root);

}  // namespace faultline
