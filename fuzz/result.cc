// SPDX-License-Identifier: GPL-2.0-only
// A result file, as `run --resume`, `merge` and the like read it.
#include "campaign/result.h"

#include "fuzz/target.h"

namespace faultline::fuzz {

FAULTLINE_FUZZ(result) {
  refused_or_taken([&] {
    ReadResult read = result_of(std::string(bytes));
    add_tax(read.rows);
    what_differs(read.context, read.context);
    for (const Row& row : read.rows) earlier_row_from_json(json_of(row));
  });
}

}  // namespace faultline::fuzz
