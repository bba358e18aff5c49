// SPDX-License-Identifier: GPL-2.0-only
#include "trace/samples.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <nlohmann/json.hpp>

#include "campaign/result.h"
#include "cell/failure.h"
#include "cell/json_text.h"
#include "cell/name.h"
#include "cell/row.h"
#include "vm/files.h"

namespace faultline {

namespace fs = std::filesystem;

const std::vector<KindRow>& known_kinds() {
  static const std::vector<KindRow> table = {
      {.name = "fault", .exclusive = true, .of_fault = true, .show_zero = true},
      {.name = kKindSync,
       .exclusive = true,
       .of_fault = true,
       .link_name = "waits_for_transaction"},
      {.name = "commit",
       .home = Home::kJournal,
       .result_name = "asked_by_thread",
       .order_name = "served_faults",
       .link_name = "transaction"},
      {.name = "fast_commit",
       .home = Home::kJournal,
       .result_name = "asked_by_thread",
       .order_name = "served_faults",
       .link_name = "transaction"},
      {.name = "lock_wait", .home = Home::kLocks, .show_zero = true, .result_name = "lock"},
      {.name = "lock_hold", .home = Home::kLocks, .show_zero = true, .result_name = "lock"}};
  return table;
}

KindRow kind_named(const std::string& name) {
  for (const KindRow& row : known_kinds()) {
    if (name == row.name) return row;
  }
  return {};
}

namespace {

constexpr std::size_t kAskEvery = 4096;

[[noreturn]] void damaged(const fs::path& file, const std::string& what) {
  throw Failure(ExitCode::kUsage,
                fmt::format("{}: {}: the file is damaged or no result; run the measurement again",
                            file.string(), what));
}

nlohmann::json parsed(const fs::path& file) {
  const std::string text = read_file(file);
  if (nesting_of(text) > kMostNested) damaged(file, "it nests deeper than a result does");
  try {
    return nlohmann::json::parse(text);
  } catch (const nlohmann::json::parse_error& error) {
    damaged(file, fmt::format("no JSON at byte {}", error.byte));
  }
}

// The scalars of the context, by path; lists (the command line) become one text.
void note(const nlohmann::json& json, const std::string& path,
          std::map<std::string, std::string>& context) {
  if (json.is_object()) {
    for (const auto& [key, value] : json.items()) {
      // The tables say what names stand for, and nothing of this run.
      if (path.empty() && key == "tables") continue;
      note(value, path.empty() ? key : fmt::format("{}.{}", path, key), context);
    }
  } else if (json.is_array()) {
    for (const nlohmann::json& item : json) note(item, path, context);
  } else if (!json.is_null()) {
    std::string& text = context[path];
    text += (text.empty() ? "" : " ") + (json.is_string() ? json.get<std::string>() : json.dump());
  }
}

// The records that a row says are its own.
class Records {
 public:
  Records(const fs::path& result, const std::atomic<bool>& interrupted)
      : result_(result), interrupted_(interrupted) {}

  std::vector<Sample> of(const std::string& row, const SamplesRef& ref) {
    if (ref.file != kSamplesName) damaged(result_, fmt::format("{}: no file {}", row, ref.file));
    const fs::path file = result_.parent_path() / kSamplesName;
    if (!in_.is_open()) {
      errno = 0;
      in_.open(file, std::ios::binary);
      if (!in_) throw_io_failure("cannot read", file, errno);
      std::error_code error;
      bytes_ = fs::file_size(file, error);
    }
    const std::uint64_t all = bytes_ / sizeof(Sample);
    if (bytes_ % sizeof(Sample) != 0 || ref.first > all || ref.count > all - ref.first) {
      damaged(file, fmt::format("{}: records {} to {} of {}", row, ref.first, ref.first + ref.count,
                                all));
    }
    std::vector<Sample> samples(ref.count);
    in_.seekg(static_cast<std::streamoff>(ref.first * sizeof(Sample)));
    for (std::size_t i = 0; i < samples.size(); i += kAskEvery) {
      if (interrupted_) throw Failure(ExitCode::kUsage, "interrupted: nothing was written");
      const std::size_t count = std::min(kAskEvery, samples.size() - i);
      in_.read(reinterpret_cast<char*>(&samples[i]),
               static_cast<std::streamsize>(count * sizeof(Sample)));
    }
    if (!in_) throw_io_failure("cannot read", file, errno);
    return samples;
  }

