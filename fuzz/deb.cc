// SPDX-License-Identifier: GPL-2.0-only
// A Debian package, unpacked whole.
#include "fuzz/target.h"
#include "vm/packages/package.h"

namespace faultline::fuzz {

FAULTLINE_FUZZ(deb) {
  const Cage cage;
  refused_or_taken([&] {
    unpack_deb(cage.beside("a.deb", bytes), cage.inside(),
               [](const std::string& member) { return member; },
               {.executables = true, .links = true, .rooted = true});
  });
  cage.require_kept();
}

}  // namespace faultline::fuzz
