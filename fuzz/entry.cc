// SPDX-License-Identifier: GPL-2.0-only
// libFuzzer's entry to the one target that it is compiled for.
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace faultline::fuzz {
void FAULTLINE_FUZZ_TARGET(std::string_view bytes);
}

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  faultline::fuzz::FAULTLINE_FUZZ_TARGET({reinterpret_cast<const char*>(data), size});
  return 0;
}
