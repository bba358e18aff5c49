// SPDX-License-Identifier: GPL-2.0-only
// What of a guest's words comes into a result. The guest runs the code that is measured, and that
// may be a kernel gone wrong: its row is believed where it is of the cell that was asked for and
// its numbers agree with each other.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cell/row.h"
#include "harness/wire.h"

namespace faultline {

// What a guest has sent of its cell.
struct SentWords {
  std::vector<std::string> results = {};  // payloads
  std::string samples = {};

  // Keeps the payload of a `result` or `samples` frame, and passes any other over.
  void add(const wire::Frame& frame);
};

// Says in what a row that is `ok` contradicts itself; empty if in nothing that can be told. Pure.
std::string contradiction_in(const Row& row);

// The row that a guest sent for the cell of `planned`; nullopt, and why there is none. Nothing sent
// at all leaves `why` to be said by the guest's end. What a guest does not know of its own
// surroundings is as planned. Pure.
std::optional<Row> sent_row(const SentWords& words, const Row& planned, std::string& why);

}  // namespace faultline
