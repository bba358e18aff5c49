// SPDX-License-Identifier: GPL-2.0-only
// Writes the samples of a run beside its result (cell/sample_file.h).
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "cell/row.h"
#include "vm/files.h"
#include "vm/process.h"

namespace faultline {

class SampleWriter {
 public:
  // Keeps the first `kept` records of an earlier run in the folder, and removes the others. The
  // file is made with the first sample. Failure(kUsage) when it has fewer.
  explicit SampleWriter(const std::filesystem::path& folder, Count kept = 0);
  // Appends whole records. Failure(kUsage) for bytes that are none, or when they cannot be written.
  SamplesRef add(std::string_view records);

 private:
  std::filesystem::path file_;
  Fd out_;
  Count written_ = 0;  // records
};

// How many records of the side file rows refer to. Pure.
Count samples_kept(const std::vector<Row>& rows);

}  // namespace faultline
