// SPDX-License-Identifier: GPL-2.0-only
#include "vm/guest_pool.h"

#include <unistd.h>

#include <algorithm>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace faultline {

void run_many(std::size_t count, unsigned workers,
              const std::function<GuestOutcome(std::size_t)>& run,
              const std::function<void(std::size_t, GuestOutcome)>& done,
              std::atomic<bool>& cancel) {
  std::mutex lock;
  std::exception_ptr first;
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    while (!cancel) {
      const std::size_t index = next++;
      if (index >= count) return;
      try {
        GuestOutcome outcome = run(index);
        const std::scoped_lock held(lock);
        done(index, std::move(outcome));
      } catch (...) {
        const std::scoped_lock held(lock);
        if (!first) first = std::current_exception();
        cancel = true;
      }
    }
  };
  std::vector<std::jthread> threads;
  const std::size_t wanted = std::min<std::size_t>(std::max(1U, workers), count);
  for (std::size_t i = 0; i < wanted; ++i) threads.emplace_back(work);
  for (std::jthread& thread : threads) thread.join();
  if (first) std::rethrow_exception(first);
}

unsigned workers_for(Accel accel) {
  if (accel != Accel::kTcgIcount) return 1;
  return std::max(1U, std::thread::hardware_concurrency());
}

unsigned memory_of_machine_mib() {
  const long pages = ::sysconf(_SC_PHYS_PAGES);
  const long size = ::sysconf(_SC_PAGESIZE);
  return pages <= 0 || size <= 0 ? 1024 : static_cast<unsigned>((pages / 1024) * size / 1024);
}

unsigned most_guests(unsigned memory_mib, unsigned guest_mib, unsigned cores) {
  return std::max({1U, cores, memory_mib / guest_mib});
}

}  // namespace faultline
