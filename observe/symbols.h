// SPDX-License-Identifier: GPL-2.0-only
// A kernel's functions by address, from the text of /proc/kallsyms.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "observe/record.h"

namespace faultline::observe {

class Symbols {
 public:
  // Lines of other things than code, and of user space's addresses, are passed over. Of several
  // names of one address one is kept, the same whatever their order.
  static Symbols of_kallsyms(std::string_view text);

  [[nodiscard]] std::size_t size() const { return names_.size(); }
  [[nodiscard]] const std::string& name(std::uint32_t index) const { return names_.at(index); }
  // The index of the function that the address lies in; kNoFunction where there is none.
  [[nodiscard]] std::uint32_t find(std::uint64_t address) const {
    return find_symbol(symbols_, address);
  }
  // The symbols as the plugin is given them, by the same indices.
  [[nodiscard]] const std::vector<PluginSymbol>& for_plugin() const { return symbols_; }

 private:
  std::vector<PluginSymbol> symbols_;
  std::vector<std::string> names_;
};

// The PluginSymbol flags of a function, by its name: what the CPU enters by itself, and what is a
// detour. Pure.
std::uint32_t symbol_flags(std::string_view name);

}  // namespace faultline::observe
