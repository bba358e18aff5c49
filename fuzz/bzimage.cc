// SPDX-License-Identifier: GPL-2.0-only
// A kernel's header, what is packed in it, and the configuration in that.
#include "vm/bzimage.h"

#include "fuzz/target.h"
#include "vm/kernel_config.h"

namespace faultline::fuzz {

FAULTLINE_FUZZ(bzimage) {
  refused_or_taken([&] { bzimage_version(bytes, "bzImage"); });
  const std::string_view payload = bzimage_payload(bytes);
  require(payload.size() <= bytes.size(), "what is packed lies inside");
  parse_config(embedded_config(bytes));
}

}  // namespace faultline::fuzz
