// SPDX-License-Identifier: GPL-2.0-only
// A result with samples: its text and, behind the first NUL, the file of records beside it.
#include "trace/samples.h"

#include <atomic>

#include "campaign/result.h"
#include "fuzz/target.h"

namespace faultline::fuzz {

FAULTLINE_FUZZ(samples) {
  const Cage cage;
  const std::size_t end = std::min(bytes.find('\0'), bytes.size());
  const auto result = cage.inside() / kResultName;
  write_file(result, bytes.substr(0, end));
  write_file(cage.inside() / kSamplesName, bytes.substr(std::min(end + 1, bytes.size())));
  const std::atomic<bool> interrupted = false;
  refused_or_taken([&] {
    read_samples(
        result, [](const std::string&) { return true; },
        [](const SampleRow& row) {
          for (const Sample& sample : row.samples)
            require(sample.kind < row.kinds.size(), "a sample has a kind");
        },
        interrupted);
  });
}

}  // namespace faultline::fuzz
