// SPDX-License-Identifier: GPL-2.0-only
#include "cli/samples.h"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <fstream>
#include <nlohmann/json.hpp>

#include "cli/result.h"
#include "harness/failure.h"
#include "vm/files.h"

namespace faultline {

namespace fs = std::filesystem;

const std::vector<KindRow>& known_kinds() {
  static const std::vector<KindRow> table = {
      {"fault", Home::kThread, true, true, true, "result", "order", "link"},
      {kKindSync, Home::kThread, true, true, false, "result", "order", "waits_for_transaction"},
      {"commit", Home::kJournal, false, false, false, "asked_by_thread", "served_faults",
       "transaction"},
      {"fast_commit", Home::kJournal, false, false, false, "asked_by_thread", "served_faults",
       "transaction"},
      {"lock_wait", Home::kLocks, false, false, true, "lock", "order", "link"},
      {"lock_hold", Home::kLocks, false, false, true, "lock", "order", "link"}};
  return table;
}

KindRow kind_named(const std::string& name) {
  for (const KindRow& row : known_kinds()) {
    if (name == row.name) return row;
  }
  return {"", Home::kThread, false, false, false, "result", "order", "link"};
}

namespace {

// Depths of the document: {1 "benchmarks": [2 {3 "samples": [4 [5 ...
constexpr int kRootDepth = 1;
constexpr int kRowDepth = 3;
constexpr int kListDepth = 4;
constexpr int kSampleDepth = 5;
constexpr size_t kFields = 8;
constexpr size_t kOldFields = 7;
constexpr size_t kAskEvery = 4096;

class Reader {
 public:
  using json = nlohmann::json;
  using number_integer_t = json::number_integer_t;
  using number_unsigned_t = json::number_unsigned_t;
  using number_float_t = json::number_float_t;
  using string_t = json::string_t;
  using binary_t = json::binary_t;

  Reader(std::string path, const std::function<bool(const std::string&)>& wanted,
         const std::function<void(const SampleRow&)>& take, const std::atomic<bool>& interrupted)
      : path_(std::move(path)), wanted_(wanted), take_(take), interrupted_(interrupted) {}

  bool null() {
    odd("null");
    return true;
  }
  bool boolean(bool value) {
    odd("a truth value");
    note(value ? "true" : "false");
    return true;
  }
  bool number_integer(number_integer_t value) {
    odd("negative");
    note(std::to_string(value));
    return true;
  }
  bool number_float(number_float_t /*value*/, const string_t& text) {
    odd("no integer");
    note(text);
    return true;
  }
  bool binary(binary_t& /*value*/) { return true; }
  bool number_unsigned(number_unsigned_t value) {
    if (field_ == Field::kSamples && depth_ == kSampleDepth) {
      if (filled_ < kFields) fields_.at(filled_) = value;
      ++filled_;
      return true;
    }
    odd("a number");
    note(std::to_string(value));
    if (in_context_ && depth_ == kRootDepth + 1 && key_ == "schema_version" &&
        value > kSchemaVersion) {
      throw Failure(ExitCode::kUsage,
                    fmt::format("{}: its schema is version {}, this command reads up to {}; take "
                                "the faultline that wrote it",
                                path_, value, kSchemaVersion));
    }
    return true;
  }
  bool string(string_t& value) {
    if (field_ == Field::kKinds && depth_ == kListDepth) {
      row_.kinds.push_back(value);
      return true;
    }
    odd("text");
    if (in_rows_ && depth_ == kRowDepth) {
      if (field_ == Field::kName) row_.name = value;
      if (field_ == Field::kUnit) row_.unit = value;
    }
    note(value);
    return true;
  }
  bool key(string_t& value) {
    if (depth_ == kRootDepth) {
      in_rows_ = value == "benchmarks";
      in_context_ = value == "context";
      found_rows_ |= in_rows_;
      found_context_ |= in_context_;
    } else if (in_rows_ && depth_ == kRowDepth) {
      field_ = value == "samples"        ? Field::kSamples
               : value == "sample_kinds" ? Field::kKinds
               : value == "name"         ? Field::kName
               : value == "unit"         ? Field::kUnit
                                         : Field::kOther;
    }
    if (in_context_) key_ = value;
    return true;
  }
  bool start_object(size_t /*size*/) {
    ++depth_;
    if (in_context_ && depth_ > kRootDepth + 1) keys_.push_back(key_);
    if (in_rows_ && depth_ == kRootDepth + 1) damaged("`benchmarks` is no list");
    if (in_rows_ && depth_ == kRowDepth) {
      row_ = SampleRow();
      field_ = Field::kOther;
      problem_.clear();
    } else if (field_ == Field::kSamples) {
      odd("an object");
    }
    return true;
  }
  bool end_object() {
    if (in_rows_ && depth_ == kRowDepth) end_row();
    if (in_context_ && depth_ > kRootDepth + 1) keys_.pop_back();
    --depth_;
    return true;
  }
  bool start_array(size_t /*size*/) {
    ++depth_;
    filled_ = 0;
    if (field_ == Field::kSamples && depth_ > kSampleDepth) odd("a list");
    return true;
  }
  bool end_array() {
    if (field_ == Field::kSamples && depth_ == kSampleDepth) end_sample();
    --depth_;
    return true;
  }
  bool parse_error(size_t position, const std::string& /*token*/,
                   const nlohmann::detail::exception& /*what*/) {
    damaged(fmt::format("no JSON at byte {}", position));
  }

