// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/watch.h"

#include <chrono>
#include <csignal>
#include <utility>

namespace faultline {

Watch::Watch(std::function<void()> look)
    : thread_([this, look = std::move(look)] {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_BLOCK, &all, nullptr);
        while (!over_) {
          look();
          std::this_thread::sleep_for(std::chrono::milliseconds(50));
        }
      }) {}

Watch::~Watch() {
  over_ = true;
  thread_.join();
}

}  // namespace faultline
