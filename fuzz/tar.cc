// SPDX-License-Identifier: GPL-2.0-only
// What a session's guest leaves behind: an archive of its own making.
#include <sys/stat.h>

#include "fuzz/target.h"
#include "vm/packages/package.h"

namespace faultline::fuzz {

FAULTLINE_FUZZ(tar) {
  const Cage cage;
  refused_or_taken([&] { unpack_tar(cage.beside("out.tar", bytes), cage.inside()); });
  cage.require_kept();
  for (const auto& entry : std::filesystem::recursive_directory_iterator(
           cage.inside(), std::filesystem::directory_options::skip_permission_denied)) {
    const std::filesystem::file_status status = entry.symlink_status();
    using Type = std::filesystem::file_type;
    require(status.type() == Type::regular || status.type() == Type::directory ||
                status.type() == Type::symlink,
            "neither devices nor pipes are made");
    require(status.type() == Type::symlink ||
                (status.permissions() &
                 (std::filesystem::perms::set_uid | std::filesystem::perms::set_gid)) ==
                    std::filesystem::perms::none,
            "nothing runs as another than who starts it");
  }
}

}  // namespace faultline::fuzz
