// SPDX-License-Identifier: GPL-2.0-only
#include "vm/packages/unpack.h"

#include <fmt/format.h>

#include <string_view>

#include "vm/files.h"

namespace faultline {
namespace fs = std::filesystem;

nlohmann::json unpack_all(const AptLists& lists, const std::vector<AptPackage>& packages,
                          const fs::path& scratch, const fs::path& destination,
                          const MemberFilter& filter, const UnpackOptions& options,
                          const Progress& tell) {
  tell(fmt::format("fetching {} packages ({})", packages.size(), download_size(packages)));
  nlohmann::json sums = nlohmann::json::object();
  for (const AptPackage& package : packages) {
    const fs::path deb = apt_download(lists.apt(), package, scratch);
    unpack_deb(deb, destination, filter, options);
    fs::remove(deb);
    sums[package.name] = {package.version, package.sha256};
  }
  return sums;
}

std::string merged_place(const std::string& member) {
  for (const std::string_view top : {"bin/", "sbin/", "lib/", "lib64/"}) {
    if (member.starts_with(top)) return "usr/" + member;
  }
  return member;
}

void link_to(const fs::path& place, const std::string& target) {
  std::error_code error;
  if (fs::exists(fs::symlink_status(place, error))) return;
  make_dirs(place.parent_path());
  fs::create_symlink(target, place, error);
  if (error) throw_io_failure("cannot create link", place, error.value());
}

void link_merged(const fs::path& root) {
  for (const char* merged : {"bin", "sbin", "lib", "lib64"}) {
    make_dirs(root / "usr" / merged);
    link_to(root / merged, std::string("usr/") + merged);
  }
  link_to(root / "usr/lib64/ld-linux-x86-64.so.2", "../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2");
}

}  // namespace faultline
