// SPDX-License-Identifier: GPL-2.0-only
// A kernel's .config.
#include "vm/kernel_config.h"

#include "fuzz/target.h"

namespace faultline::fuzz {

FAULTLINE_FUZZ(kernel_config) {
  const std::vector<ConfigFinding> findings =
      check_config(parse_config(bytes), release_of_config(bytes), true);
  config_report(findings);
  path_notes(findings);
}

}  // namespace faultline::fuzz
