// SPDX-License-Identifier: GPL-2.0-only
#include "observe/tlb.h"

#include <algorithm>

namespace faultline::observe {
namespace {

struct Range {
  std::uint64_t first;
  std::uint64_t last;
};
constexpr Range kLargePages[] = {
    {.first = 0xff11000000000000, .last = 0xff90ffffffffffff},  // all memory, five levels of tables
    {.first = 0xffd4000000000000, .last = 0xffd5ffffffffffff},  // struct page, the same
    {.first = 0xffff888000000000, .last = 0xffffc87fffffffff},  // all memory, four levels
    {.first = 0xffffea0000000000, .last = 0xffffeaffffffffff},  // struct page, the same
    {.first = 0xffffffff80000000, .last = 0xffffffff9fffffff},  // the kernel's image
};

}  // namespace

std::uint64_t Tlb::key_of(std::uint64_t address) {
  if (address >> 63 == 0) return address >> kSmall;
  const bool large = std::any_of(std::begin(kLargePages), std::end(kLargePages), [&](Range range) {
    return address >= range.first && address <= range.last;
  });
  return kIsKernel | (large ? kIsLarge | address >> kLarge : address >> kSmall);
}

void Tlb::forget_user() {
  entries_.drop_if([](std::uint64_t key) { return (key & kIsKernel) == 0; });
  last_ = kNoPage;
}

void Tlb::forget_all() {
  entries_.drop_if([](std::uint64_t) { return true; });
  last_ = kNoPage;
}

}  // namespace faultline::observe
