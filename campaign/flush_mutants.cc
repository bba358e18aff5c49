// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/flush_mutants.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <random>
#include <utility>

namespace faultline {

using Kind = PmemRecord::Kind;

namespace {

constexpr char kWriter[] = "the writer";  // user space: the crash test's own code

std::string function_at(const observe::Symbols& symbols, std::uint64_t address) {
  constexpr std::uint64_t kKernel = 0xffff800000000000;
  if (address < kKernel) return kWriter;
  const std::uint32_t found = symbols.find(address);
  return found == observe::kNoFunction ? fmt::format("{:#x}", address) : symbols.name(found);
}

bool can_be_left_out(const PmemRecord& record) {
  return record.stack != kStackOfNobody && record.kind != Kind::kStore &&
         record.kind != Kind::kWord;
}

bool is_fence(Kind kind) { return kind == Kind::kFence || kind == Kind::kLocked; }

std::size_t stores_left(const Persistency::Lines& lines) {
  std::size_t sum = 0;
  for (const auto& [number, line] : lines) sum += line.stores.size();
  return sum;
}

}  // namespace

std::string flush_kind_name(Kind kind) {
  switch (kind) {
    case Kind::kNonTemporal:
      return "non-temporal stores";
    case Kind::kWriteBack:
      return "clwb";
    case Kind::kWriteBackAtOnce:
      return "clflush";
    case Kind::kFence:
      return "fence";
    case Kind::kLocked:
      return "locked operation";
    case Kind::kStore:
    case Kind::kWord:
      break;
  }
  return "";
}

FlushMutants::FlushMutants(const PmemTrace& trace, const std::vector<PmemStack>& stacks,
                           const observe::Symbols& symbols)
    : trace_(trace), site_of_stack_(stacks.size(), UINT32_MAX) {
  Persistency whole(PmemImage(), kTearsAnywhere);
  for (std::size_t i = 0; i < trace.records.size(); ++i) {
    whole.apply(trace.records[i]);
    if (is_promise(trace.records[i])) promises_.emplace_back(i + 1, stores_left(whole.uncertain()));
  }
  std::map<std::vector<std::string>, std::uint32_t> known;
  for (const PmemRecord& record : trace.records) {
    if (!can_be_left_out(record) || record.stack >= stacks.size()) continue;
    std::uint32_t& site = site_of_stack_[record.stack];
    if (site == UINT32_MAX) {
      const PmemStack& stack = stacks[record.stack];
      FlushSite made{.kind = record.kind, .function = function_at(symbols, stack.site)};
      for (const std::uint64_t address : stack.returns) {
        if (address == 0) break;
        made.callers.push_back(function_at(symbols, address - 1));
      }
      // All non-temporal stores of a function are one site, be its loop unrolled or not.
      std::vector<std::string> key = {flush_kind_name(record.kind), made.function};
      if (record.kind != Kind::kNonTemporal) key.push_back(fmt::format("{:#x}", stack.site));
      key.insert(key.end(), made.callers.begin(), made.callers.end());
      const auto [entry, fresh] =
          known.emplace(std::move(key), static_cast<std::uint32_t>(sites_.size()));
      if (fresh) sites_.push_back(std::move(made));
      site = entry->second;
    }
    ++sites_[site].records;
  }
}

Persistency::LeftOut FlushMutants::left_out(std::size_t site) const {
  return [this, site](const PmemRecord& record) {
    return can_be_left_out(record) && record.stack < site_of_stack_.size() &&
           site_of_stack_[record.stack] == site;
  };
}

std::vector<std::size_t> FlushMutants::promises_without(std::size_t site) const {
  // It starts from nothing: what the lines hold is of no matter here.
  Persistency without(PmemImage(), kTearsAnywhere, left_out(site));
  std::vector<std::size_t> telling;
  std::size_t applied = 0;
  for (const auto& [records, left] : promises_) {
    for (; applied < records; ++applied) without.apply(trace_.records[applied]);
    if (stores_left(without.uncertain()) > left) telling.push_back(records);
  }
  return telling;
}

std::vector<std::size_t> FlushMutants::orders_without(std::size_t site) const {
  const Persistency::LeftOut is_left_out = left_out(site);
  Persistency whole(PmemImage(), kTearsAnywhere);
  Persistency without(PmemImage(), kTearsAnywhere, is_left_out);
  std::vector<std::size_t> telling;
  bool open = false;    // the last fence was the site's
  bool stored = false;  // since then
  for (std::size_t i = 0; i < trace_.records.size(); ++i) {
    const PmemRecord& record = trace_.records[i];
    if (is_fence(record.kind)) {
      if (open && stored && stores_left(without.uncertain()) > stores_left(whole.uncertain())) {
        telling.push_back(i);
      }
      open = is_left_out(record);
      stored = false;
    }
    stored |= record.is_store();
    whole.apply(record);
    without.apply(record);
  }
  return telling;
}

std::vector<std::uint64_t> FlushMutants::missing_at(std::size_t site, std::size_t records) const {
  Persistency whole(PmemImage(), kTearsAnywhere);
  Persistency without(PmemImage(), kTearsAnywhere, left_out(site));
  for (std::size_t i = 0; i < records; ++i) {
    whole.apply(trace_.records[i]);
    without.apply(trace_.records[i]);
  }
  std::vector<std::uint64_t> missing;
  for (const auto& [number, line] : without.uncertain()) {
    const auto found = whole.uncertain().find(number);
    const std::size_t left = found == whole.uncertain().end() ? 0 : found->second.stores.size();
    for (std::size_t i = 0; i + left < line.stores.size(); ++i) {
      missing.push_back(line.stores[i]->where);
    }
  }
  return missing;
}

FlushMutants::Telling FlushMutants::telling_points(std::size_t site, std::size_t count,
                                                   std::uint64_t seed) const {
  Telling telling{.points = promises_without(site)};
  if (telling.points.empty() && is_fence(sites_[site].kind)) {
    telling = {.points = orders_without(site), .promises = false};
  }
  std::vector<std::size_t>& points = telling.points;
  if (points.size() <= count) return telling;
  std::mt19937_64 random(seed);
  for (std::size_t i = points.size() - 2; i > 1; --i) {
    std::swap(points[i], points[1 + random() % i]);
  }
  std::swap(points[1], points.back());
  points.resize(count);
  std::sort(points.begin(), points.end());
  return telling;
}

std::optional<CrashImage> MutantStream::next() {
  for (;;) {
    if (images_ && !outcomes_.back().killed) {
      if (std::optional<CrashImage> image = images_->next()) return image;
    }
    if (outcomes_.size() == mutants_.sites().size()) return std::nullopt;
    const std::size_t site = outcomes_.size();
    const FlushMutants::Telling telling = mutants_.telling_points(site, kMostPoints, wish_.seed);
    outcomes_.push_back({.points = telling.points.size(), .promises = telling.promises});
    wish_.left_out = mutants_.left_out(site);
    missing_.clear();
    for (const std::size_t point : telling.points) {
      missing_.push_back(telling.promises ? std::vector<std::uint64_t>()
                                          : mutants_.missing_at(site, point));
    }
    images_.emplace(trace_, telling.points, wish_);
  }
}

void MutantStream::judge(const CrashImage& image, bool lost, const Recovered& recovered) {
  Outcome& outcome = outcomes_.back();
  ++outcome.images;
  outcome.killed = outcome.killed || lost;
  const auto blocks = file_blocks(recovered);
  for (const std::uint64_t where : missing_.at(image.point)) {
    const auto line = where % kPmemPage / kPmemLine;
    outcome.read |= (recovered.read.of_page(where / kPmemPage) >> line & 1U) != 0;
    for (const auto& [from, bytes] : blocks) outcome.read |= where - from < bytes;
  }
}

nlohmann::json MutantStream::json() const {
  std::size_t killed = 0;
  nlohmann::json survivors = nlohmann::json::array();
  nlohmann::json redundant = nlohmann::json::array();
  for (std::size_t i = 0; i < outcomes_.size(); ++i) {
    const FlushSite& site = mutants_.sites()[i];
    nlohmann::json told = {{"kind", flush_kind_name(site.kind)},
                           {"function", site.function},
                           {"stack", site.callers},
                           {"records", site.records}};
    if (outcomes_[i].points == 0) {
      told["why"] =
          is_fence(site.kind)
              ? "without it the same stores are durable at every promise, and no store could be "
                "there in place of one that it fenced"
              : "without it the same stores are durable at every promise";
      redundant.push_back(std::move(told));
    } else if (outcomes_[i].killed) {
      ++killed;
    } else if (!outcomes_[i].promises && !outcomes_[i].read) {
      told["why"] = fmt::format(
          "without it a later store may be there and an earlier one not; in {} images at {} "
          "instants no recovery read any that may be missing",
          outcomes_[i].images, outcomes_[i].points);
      redundant.push_back(std::move(told));
    } else {
      told["why"] = fmt::format(
          "without it {} at {} {} that were tried; in {} images nothing promised was lost",
          outcomes_[i].promises ? "stores are not durable"
                                : "a later store may be there and an earlier one not",
          outcomes_[i].points, outcomes_[i].promises ? "promises" : "instants",
          outcomes_[i].images);
      survivors.push_back(std::move(told));
    }
  }
  const std::size_t judged = killed + survivors.size();
  return {{"sites", outcomes_.size()},
          {"killed", killed},
          {"redundant", redundant.size()},
          {"survived", survivors.size()},
          {"score",
           judged == 0 ? nlohmann::json()
                       : nlohmann::json(static_cast<double>(killed) / static_cast<double>(judged))},
          {"survivors", std::move(survivors)},
          {"redundancies", std::move(redundant)}};
}

}  // namespace faultline
