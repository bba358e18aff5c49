// SPDX-License-Identifier: GPL-2.0-only
// Writes the samples of a run beside its result (cell/sample_file.h).
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "cell/row.h"
#include "vm/files.h"
#include "vm/process.h"

namespace faultline {

class SampleWriter {
 public:
  // Removes the samples of an earlier run in the folder. The file is made with the first sample.
  explicit SampleWriter(const std::filesystem::path& folder);
  // Appends whole records. Failure(kUsage) for bytes that are none, or when they cannot be written.
  SamplesRef add(std::string_view records);

 private:
  std::filesystem::path file_;
  Fd out_;
  Count written_ = 0;  // records
};

}  // namespace faultline
