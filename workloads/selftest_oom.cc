// SPDX-License-Identifier: GPL-2.0-only
#include <sys/mman.h>

#include <cstring>

#include "harness/workload.h"

namespace faultline {
namespace {

void run_loop(Lane& lane) {
  while (lane.next()) {
    for (;;) {
      constexpr size_t kBlock = 16 << 20;
      void* block =
          mmap(nullptr, kBlock, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (block == MAP_FAILED) return;
      std::memset(block, 1, kBlock);
    }
  }
}

}  // namespace

extern const WorkloadCode k_selftest_oom;
const WorkloadCode k_selftest_oom = {.run = run_loop};

}  // namespace faultline
