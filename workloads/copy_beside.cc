// SPDX-License-Identifier: GPL-2.0-only
#include <fcntl.h>
#include <unistd.h>

#include <vector>

#include "harness/workload.h"

namespace faultline {
namespace {

constexpr size_t kChunk = 1 << 20;
constexpr int kChunks = 16;

// Copies a file over and over, so that the journal always has something of others to commit.
void copy_all(const std::string& directory) {
  std::vector<char> chunk(kChunk, 'c');
  const int from = open((directory + "/from").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  for (int i = 0; i < kChunks; ++i) {
    if (write(from, chunk.data(), kChunk) < 0) _exit(1);
  }
  for (;;) {
    const int to =
        open((directory + "/to").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    for (int i = 0; i < kChunks; ++i) {
      if (pread(from, chunk.data(), kChunk, static_cast<off_t>(i) * static_cast<off_t>(kChunk)) <
              0 ||
          write(to, chunk.data(), kChunk) < 0) {
        _exit(1);
      }
    }
    close(to);
  }
}

}  // namespace

extern const WorkloadCode k_copy_beside;
const WorkloadCode k_copy_beside = {.run = touch_in_order, .beside = copy_all};

}  // namespace faultline
