// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/crash_images.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

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

bool RecoveryClasses::Class::holds(const PmemImage& other) {
  const auto same = [&](std::uint64_t page) {
    const unsigned char* here = image.page(page).data();
    const unsigned char* there = other.page(page).data();
    for (std::uint64_t left = lines.of_page(page); here != there && left != 0; left &= left - 1) {
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

const Recovered& RecoveryClasses::add(const PmemImage& image, LineSet lines, Recovered recovered) {
  ++count_;
  if (classes_.size() == kKept) classes_.pop_back();
  classes_.push_front(
      {.lines = std::move(lines), .image = image, .recovered = std::move(recovered)});
  return classes_.front().recovered;
}

}  // namespace faultline
