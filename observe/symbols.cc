// SPDX-License-Identifier: GPL-2.0-only
#include "observe/symbols.h"

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <tuple>

namespace faultline::observe {
namespace {

// Further from a symbol than this no code is its function's.
constexpr std::uint32_t kMostSize = 1U << 16;

struct Line {
  std::uint64_t address = 0;
  char type = 0;
  std::string_view name;
};

// ADDRESS TYPE NAME [MODULE]
bool parse_line(std::string_view text, Line& line) {
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), line.address, 16);
  const auto at = static_cast<std::size_t>(end - text.data());
  if (error != std::errc() || at + 3 >= text.size()) return false;
  line.type = text[at + 1];
  line.name = text.substr(at + 3);
  line.name = line.name.substr(0, line.name.find_first_of(" \t"));
  return !line.name.empty() && line.address >> 63 == 1 &&
         std::string_view("tTwW").find(line.type) != std::string::npos;
}

// A global name before a local one, then the shorter.
bool is_better(const Line& a, const Line& b) {
  const auto rank = [](const Line& line) {
    return std::tuple(line.type != 'T', line.type != 't', line.name.size(), line.name);
  };
  return rank(a) < rank(b);
}

bool starts_with_any(std::string_view name, std::initializer_list<std::string_view> starts) {
  return std::any_of(starts.begin(), starts.end(),
                     [&](std::string_view start) { return name.starts_with(start); });
}

}  // namespace

std::uint32_t symbol_flags(std::string_view name) {
  if (name == "irq_entries_start" || name == "spurious_entries_start") {
    return PluginSymbol::kInterrupt | PluginSymbol::kStubs;
  }
  if (starts_with_any(name, {"asm_sysvec_", "asm_common_interrupt", "asm_spurious_interrupt"}) ||
      name == "asm_exc_nmi") {
    return PluginSymbol::kInterrupt;
  }
  if (name == "asm_exc_int3" || name == "asm_exc_debug" || name == "asm_exc_overflow" ||
      name == "asm_exc_double_fault") {
    return PluginSymbol::kTrap;
  }
  if (name.starts_with("asm_exc_")) return PluginSymbol::kFault;
  if (starts_with_any(name, {"__x86_indirect_", "__x86_return_thunk", "retbleed_return_thunk",
                             "srso_", "its_return_thunk", "call_depth_return_thunk"})) {
    return PluginSymbol::kThunk;
  }
  return 0;
}

Symbols Symbols::of_kallsyms(std::string_view text) {
  std::vector<Line> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    Line line;
    if (parse_line(text.substr(0, end), line)) lines.push_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  std::sort(lines.begin(), lines.end(), [](const Line& a, const Line& b) {
    return a.address != b.address ? a.address < b.address : is_better(a, b);
  });
  lines.erase(std::unique(lines.begin(), lines.end(),
                          [](const Line& a, const Line& b) { return a.address == b.address; }),
              lines.end());
  Symbols symbols;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::uint64_t room =
        i + 1 < lines.size() ? lines[i + 1].address - lines[i].address : kMostSize;
    symbols.symbols_.push_back(
        {.address = lines[i].address,
         .flags = symbol_flags(lines[i].name),
         .size = static_cast<std::uint32_t>(std::min<std::uint64_t>(room, kMostSize))});
    symbols.names_.emplace_back(lines[i].name);
  }
  return symbols;
}

}  // namespace faultline::observe
