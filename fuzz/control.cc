// SPDX-License-Identifier: GPL-2.0-only
// What apt prints, of packages that it has and of those that it would install.
#include "fuzz/target.h"
#include "vm/image.h"
#include "vm/packages/apt.h"

namespace faultline::fuzz {

FAULTLINE_FUZZ(control) {
  const std::string text(bytes);
  for (const AptPackage& package : parse_packages(text)) {
    require(!package.name.empty() && !package.sha256.empty(), "a package has name and sum");
  }
  parse_simulation(text);
  apt_complaint(text);
  parse_loader_list(text);
}

}  // namespace faultline::fuzz
