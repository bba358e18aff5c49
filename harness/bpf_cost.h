// SPDX-License-Identifier: GPL-2.0-only
// The programs of the probe sets `bpf_cost:KIND` (bpf/cost.bpf.c): one of them, attached to the
// file system's iomap_begin() while a cell is measured, and nothing that counts or times.
#pragma once

#include <map>
#include <string>

#include "cell/cell.h"
#include "harness/filesystem.h"

struct bpf_object;
struct bpf_link;

namespace faultline {

class BpfCosts {
 public:
  // Loads all that this kernel takes in one object: a guest's memory is then the same whichever
  // program a cell attaches, if any.
  explicit BpfCosts(const FileSystem& fs);
  ~BpfCosts();
  BpfCosts(const BpfCosts&) = delete;
  BpfCosts& operator=(const BpfCosts&) = delete;

  // Attaches the program of this set, for a set of another kind nothing. Failure(kSkipped) with the
  // kernel's reason when it refuses the program.
  void attach(Probes set);
  void detach();

 private:
  const char* function_;  // nullptr: it is not known which one it is on this file system
  bpf_object* object_ = nullptr;
  bpf_object* alone_ = nullptr;  // of the one kind that most kernels refuse
  std::string refused_;
  bpf_link* link_ = nullptr;
};

}  // namespace faultline
