// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/persistency.h"

#include <algorithm>
#include <random>
#include <set>

namespace faultline {

using Kind = PmemRecord::Kind;

void Persistency::make_durable(std::uint64_t line, std::size_t stores) {
  const auto found = lines_.find(line);
  if (found == lines_.end()) return;
  std::vector<const PmemRecord*>& left = found->second.stores;
  const auto end = left.begin() + static_cast<std::ptrdiff_t>(std::min(stores, left.size()));
  std::for_each(left.begin(), end, [&](const PmemRecord* store) { durable_.apply(*store); });
  const auto gone = static_cast<std::size_t>(end - left.begin());
  left.erase(left.begin(), end);
  std::vector<std::size_t>& cuts = found->second.cuts;
  std::erase_if(cuts, [&](std::size_t cut) { return cut <= gone; });
  for (std::size_t& cut : cuts) cut -= gone;
  found->second.written_back = 0;
  if (left.empty()) lines_.erase(found);
}

std::uint64_t Persistency::sector_key(const PmemRecord& record) const {
  constexpr std::uint64_t kIsSector = std::uint64_t{1} << 63;
  return (record.where / sector_) | kIsSector;
}

void Persistency::store(const PmemRecord& record, bool left_out) {
  const bool past_caches = record.kind == Kind::kNonTemporal && !left_out;
  const bool of_sector = past_caches && sector_ != kTearsAnywhere;
  const std::uint64_t key = of_sector ? sector_key(record) : record.line();
  // A store past the caches takes along what the caches have of its line, in its order.
  if (const auto before = lines_.find(record.line()); of_sector && before != lines_.end()) {
    before->second.written_back = before->second.stores.size();
    outstanding_.push_back(record.line());
  }
  Line& line = lines_[key];
  if (of_sector && !line.cuts.empty() && follows_in_sector(*line.stores.back(), record, sector_)) {
    line.cuts.pop_back();
  }
  line.stores.push_back(&record);
  line.cuts.push_back(line.stores.size());
  if (!past_caches) return;
  line.written_back = line.stores.size();
  outstanding_.push_back(key);
}

void Persistency::apply(const PmemRecord& record) {
  const bool left_out = left_out_ && left_out_(record);
  switch (record.kind) {
    case Kind::kWord:
      return;
    case Kind::kStore:
    case Kind::kNonTemporal:
      return store(record, left_out);
    case Kind::kWriteBack: {
      const auto found = lines_.find(record.line());
      if (left_out || found == lines_.end()) return;
      found->second.written_back = found->second.stores.size();
      outstanding_.push_back(record.line());
      return;
    }
    case Kind::kWriteBackAtOnce:
      if (left_out) return;
      if (sector_ != kTearsAnywhere) make_durable(sector_key(record), SIZE_MAX);
      make_durable(record.line(), SIZE_MAX);
      return;
    case Kind::kFence:
    case Kind::kLocked:
      if (left_out) return;
      for (const std::uint64_t line : outstanding_) {
        const auto found = lines_.find(line);
        if (found != lines_.end()) make_durable(line, found->second.written_back);
      }
      outstanding_.clear();
      return;
  }
}

namespace {

// `most` + 1 when there are more.
std::size_t possible(const Persistency::Lines& lines, std::size_t most) {
  std::size_t product = 1;
  for (const auto& [number, line] : lines) {
    product *= line.cuts.size() + 1;
    if (product > most) return most + 1;
  }
  return product;
}

std::vector<Survival> all_of(const Persistency::Lines& lines) {
  std::vector<Survival> all = {Survival()};
  for (const auto& [number, line] : lines) {
    std::vector<Survival> longer;
    for (const Survival& before : all) {
      for (std::size_t kept = 0; kept <= line.cuts.size(); ++kept) {
        longer.push_back(before);
        longer.back().push_back(static_cast<std::uint16_t>(kept));
      }
    }
    all = std::move(longer);
  }
  return all;
}

}  // namespace

std::vector<Survival> survivals(const Persistency::Lines& lines, std::size_t count,
                                std::uint64_t seed) {
  if (possible(lines, count) <= count) return all_of(lines);
  Survival none(lines.size(), 0);
  Survival whole;
  for (const auto& [number, line] : lines) {
    whole.push_back(static_cast<std::uint16_t>(line.cuts.size()));
  }
  std::vector<Survival> chosen;
  std::set<Survival> seen;
  const auto take = [&](const Survival& survival) {
    if (chosen.size() < count && seen.insert(survival).second) chosen.push_back(survival);
  };
  take(none);
  take(whole);
  std::mt19937_64 random(seed);
  std::vector<std::size_t> order(lines.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  for (std::size_t i = order.size() - 1; i > 0; --i) std::swap(order[i], order[random() % (i + 1)]);
  // A random one is new but for a few times in many.
  for (std::size_t i = 0; chosen.size() < count && i < count * 2; ++i) {
    if (i < order.size()) {
      Survival kept = none;
      kept[order[i]] = whole[order[i]];
      take(kept);
      Survival lost = whole;
      lost[order[i]] = 0;
      take(lost);
    }
    Survival any = none;
    for (std::size_t line = 0; line < any.size(); ++line) {
      const std::uint64_t draw = random();
      // A third of the lines whole, a third not there, the others cut.
      any[line] = draw % 3 == 0   ? std::uint16_t{0}
                  : draw % 3 == 1 ? whole[line]
                                  : static_cast<std::uint16_t>(draw / 3 % (whole[line] + 1U));
    }
    take(any);
  }
  return chosen;
}

std::vector<const PmemRecord*> surviving(const Persistency::Lines& lines,
                                         const Survival& survival) {
  std::vector<const PmemRecord*> stores;
  std::size_t at = 0;
  for (const auto& [number, line] : lines) {
    const std::size_t cuts = survival.at(at++);
    const std::size_t kept = cuts == 0 ? 0 : line.cuts.at(cuts - 1);
    stores.insert(stores.end(), line.stores.begin(),
                  line.stores.begin() + static_cast<std::ptrdiff_t>(kept));
  }
  // A record's place in the log is its place in memory.
  std::sort(stores.begin(), stores.end());
  return stores;
}

}  // namespace faultline
