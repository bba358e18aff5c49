// SPDX-License-Identifier: GPL-2.0-only
// What must be looked at again and again while a verb works: whether the user wants it to end.
#pragma once

#include <atomic>
#include <functional>
#include <thread>

namespace faultline {

// Calls `look` 20 times a second, from a thread of its own that takes no signals, until it goes.
class Watch {
 public:
  explicit Watch(std::function<void()> look);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

 private:
  std::atomic<bool> over_{false};
  std::thread thread_;
};

}  // namespace faultline
