// SPDX-License-Identifier: GPL-2.0-only
// The program that spends what is planted in each DAX fault (cell/planted.h).
#pragma once

#include <cstdint>
#include <string>

#include "bpf/delay.h"

struct bpf_object;
struct bpf_link;

namespace faultline {

// How the program is to spend `instructions`, all told. Failure(kUsage) for fewer than it spends
// anyway and for more than it can.
fl_delay delay_of(uint64_t instructions, const std::string& release);

// The program, loaded: so that a guest's memory is the same with a delay and without.
class PlantedDelay {
 public:
  PlantedDelay();
  ~PlantedDelay();
  PlantedDelay(const PlantedDelay&) = delete;
  PlantedDelay& operator=(const PlantedDelay&) = delete;

  // From here on each attempt at a DAX fault takes so many instructions more. Failure when the
  // kernel refuses the program.
  void attach(uint64_t instructions);

 private:
  bpf_object* object_ = nullptr;
  std::string refused_;  // why it did not load
  bpf_link* links_[2] = {};
};

}  // namespace faultline
