// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/parts.h"

#include <fmt/format.h>

namespace faultline {

namespace fs = std::filesystem;

namespace {

bool older(const fs::path& file, const fs::path& than) {
  std::error_code error;
  const fs::file_time_type time = fs::last_write_time(file, error);
  const fs::file_time_type other = fs::last_write_time(than, error);
  return !error && time < other;
}

}  // namespace

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
  const fs::path other = if_there(binaries / "pinned/faultline-guest");
  if (binaries == here && !other.empty() && older(other, parts.guest_binary)) {
    parts.passed_over = fmt::format(
        "{} is older than {} and is passed over: guests hold the latter, compiled for this "
        "machine's suite, whose figures are its own; `make build` makes the other anew",
        other.string(), parts.guest_binary.string());
  } else {
    parts.image_binary = other;
  }
  parts.reports = if_there(shared / "reports/faultline_report.py");
  parts.kmod = if_there(shared / "kmod/faultline_ioctl.h").parent_path();
  parts.bt = if_there(shared / "bpf/bt/fault.bt").parent_path();
  parts.caches = if_there(shared / "observe/caches/cascadelake.toml").parent_path();
  return parts;
}

}  // namespace faultline
