// SPDX-License-Identifier: GPL-2.0-only
// The result file as it is written (docs/result-format.md).
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "cell/failure.h"
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

// How many of a campaign's rows or tests came to what.
struct Tally {
  std::size_t ok = 0;
  std::size_t skipped = 0;
  std::size_t incomplete = 0;
  std::size_t failed = 0;

  void count(std::string_view status);
  [[nodiscard]] std::size_t total() const { return ok + skipped + incomplete + failed; }
};
Tally tally(const std::vector<Row>& rows);
// "3 cells: 2 ok, 1 skipped, 0 failed, 0 incomplete". Pure.
std::string tally_text(const Tally& tally, const std::string& what);
// What a campaign's end is for whoever called it. Pure.
ExitCode end_code(const Tally& tally, bool interrupted, bool vm_failed);

// Notes in the context whether all is there, and if not, how many `what` (a plural) are not, and
// whether the campaign was interrupted, which is known at its end.
void note_complete(nlohmann::json& context, const Tally& tally, const std::string& what,
                   bool interrupted = false);

// Notes in the context the seconds taken so far, and the command's own largest resident set, in
// KiB.
void note_elapsed(nlohmann::json& context, double seconds);

// Puts `tax` and `tax_page` into every probed row whose twin is there: its figure less the twin's.
// Both must be `ok`. Pure.
void add_tax(std::vector<Row>& rows);

// Writes a result of any kind, whole or not at all.
void write_document(const std::filesystem::path& file, const nlohmann::json& document);
// Writes DIR/result.json.
void write_result(const std::filesystem::path& dir, const nlohmann::json& context,
                  const std::vector<Row>& rows);

// What a result that was written earlier holds, in a folder or a file of any name; nothing if there
// is none, or it is damaged.
// NOLINTNEXTLINE(bugprone-exception-escape): json's move checks itself, and does not throw.
struct ReadResult {
  nlohmann::json context = {};
  std::vector<Row> rows = {};
};
ReadResult read_result(const std::filesystem::path& place);
// Reads the same from a file's text. Pure.
ReadResult result_of(const std::string& text);

// What figures hang on and two contexts do not have in common, in a word or two each, the gravest
// first; of kernels those that both have. Pure.
struct ContextDifference {
  std::string what = {};
  bool kernel = false;  // the code that is measured is another
};
std::vector<ContextDifference> what_differs(const nlohmann::json& one, const nlohmann::json& other);

// Refuses to go on with a result, in `place`, of another context than the one of now.
// Failure(kUsage) naming the first difference.
void refuse_other_context(const nlohmann::json& before, const nlohmann::json& now,
                          const std::string& place);
// Takes into the context of now what guests told of themselves before, none of which may run again,
// and which command began it.
void take_earlier_context(const nlohmann::json& before, nlohmann::json& now);

// Makes the folder. Failure(kUsage) when it cannot be written, or holds a file of that name already
// and `replace` is false.
void claim_output(const std::filesystem::path& dir, const char* name, bool replace);

}  // namespace faultline
