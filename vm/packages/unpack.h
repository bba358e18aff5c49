// SPDX-License-Identifier: GPL-2.0-only
// Packages of a suite, unpacked into an entry of the cache.
#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "vm/cache/entry.h"
#include "vm/packages/apt.h"
#include "vm/packages/fetch.h"
#include "vm/packages/package.h"

namespace faultline {

// Downloads each package, writes what `filter` takes of it into the entry's folder, and returns the
// fact for its stamp: {"packages": {NAME: [VERSION, SHA256]}}. Errors of apt_download() and
// unpack_deb().
nlohmann::json unpack_all(const AptLists& lists, const std::vector<AptPackage>& packages,
                          const CacheEntry::Making& making, const MemberFilter& filter,
                          const Progress& tell);

}  // namespace faultline