 private:
  fs::path result_;
  const std::atomic<bool>& interrupted_;
  std::ifstream in_;
  std::uint64_t bytes_ = 0;
};

// What a row with samples says of them.
struct Described {
  std::string name;
  std::uint64_t seed = 0;
  std::uint64_t repetition = 0;
  std::string unit;
  std::vector<std::string> kinds = {};
  SamplesRef ref = {};
};

Described described(const fs::path& file, const nlohmann::json& row) {
  Described of{.name = text_in(row, "name"), .unit = text_in(row, "unit")};
  if (row.at("samples").is_array()) {
    throw Failure(ExitCode::kUsage,
                  fmt::format("{}: {}: its samples lie in the result itself, as an earlier "
                              "faultline wrote them; run the measurement again",
                              file.string(), of.name));
  }
  if (of.name.empty() || of.unit.empty()) {
    damaged(file, "a row with samples has no name or unit");
  }
  try {
    record::read_record(row.at("samples"), of.ref, "samples");
    of.kinds = row.at("sample_kinds").get<std::vector<std::string>>();
    of.seed = row.value("seed", std::uint64_t{0});
    of.repetition = row.value("repetition_index", std::uint64_t{0});
  } catch (const std::exception& e) {
    damaged(file, fmt::format("{}: {}", of.name, e.what()));
  }
  return of;
}

void check(const fs::path& file, const SampleRow& row) {
  for (std::size_t i = 0; i < row.samples.size(); ++i) {
    const Sample& sample = row.samples[i];
    if (sample.kind >= row.kinds.size()) {
      damaged(file, fmt::format("{}: sample {} is of kind {}, but there are {} kinds", row.name, i,
                                sample.kind, row.kinds.size()));
    }
    if (sample.end() < sample.start) {
      damaged(file, fmt::format("{}: sample {} holds a number too large", row.name, i));
    }
  }
}

}  // namespace

std::string life_name(const SampleRow& row) {
  return sample_name(row.name, row.seed, row.repetition);
}

SampleFile read_samples(const fs::path& file,
                        const std::function<bool(const std::string& cell)>& wanted,
                        const std::function<void(const SampleRow&)>& take,
                        const std::atomic<bool>& interrupted) {
  const nlohmann::json result = parsed(file);
  if (!result.is_object() || !result.contains("context") || !result.contains("benchmarks")) {
    damaged(file, "it has no `context` or no `benchmarks`");
  }
  const nlohmann::json& rows = result.at("benchmarks");
  const nlohmann::json& context = result.at("context");
  if (!rows.is_array() || !context.is_object()) damaged(file, "`benchmarks` is no list");
  const auto schema = context.find("schema_version");
  if (const auto version =
          schema != context.end() && schema->is_number_integer() ? schema->get<std::int64_t>() : 0;
      version > kSchemaVersion) {
    throw Failure(ExitCode::kUsage,
                  fmt::format("{}: its schema is version {}, this command reads up to {}; take "
                              "the faultline that wrote it",
                              file.string(), version, kSchemaVersion));
  }
  SampleFile read;
  read.rows = rows.size();
  note(context, "", read.context);
  Records records(file, interrupted);
  for (const nlohmann::json& row : rows) {
    if (!row.is_object() || !row.contains("samples") || row.at("samples").is_null()) continue;
    const Described of = described(file, row);
    if (of.ref.count == 0) continue;
    read.cells.push_back(of.name);
    if (!wanted(of.name)) continue;
    const SampleRow taken{.name = of.name,
                          .seed = of.seed,
                          .repetition = of.repetition,
                          .unit = of.unit,
                          .kinds = of.kinds,
                          .samples = records.of(of.name, of.ref)};
    check(file, taken);
    take(taken);
  }
  return read;
}

}  // namespace faultline
