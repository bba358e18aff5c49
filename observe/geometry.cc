// SPDX-License-Identifier: GPL-2.0-only
#include "observe/geometry.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <bit>
#include <cstdint>
#include <set>
#include <string>
#include <utility>

#include "cell/failure.h"

namespace faultline::observe {
namespace {

// Takes the keys of a file one by one, so that those that are left are no one's.
class Reader {
 public:
  Reader(const std::string& text, std::string file) : file_(std::move(file)) {
    try {
      root_ = toml::parse(text);
    } catch (const toml::parse_error& error) {
      refuse(fmt::format("line {}: {}", error.source().begin.line, error.description()));
    }
  }

  [[noreturn]] void refuse(const std::string& why) const {
    throw Failure(ExitCode::kUsage,
                  fmt::format("{}: {}; observe/caches/ has such files", file_, why));
  }
  [[nodiscard]] bool has(const std::string& section) const { return root_.contains(section); }
  std::string text(const std::string& key) {
    const auto found = take(key).value_exact<std::string>();
    if (!found || found->empty()) refuse(fmt::format("{} must be a text in quotes", key));
    return *found;
  }
  std::uint64_t number(const std::string& key) {
    const auto found = take(key).value_exact<std::int64_t>();
    if (!found || *found < 1 || *found > kMost) {
      refuse(fmt::format("{} must be a whole number from 1 to 2^40", key));
    }
    return static_cast<std::uint64_t>(*found);
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
    for (const auto& [name, node] : root_) {
      const toml::table* section = node.as_table();
      if (section == nullptr) {
        refuse_unless_taken(std::string(name.str()));
        continue;
      }
      for (const auto& [key, value] : *section) {
        refuse_unless_taken(fmt::format("{}.{}", name.str(), key.str()));
      }
    }
  }

 private:
  static constexpr std::int64_t kMost = std::int64_t{1} << 40;
  static constexpr std::uint64_t kMostWays = 1024;

  // The value of "SECTION.KEY" or "KEY".
  toml::node_view<const toml::node> take(const std::string& key) {
    const toml::node_view<const toml::node> found = std::as_const(root_).at_path(key);
    if (!found) refuse(fmt::format("{} is missing", key));
    taken_.insert(key);
    return found;
  }
  void refuse_unless_taken(const std::string& key) const {
    if (!taken_.contains(key)) refuse(fmt::format("nothing is called {}", key));
  }

  std::string file_;
  toml::table root_;
  std::set<std::string> taken_;
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
