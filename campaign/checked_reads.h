// SPDX-License-Identifier: GPL-2.0-only
// Runs a file system's check over an image, and sees which parts of the image it reads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace faultline {

struct CheckedReads {
  int status = 0;           // its exit status; 128 and the signal that ended it
  std::string output = {};  // both streams
  // The offset and the number of bytes of each read of the image.
  std::vector<std::pair<std::uint64_t, std::uint64_t>> reads = {};
  bool all = false;  // what it reads cannot be told, so it may be all
};

// Runs `command`, which is found through PATH and gets LC_ALL=C, without a shell; its last word is
// the image. All its threads and children are followed with ptrace(2); where the system forbids
// that, `all` is set. Failure(kUsage) if the program cannot be started.
CheckedReads check_seeing_reads(const std::vector<std::string>& command,
                                const std::filesystem::path& image);

}  // namespace faultline
