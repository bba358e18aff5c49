// SPDX-License-Identifier: GPL-2.0-only
// The row that a guest sends, of a cell that was asked for.
#include "campaign/sent_row.h"

#include "fuzz/target.h"

namespace faultline::fuzz {

FAULTLINE_FUZZ(sent_row) {
  static const Row planned = empty_row({.kernel = "bookworm",
                                        .fs = "ext4",
                                        .strategy = "volatile",
                                        .workload = "first_touch",
                                        .state = State::kHole,
                                        .probes = Probes::k_off},
                                       kStatusIncomplete, "not run");
  std::string why;
  const auto row = sent_row({.results = {std::string(bytes)}}, planned, why);
  require(row.has_value() || !why.empty(), "why there is no row is said");
  if (!row) return;
  require(row->name == planned.name && row->seed == planned.seed,
          "a row is of the cell that was asked for");
  require(!is_ok(*row) || (row->per_fault && row->per_page && row->pages.value_or(0) > 0),
          "a row that is ok has its figures");
}

}  // namespace faultline::fuzz
