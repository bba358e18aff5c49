// SPDX-License-Identifier: GPL-2.0-only
// The name of a cell.
#include "cell/name.h"
#include "fuzz/target.h"

namespace faultline::fuzz {

FAULTLINE_FUZZ(cell_name) {
  const std::string text(bytes);
  const auto name = parse_cell_name(text);
  if (!name) return;
  std::string again =
      name->kernel.empty() && !text.starts_with('/') ? name->cell : name->kernel + '/' + name->cell;
  if (!name->probes.empty()) again += '/' + name->probes;
  require(again == text, "a name is read as it was written");
}

}  // namespace faultline::fuzz
