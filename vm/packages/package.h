// SPDX-License-Identifier: GPL-2.0-only
// Reads Debian packages (.deb) without dpkg.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

namespace faultline {

// Where a member goes, relative to the folder that is unpacked into; empty: it is left out. The
// member's path comes without a leading "./" or "/".
using MemberFilter = std::function<std::string(const std::string& member)>;

// What is made beside plain files of mode 0644.
struct UnpackOptions {
  bool executables = false;  // a file that someone may execute gets mode 0755
  // Symbolic links, after all files, so that nothing is ever written through one. They must be
  // relative and lead to somewhere inside `destination`.
  bool links = false;
  // With `links`, an absolute target is taken as whoever has `destination` as the root sees it, and
  // is made relative. One that the filter leaves out is left out with the link.
  bool rooted = false;
};

// Writes the regular files that `filter` wants from the package's data into `destination` (which
// must exist). Hard links and device nodes are never made. Returns how many files and links were
// made. Failure(kVmFailed) if `deb` is no package, is truncated or damaged, or holds a path or a
// wanted link that leads out of its own tree; the message says so and names the package. What was
// written before stays: unpack into a folder that is thrown away on failure.
int unpack_deb(const std::filesystem::path& deb, const std::filesystem::path& destination,
               const MemberFilter& filter, const UnpackOptions& options = {});

// Writes all that a tar archive holds into `destination` (which must exist), over what is there,
// without owners. Failure(kVmFailed) if it is damaged or holds a path that leads out.
void unpack_tar(const std::filesystem::path& archive, const std::filesystem::path& destination);

// `path` without "./" and empty components; Failure(kVmFailed) if a component is "..".
// `where` names the source in the message.
std::string clean_member_path(const std::string& path, const std::string& where);

}  // namespace faultline