  SampleFile finish() {
    if (!found_rows_ || !found_context_) damaged("it has no `context` or no `benchmarks`");
    return std::move(file_);
  }

 private:
  enum class Field { kOther, kSamples, kKinds, kName, kUnit };

  [[noreturn]] void damaged(const std::string& what) const {
    throw Failure(ExitCode::kUsage,
                  fmt::format("{}: {}: the file is damaged or no result; run the measurement again",
                              path_, what));
  }

  // A scalar of the context.
  void note(const std::string& value) {
    if (!in_context_ || depth_ <= kRootDepth) return;
    std::string path;
    for (const std::string& key : keys_) path += key + '.';
    std::string& text = file_.context[path + key_];
    // Lists (the command line) become one text.
    text += (text.empty() ? "" : " ") + value;
  }

  // Something that a sample cannot hold. The row's name may come later: said at its end.
  void odd(const char* what) {
    if (field_ != Field::kSamples || depth_ < kListDepth || !problem_.empty()) return;
    problem_ = fmt::format("sample {} holds {} in field {}", row_.samples.size(), what, filled_);
  }

  void end_sample() {
    if (row_.samples.size() % kAskEvery == 0 && interrupted_) {
      throw Failure(ExitCode::kUsage, "interrupted: nothing was written");
    }
    constexpr uint64_t kMax32 = UINT32_MAX;
    if (problem_.empty()) {
      const auto& f = fields_;
      if (filled_ != kFields && filled_ != kOldFields) {
        problem_ = fmt::format("sample {} has {} fields, not {} or {}", row_.samples.size(),
                               filled_, kOldFields, kFields);
      } else if (f[0] > kMax32 || f[1] > kMax32 || f[5] > kMax32 || f[6] > kMax32 ||
                 f[2] + f[3] < f[2]) {
        problem_ = fmt::format("sample {} holds a number too large", row_.samples.size());
      }
    }
    const auto narrow = [&](size_t i) { return static_cast<uint32_t>(fields_.at(i)); };
    row_.samples.push_back({narrow(0), narrow(1), fields_[2], fields_[3], fields_[4], narrow(5),
                            narrow(6), filled_ == kFields ? fields_[7] : 0});
  }

  void end_row() {
    ++file_.rows;
    field_ = Field::kOther;
    const auto named = [&](const std::string& what) { damaged(row_.name + ": " + what); };
    if (!problem_.empty()) named(problem_);
    if (row_.samples.empty()) return;
    if (row_.name.empty() || row_.unit.empty()) damaged("a row with samples has no name or unit");
    if (row_.kinds.empty()) {
      for (size_t i = 0; i < kOldKinds; ++i) row_.kinds.emplace_back(known_kinds().at(i).name);
    }
    for (size_t i = 0; i < row_.samples.size(); ++i) {
      if (row_.samples[i].kind >= row_.kinds.size()) {
        named(fmt::format("sample {} is of kind {}, but there are {} kinds", i,
                          row_.samples[i].kind, row_.kinds.size()));
      }
    }
    file_.cells.push_back(row_.name);
    if (wanted_(row_.name)) take_(row_);
  }

  std::string path_;
  const std::function<bool(const std::string&)>& wanted_;
  const std::function<void(const SampleRow&)>& take_;
  const std::atomic<bool>& interrupted_;
  SampleFile file_;
  SampleRow row_;
  std::string problem_;  // of the row
  std::array<uint64_t, kFields> fields_{};
  size_t filled_ = 0;
  int depth_ = 0;
  Field field_ = Field::kOther;
  bool in_rows_ = false;
  bool in_context_ = false;
  bool found_rows_ = false;
  bool found_context_ = false;
  std::string key_;                // the last one in the context
  std::vector<std::string> keys_;  // of the objects around it
};

}  // namespace

SampleFile read_samples(const fs::path& file,
                        const std::function<bool(const std::string& cell)>& wanted,
                        const std::function<void(const SampleRow&)>& take,
                        const std::atomic<bool>& interrupted) {
  std::vector<char> buffer(1 << 20);
  std::ifstream in;
  in.rdbuf()->pubsetbuf(buffer.data(), static_cast<std::streamsize>(buffer.size()));
  errno = 0;
  in.open(file, std::ios::binary);
  if (!in) throw_io_failure("cannot read", file, errno);
  Reader reader(file.string(), wanted, take, interrupted);
  nlohmann::json::sax_parse(in, &reader);
  return reader.finish();
}

}  // namespace faultline
