// SPDX-License-Identifier: GPL-2.0-only
// A file system that a user describes.
#include "cell/fs_row.h"

#include "cell/json_text.h"
#include "fuzz/target.h"

namespace faultline::fuzz {

FAULTLINE_FUZZ(fs_row) {
  if (nesting_of(bytes) > kMostNested) return;  // add_fs_row() refuses it
  refused_or_taken(
      [&] { fs_row_for_guest(parse_fs_row(std::string(bytes), "rows/my.json")).dump(); });
}

}  // namespace faultline::fuzz
