// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/sample_writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

#include "cell/failure.h"
#include "cell/sample_file.h"

namespace faultline {

SampleWriter::SampleWriter(const std::filesystem::path& folder) : file_(folder / kSamplesName) {
  std::error_code ignored;
  std::filesystem::remove(file_, ignored);
}

SamplesRef SampleWriter::add(std::string_view records) {
  if (records.size() % sizeof(SampleRecord) != 0) {
    throw Failure(ExitCode::kVmFailed,
                  fmt::format("the guest sent {} bytes of samples, of which each has {}",
                              records.size(), sizeof(SampleRecord)));
  }
  if (!out_) {
    out_ = Fd(::open(file_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
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
