// SPDX-License-Identifier: GPL-2.0-only
// Records of a log of pmem, for tests.
#pragma once

#include <cstdint>
#include <cstring>

#include "campaign/power_cut.h"
#include "harness/wire.h"

namespace faultline {

// Each takes ten instructions.
inline PmemRecord store(std::uint64_t where, std::uint64_t value, unsigned shift = 3) {
  return {.value = value,
          .where = static_cast<std::uint32_t>(where),
          .instructions = 10,
          .kind = PmemRecord::Kind::kStore,
          .bytes = static_cast<std::uint8_t>(1U << shift)};
}
inline PmemRecord word(wire::CrashWord kind, std::uint64_t value = 0) {
  return {.value = wire::crash_word_of(kind, value),
          .instructions = 10,
          .kind = PmemRecord::Kind::kWord};
}
inline PmemRecord word(wire::CrashWord kind, std::uint64_t page, std::uint64_t version) {
  return word(kind, page << wire::kCrashPageShift | version);
}
// The eight bytes at `where`.
inline std::uint64_t stored_at(const PmemImage& image, std::uint64_t where) {
  std::uint64_t value = 0;
  std::memcpy(&value, image.page(where / kPmemPage).data() + where % kPmemPage, sizeof value);
  return value;
}

}  // namespace faultline
