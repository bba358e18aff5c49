// SPDX-License-Identifier: GPL-2.0-only
// The frame of a guest's kernel symbols, and /proc/kallsyms in it.
#include "observe/symbols.h"

#include "campaign/observation.h"
#include "fuzz/target.h"

namespace faultline::fuzz {

FAULTLINE_FUZZ(symbols) {
  inflated(std::string(bytes));
  const observe::Symbols symbols = observe::Symbols::of_kallsyms(bytes);
  std::uint64_t last = 0;
  for (const observe::PluginSymbol& symbol : symbols.for_plugin()) {
    require(symbol.address > last, "symbols rise");
    last = symbol.address;
    const std::uint32_t found = symbols.find(symbol.address);
    require(found < symbols.size() && !symbols.name(found).empty(), "each has its name");
  }
}

}  // namespace faultline::fuzz
