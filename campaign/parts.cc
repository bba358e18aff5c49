// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/parts.h"

namespace faultline {

namespace fs = std::filesystem;

CommandParts find_parts(const fs::path& here) {
  std::error_code error;
  const auto whole = [&](const fs::path& path) {
    const fs::path canonical = fs::weakly_canonical(path, error);
    return error ? path : canonical;
  };
  const auto if_there = [&](const fs::path& path) {
    return fs::exists(path, error) ? whole(path) : fs::path();
  };
  fs::path binaries = here;
  const fs::path above = here.parent_path();
  fs::path shared = above;
  // A command that was built and not installed never takes another one's guest.
  if (!fs::exists(here / "faultline-guest", error) &&
      fs::exists(above / "lib/faultline/faultline-guest", error)) {
    binaries = above / "lib/faultline";
    shared = above / "share/faultline";
  }
  CommandParts parts;
  parts.guest_binary = whole(binaries / "faultline-guest");
  parts.image_binary = if_there(binaries / "pinned/faultline-guest");
  parts.reports = if_there(shared / "reports/faultline_report.py");
  parts.kmod = if_there(shared / "kmod/faultline_ioctl.h").parent_path();
  parts.bt = if_there(shared / "bpf/bt/fault.bt").parent_path();
  return parts;
}

}  // namespace faultline
