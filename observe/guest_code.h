// SPDX-License-Identifier: GPL-2.0-only
// Where a guest's memory lies, and the bytes of its instructions, for our plugins of QEMU's.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "vm/qemu_plugin.h"

namespace faultline::observe {

// The physical address at which the pmem begins; the RAM is below it.
inline constexpr std::uint64_t kPmemAt = std::uint64_t{4} << 30;
// The kernel's image. Without KASLR its physical address is its distance from here (phys_base is
// 0); the modules come behind it.
inline constexpr std::uint64_t kImage = 0xffffffff80000000;
inline constexpr std::uint64_t kImageEnd = 0xffffffffa0000000;

inline constexpr std::size_t kMostBytes = 15;  // of an instruction

inline std::span<const std::uint8_t> bytes_of(const qemu_plugin_insn* insn,
                                              std::array<std::uint8_t, kMostBytes>& buffer) {
  const std::size_t size = std::min(qemu_plugin_insn_size(insn), kMostBytes);
#if FAULTLINE_PLUGIN_INTERFACE == 1
  std::memcpy(buffer.data(), qemu_plugin_insn_data(insn), size);
#else
  qemu_plugin_insn_data(insn, buffer.data(), size);
#endif
  return std::span(buffer).first(size);
}

}  // namespace faultline::observe
