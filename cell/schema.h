// SPDX-License-Identifier: GPL-2.0-only
// What a result may be, as JSON Schema (draft 7), and the tables that it carries along.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace faultline {

// The schema of result.json: `faultline list --schema`, and reports/result.schema.json. A row's
// part follows from cell/row.h.
nlohmann::json result_schema();

// The fields of a row as a Markdown table: the reference in docs/result-format.md.
std::string row_reference();

// The tables by name: {fs: [{id, summary, default, ...}], strategy: [...], ...}, each in the order
// in which its rows are shown. A result's `context.tables` and `faultline list` have them.
nlohmann::json tables_json();

}  // namespace faultline
