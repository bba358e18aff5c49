// SPDX-License-Identifier: GPL-2.0-only
#include "vm/packages/unpack.h"

#include <fmt/format.h>

#include <filesystem>

namespace faultline {
namespace fs = std::filesystem;

nlohmann::json unpack_all(const AptLists& lists, const std::vector<AptPackage>& packages,
                          const CacheEntry::Making& making, const MemberFilter& filter,
                          const Progress& tell) {
  tell(fmt::format("fetching {} packages ({})", packages.size(), download_size(packages)));
  nlohmann::json sums = nlohmann::json::object();
  for (const AptPackage& package : packages) {
    const fs::path deb = apt_download(lists.apt(), package, making.scratch);
    unpack_deb(deb, making.folder, filter, {.executables = true, .links = true, .rooted = true});
    fs::remove(deb);
    sums[package.name] = {package.version, package.sha256};
  }
  return {{"packages", sums}};
}

}  // namespace faultline
