// SPDX-License-Identifier: GPL-2.0-only
// A load such as a machine has by the way: inodes come, grow and go at a steady rate, whatever the
// measured loop does, so that a sync finds others' metadata now and then.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <ctime>
#include <vector>

#include "harness/workload.h"

namespace faultline {
namespace {

constexpr long kPeriodNs = 10'000'000;
constexpr size_t kFileBytes = 64 << 10;
constexpr uint64_t kFiles = 16;  // that there are at a time

void create_and_remove(const std::string& directory) {
  const std::vector<char> bytes(kFileBytes, 'b');
  const auto name = [&](uint64_t i) { return fmt::format("{}/beside-{}", directory, i); };
  timespec next{};
  clock_gettime(CLOCK_MONOTONIC, &next);
  for (uint64_t i = 0;; ++i) {
    const int fd = open(name(i).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
      _exit(1);
    }
    close(fd);
    if (i >= kFiles) unlink(name(i - kFiles).c_str());
    next.tv_nsec += kPeriodNs;
    if (next.tv_nsec >= 1'000'000'000) {
      next.tv_nsec -= 1'000'000'000;
      ++next.tv_sec;
    }
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, nullptr);
  }
}

}  // namespace

extern const WorkloadCode k_background;
const WorkloadCode k_background = {.run = touch_in_order, .beside = create_and_remove};

}  // namespace faultline
