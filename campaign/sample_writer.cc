// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/sample_writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "cell/failure.h"
#include "cell/sample_file.h"

namespace faultline {

SampleWriter::SampleWriter(const std::filesystem::path& folder, Count kept)
    : file_(folder / kSamplesName), written_(kept) {
  std::error_code error;
  if (kept == 0) {
    std::filesystem::remove(file_, error);
    return;
  }
  const std::uintmax_t bytes = kept * sizeof(SampleRecord);
  if (std::filesystem::file_size(file_, error) < bytes || error) {
    throw Failure(
        ExitCode::kUsage,
        fmt::format("{} lacks samples that its result tells of; run it anew, with another "
                    "--out",
                    file_.string()));
  }
  // Those behind belong to no row: the run was ended before it wrote that down.
  std::filesystem::resize_file(file_, bytes, error);
  if (error) throw_io_failure("cannot write", file_, error.value());
}

Count samples_kept(const std::vector<Row>& rows) {
  Count kept = 0;
  for (const Row& row : rows) {
    if (row.samples) kept = std::max(kept, row.samples->first + row.samples->count);
  }
  return kept;
}

SamplesRef SampleWriter::add(std::string_view records) {
  if (records.size() % sizeof(SampleRecord) != 0) {
    throw Failure(ExitCode::kVmFailed,
                  fmt::format("the guest sent {} bytes of samples, of which each has {}",
                              records.size(), sizeof(SampleRecord)));
  }
  if (!out_) {
    out_ = Fd(::open(file_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
    if (!out_) throw_io_failure("cannot write", file_, errno);
  }
  const Count count = records.size() / sizeof(SampleRecord);
  for (std::string_view left = records; !left.empty();) {
    const ssize_t n = ::write(out_.get(), left.data(), left.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) throw_io_failure("cannot write", file_, errno);
    left.remove_prefix(static_cast<std::size_t>(n));
  }
  written_ += count;
  return {.file = kSamplesName, .first = written_ - count, .count = count};
}

}  // namespace faultline
