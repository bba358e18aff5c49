// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/crash_images.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <span>
#include <utility>

#include "cell/cell.h"
#include "cell/crash_page.h"
#include "cell/failure.h"

namespace faultline {

CrashImages::CrashImages(const PmemTrace& trace, std::vector<std::size_t> points, Wish wish)
    : trace_(trace),
      points_(std::move(points)),
      wish_(std::move(wish)),
      persistency_(trace.begin, wish_.sector, wish_.left_out),
      in_order_(trace.begin),
      state_(wish_.pages) {}

void CrashImages::go_to(std::size_t records) {
  for (; applied_ < records; ++applied_) {
    const PmemRecord& record = trace_.records[applied_];
    state_.apply(record);
    if (wish_.model == CrashModel::kPx86) {
      persistency_.apply(record);
    } else {
      in_order_.apply(record);
    }
  }
}

std::optional<CrashImage> CrashImages::next() {
  for (;;) {
    while (number_ == survivals_.size()) {
      if (wish_.point && point_ < *wish_.point) point_ = *wish_.point;
      if (point_ == points_.size() || (wish_.point && point_ > *wish_.point)) return std::nullopt;
      go_to(points_[point_]);
      number_ = 0;
      survivals_ = wish_.model == CrashModel::kPx86
                       ? survivals(persistency_.uncertain(), wish_.per_point, wish_.seed + point_)
                       : std::vector<Survival>(1);
      ++point_;
    }
    const std::size_t number = number_++;
    if (wish_.image && number != *wish_.image) continue;
    CrashImage image{.point = point_ - 1,
                     .number = number,
                     .last = wish_.image || number_ == survivals_.size(),
                     .state = state_};
    if (wish_.model == CrashModel::kOrder) {
      image.bytes = in_order_;
      return image;
    }
    image.bytes = persistency_.durable();
    for (const PmemRecord* store : surviving(persistency_.uncertain(), survivals_[number])) {
      image.bytes.apply(*store);
    }
    return image;
  }
}

namespace {

// A record of the log tells its place by 32 bits.
constexpr std::uint64_t kMostPmem = std::uint64_t{1} << 32;

// FileExtent of harness/extents.h, as harness/crash.cc sends it.
struct Extent {
  std::uint64_t logical = 0;
  std::uint64_t physical = 0;
  std::uint64_t bytes = 0;
  bool unwritten = false;
};

std::vector<Extent> extents_in(const Recovered& recovered) try {
  std::vector<Extent> extents;
  if (!recovered.found.is_object() || !recovered.found.contains("extents")) return extents;
  for (const nlohmann::json& one : recovered.found["extents"]) {
    const Extent extent{.logical = one.at(0).get<std::uint64_t>(),
                        .physical = one.at(1).get<std::uint64_t>(),
                        .bytes = one.at(2).get<std::uint64_t>(),
                        .unwritten = one.at(3).get<bool>()};
    if (extent.bytes > kMostPmem || extent.logical > kMostPmem - extent.bytes ||
        extent.physical > kMostPmem - extent.bytes) {
      throw Failure(ExitCode::kVmFailed,
                    fmt::format("the guest tells of an extent of {} bytes at {}, which is in no "
                                "pmem",
                                extent.bytes, extent.physical));
    }
    extents.push_back(extent);
  }
  return extents;
} catch (const nlohmann::json::exception& e) {
  throw Failure(
      ExitCode::kVmFailed,
      fmt::format("the extents that the guest tells are not as they should be: {}", e.what()));
}

// What the pmem holds after recovery, from `at` on.
void copy_recovered(const PmemImage& image, const Recovered& recovered, std::uint64_t at,
                    std::span<unsigned char> into) {
  while (!into.empty()) {
    const std::uint64_t page = at / kPmemPage;
    const std::size_t from = at % kPmemPage;
    const std::uint64_t lines = recovered.rewritten.of_page(page);
    const bool rewritten = (lines >> (from / kPmemLine) & 1U) != 0;
    const std::size_t unit = lines == 0 ? kPmemPage : kPmemLine;
    const std::size_t bytes = std::min(into.size(), unit - from % unit);
    const PmemImage::Bytes& source =
        rewritten ? recovered.rewritten_pages.at(page) : image.page(page);
    std::memcpy(into.data(), source.data() + from, bytes);
    into = into.subspan(bytes);
    at += bytes;
  }
}

}  // namespace

std::vector<std::pair<std::uint64_t, std::uint64_t>> file_blocks(const Recovered& recovered) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> blocks;
  for (const Extent& extent : extents_in(recovered)) {
    if (!extent.unwritten) blocks.emplace_back(extent.physical, extent.bytes);
  }
  return blocks;
}

nlohmann::json found_in(const PmemImage& image, const Recovered& recovered, std::size_t count) {
  nlohmann::json found = recovered.found;
  if (!found.is_object() || !found.contains("extents")) return found;
  const std::vector<Extent> extents = extents_in(recovered);
  const auto size = found.value("size", std::uint64_t{0});
  nlohmann::json& pages = found["pages"] = nlohmann::json::array();
  for (std::uint64_t i = 0; i < count && i * kPageSize < size; ++i) {
    std::array<std::uint64_t, kCrashWordsPerPage> words{};
    const std::uint64_t begin = i * kPageSize;
    const std::uint64_t end = std::min(begin + kPageSize, size);
    auto* const bytes = reinterpret_cast<unsigned char*>(words.data());
    for (const Extent& extent : extents) {
      const std::uint64_t from = std::max(begin, extent.logical);
      const std::uint64_t to = std::min(end, extent.logical + extent.bytes);
      if (extent.unwritten || from >= to) continue;
      copy_recovered(image, recovered, extent.physical + (from - extent.logical),
                     {bytes + (from - begin), to - from});
    }
    pages.push_back(crash_versions_in(words, static_cast<std::uint16_t>(i)));
  }
  return found;
}

bool RecoveryClasses::Class::holds(const PmemImage& other) {
  const auto same = [&](std::uint64_t page) {
    const unsigned char* here = image.page(page).data();
    const unsigned char* there = other.page(page).data();
    for (std::uint64_t left = recovered.read.of_page(page); here != there && left != 0;
         left &= left - 1) {
      const std::size_t at = static_cast<std::size_t>(std::countr_zero(left)) * kPmemLine;
      if (std::memcmp(here + at, there + at, kPmemLine) != 0) return false;
    }
    return true;
  };
  if (!same(differed)) return false;
  for (const std::uint64_t page : image.differences(other)) {
    if (!same(page)) {
      differed = page;
      return false;
    }
  }
  return true;
}

const Recovered* RecoveryClasses::find(const PmemImage& image) {
  const auto found = std::find_if(classes_.begin(), classes_.end(),
                                  [&](Class& known) { return known.holds(image); });
  return found == classes_.end() ? nullptr : &found->recovered;
}

const Recovered& RecoveryClasses::add(const PmemImage& image, Recovered recovered) {
  ++count_;
  if (classes_.size() == kKept) classes_.pop_back();
  classes_.push_front({.image = image, .recovered = std::move(recovered)});
  return classes_.front().recovered;
}

}  // namespace faultline
