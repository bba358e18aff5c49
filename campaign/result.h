// SPDX-License-Identifier: GPL-2.0-only
// The result file as it is written (docs/result-format.md).
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cell/row.h"
#include "vm/qemu.h"

namespace faultline {

inline constexpr int kSchemaVersion = 1;
inline constexpr char kResultName[] = "result.json";

// How time is counted, as in the result: an accelerator's, or the host's own.
struct TimeBase {
  std::string_view accel;
  std::string_view time_domain;
  std::string_view unit;
};
inline constexpr TimeBase kHostTime = {"none", "wall", "ns"};
inline TimeBase time_base(const AccelInfo& info) {
  return {info.name, info.time_domain, info.unit};
}

// The part of `context` that is known before anything has run, the tables among it.
nlohmann::json result_context(const std::vector<std::string>& command_line, bool on_host,
                              const TimeBase& time);

// Seconds taken so far, and the command's own largest resident set.
void note_elapsed(nlohmann::json& context, double seconds);

// Puts `tax` and `tax_page` into every probed row whose twin is there: its figure less the twin's.
// Both must be `ok`. Pure.
void add_tax(std::vector<Row>& rows);

// Writes DIR/result.json whole or not at all.
void write_result(const std::filesystem::path& dir, const nlohmann::json& context,
                  const std::vector<Row>& rows);

// What a result that was written earlier holds, in a folder or a file of any name; nothing if there
// is none, or it is damaged.
struct ReadResult {
  nlohmann::json context = {};
  std::vector<Row> rows = {};
};
ReadResult read_result(const std::filesystem::path& place);

// Makes the folder. Failure(kUsage) when it cannot be written, or holds a file of that name already
// and `replace` is false.
void claim_output(const std::filesystem::path& dir, const char* name, bool replace);

}  // namespace faultline
