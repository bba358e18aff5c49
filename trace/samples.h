// SPDX-License-Identifier: GPL-2.0-only
// The samples of a result (docs/result-format.md): the rows say which records of the side file are
// theirs. One row's samples are in memory at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "cell/sample_file.h"

namespace faultline {

// What a kind of sample is, as far as a trace must know.
enum class Home {
  kThread,   // on the track of its thread
  kLocks,    // beside it: a lock is held past the end of the fault that took it
  kJournal,  // on the journal's track, whoever did the work
};
struct KindRow {
  const char* name = "";
  Home home = Home::kThread;
  // A thread is in one of them at a time, or in one inside the other.
  bool exclusive = false;
  // `result` is VM_FAULT_* bits and `order` the fault's.
  bool of_fault = false;
  // 0 is a result (and of a fault, an order); elsewhere 0 is not shown.
  bool show_zero = false;
  // What the export calls a sample's three numbers.
  const char* result_name = "result";
  const char* order_name = "order";
  const char* link_name = "link";
};
// The kinds that the export knows by name.
const std::vector<KindRow>& known_kinds();
// The row of a kind; for a name that is not known, one that nests in its thread.
KindRow kind_named(const std::string& name);
inline constexpr char kKindSync[] = "sync";

using Sample = SampleRecord;

// One life: a cell under one seed, or one repetition of it, with a clock of its own.
struct SampleRow {
  std::string name = {};
  std::uint64_t seed = 0;
  std::uint64_t repetition = 0;
  std::string unit = {};
  std::vector<std::string> kinds = {};
  std::vector<Sample> samples = {};
};
// The name of a row, with its seed and repetition unless they are 0.
std::string life_name(const SampleRow& row);

// What a result has of samples, without the records themselves.
struct SampleFile {
  std::vector<std::string> cells;              // with samples, wanted or not
  std::map<std::string, std::string> context;  // scalars of the result's context, by path
  size_t rows = 0;                             // in the file
};

// Reads a result and hands over each wanted row that has samples. Failure(kUsage) for a file that
// is damaged, newer than this command, or of before samples lay beside the result; what was handed
// over before is then worth nothing.
SampleFile read_samples(const std::filesystem::path& file,
                        const std::function<bool(const std::string& cell)>& wanted,
                        const std::function<void(const SampleRow&)>& take,
                        const std::atomic<bool>& interrupted);

}  // namespace faultline
