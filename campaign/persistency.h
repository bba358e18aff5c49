// SPDX-License-Identifier: GPL-2.0-only
// What of a guest's stores to its pmem can be there when the power goes, by the persistency of x86
// (Px86 for one CPU: Raad, Wickerson, Neiger, Vafeiadis, "Persistency semantics of the Intel-x86
// architecture", POPL 2020). docs/crashtest.md says how each rule follows. All of it is pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "campaign/power_cut.h"

namespace faultline {

class Persistency {
 public:
  // A line, or a sector that was stored to past the caches, of which not all need be there.
  struct Line {
    std::vector<const PmemRecord*> stores = {};  // since the last write-back that is done
    // The ends of what is there whole or not at all, as counts of stores: each store; of a sector
    // all that follow each other.
    std::vector<std::size_t> cuts = {};
    std::size_t written_back = 0;  // of the stores: what the next fence makes durable
  };
  using Lines = std::map<std::uint64_t, Line>;  // by their number; sectors apart
  // Says of a record that it neither wrote back nor fenced: a non-temporal store is then one that
  // stays in the caches. What is so left out is left out of every image.
  using LeftOut = std::function<bool(const PmemRecord&)>;

  // `sector`, in bytes: what a driver stores past the caches into one sector, one store after the
  // other, is there as a whole or not at all. With kTearsAnywhere any store may be the last of a
  // line.
  Persistency(PmemImage begin, std::uint64_t sector, LeftOut left_out = {})
      : durable_(std::move(begin)), sector_(sector), left_out_(std::move(left_out)) {}
  // Takes the next record. Records come in their order, and must outlive this.
  void apply(const PmemRecord& record);

  // What is there in any case, without the stores of `uncertain`.
  [[nodiscard]] const PmemImage& durable() const { return durable_; }
  [[nodiscard]] const Lines& uncertain() const { return lines_; }

 private:
  void store(const PmemRecord& record, bool left_out);
  [[nodiscard]] std::uint64_t sector_key(const PmemRecord& record) const;
  void make_durable(std::uint64_t line, std::size_t stores);

  PmemImage durable_;
  std::uint64_t sector_;
  LeftOut left_out_;
  Lines lines_;
  std::vector<std::uint64_t>
      outstanding_;  // lines with something that the next fence makes durable
};

// For each uncertain line, in their order, how many of its cuts are reached: 0 is none of its
// stores.
using Survival = std::vector<std::uint16_t>;

// Chooses at most `count` images, each once: all there are if they are not more; else none of the
// stores, all, and then by turns one line alone kept, one line alone lost, and lines cut at random.
// The same for the same lines and seed.
std::vector<Survival> survivals(const Persistency::Lines& lines, std::size_t count,
                                std::uint64_t seed);
// The stores that a survival adds to what is durable, in their order.
std::vector<const PmemRecord*> surviving(const Persistency::Lines& lines, const Survival& survival);

}  // namespace faultline
