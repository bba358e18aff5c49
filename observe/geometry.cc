// SPDX-License-Identifier: GPL-2.0-only
#include "observe/geometry.h"

#include <fmt/format.h>

#include <bit>
#include <charconv>
#include <map>
#include <sstream>

#include "cell/failure.h"

namespace faultline::observe {
namespace {

// What the files need of TOML: sections, and keys with a whole number or a text in double quotes.
class Reader {
 public:
  Reader(const std::string& text, std::string file) : file_(std::move(file)) {
    std::istringstream lines(text);
    std::string section;
    int number = 0;
    for (std::string line; std::getline(lines, line);) {
      ++number;
      line = trimmed(line);
      if (line.empty() || line[0] == '#') continue;
      if (line[0] == '[') {
        section = trimmed(line.substr(1, line.find(']') - 1)) + ".";
        continue;
      }
      const std::size_t equals = line.find('=');
      if (equals == std::string::npos) {
        refuse(fmt::format("line {} is neither [SECTION] nor KEY = VALUE", number));
      }
      values_[section + trimmed(line.substr(0, equals))] = trimmed(line.substr(equals + 1));
    }
  }

  [[noreturn]] void refuse(const std::string& why) const {
    throw Failure(ExitCode::kUsage,
                  fmt::format("{}: {}; observe/caches/ has such files", file_, why));
  }
  [[nodiscard]] bool has(const std::string& section) const {
    const auto at = values_.lower_bound(section + ".");
    return at != values_.end() && at->first.starts_with(section + ".");
  }
  std::string text(const std::string& key) {
    const std::string value = take(key);
    if (value.size() < 3 || value[0] != '"' || value.find('"', 1) == std::string::npos) {
      refuse(fmt::format("{} must be a text in quotes", key));
    }
    return value.substr(1, value.find('"', 1) - 1);
  }
  std::uint64_t number(const std::string& key) {
    const std::string value = take(key);
    std::uint64_t found = 0;
    const char* end = value.data() + value.size();
    const auto [at, error] = std::from_chars(value.data(), end, found);
    const std::string rest = trimmed(std::string(at, end));
    if (error != std::errc() || found == 0 || found > kMost || (!rest.empty() && rest[0] != '#')) {
      refuse(fmt::format("{} must be a whole number from 1 to 2^40", key));
    }
    return found;
  }
  // `amount` units, which are so many in `ways` ways of a power of two sets.
  SetsOfWays sets(const std::string& section, const std::string& amount, std::uint64_t unit) {
    const std::uint64_t all = number(section + "." + amount);
    const std::uint64_t ways = number(section + ".ways");
    text(section + ".source");
    const std::uint64_t set = unit * ways;
    if (ways > kMostWays || all % set != 0 || !std::has_single_bit(all / set)) {
      refuse(
          fmt::format("{}: {} {} in {} ways is no power of two of sets of at most {} ways, which "
                      "the model needs",
                      section, amount, all, ways, kMostWays));
    }
    return {.sets = all / set, .ways = static_cast<std::uint32_t>(ways)};
  }
  void end() const {
    if (!values_.empty()) refuse(fmt::format("nothing is called {}", values_.begin()->first));
  }

 private:
  static constexpr std::uint64_t kMost = std::uint64_t{1} << 40;
  static constexpr std::uint64_t kMostWays = 1024;

  static std::string trimmed(const std::string& text) {
    const std::size_t first = text.find_first_not_of(" \t\r");
    if (first == std::string::npos) return "";
    return text.substr(first, text.find_last_not_of(" \t\r") + 1 - first);
  }
  std::string take(const std::string& key) {
    const auto found = values_.find(key);
    if (found == values_.end()) refuse(fmt::format("{} is missing", key));
    std::string value = found->second;
    values_.erase(found);
    return value;
  }

  std::string file_;
  std::map<std::string, std::string> values_;
};

}  // namespace

Geometry geometry_of(const std::string& text, const std::string& file) {
  Reader reader(text, file);
  Geometry geometry;
  geometry.title = reader.text("title");
  CacheSizes& caches = geometry.caches;
  caches.line = reader.number("line");
  if (!std::has_single_bit(caches.line)) reader.refuse("line must be a power of two");
  caches.l1i = reader.sets("l1i", "size", caches.line);
  caches.l1d = reader.sets("l1d", "size", caches.line);
  if (reader.has("l2")) caches.l2 = reader.sets("l2", "size", caches.line);
  caches.llc = reader.sets("llc", "size", caches.line);
  if (reader.has("tlb")) geometry.tlb = reader.sets("tlb", "entries", 1);
  reader.end();
  return geometry;
}

std::string describe(const Geometry& geometry) {
  const CacheSizes& caches = geometry.caches;
  const auto level = [&](const SetsOfWays& size) {
    const std::uint64_t bytes = size.sets * size.ways * caches.line;
    return bytes % 1024 == 0 ? fmt::format("{} KiB of {} ways", bytes / 1024, size.ways)
                             : fmt::format("{} bytes of {} ways", bytes, size.ways);
  };
  std::string text =
      fmt::format("{}: L1I {}, L1D {}", geometry.title, level(caches.l1i), level(caches.l1d));
  if (caches.l2) text += ", L2 " + level(*caches.l2);
  return text + fmt::format(", LLC {}, lines of {}", level(caches.llc), caches.line);
}

std::string describe_tlb(const SetsOfWays& tlb) {
  return fmt::format("{} entries of {} ways", tlb.sets * tlb.ways, tlb.ways);
}

}  // namespace faultline::observe
