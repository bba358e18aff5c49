// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/crash_images.h"

#include <algorithm>
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
  constexpr std::size_t kLines = kPmemPage / kPmemLine;
  const auto same = [&](std::size_t i) {
    const PmemImage::Bytes& here = image.page(lines[i] / kLines);
    const PmemImage::Bytes& there = other.page(lines[i] / kLines);
    const std::size_t at = lines[i] % kLines * kPmemLine;
    return &here == &there || std::memcmp(here.data() + at, there.data() + at, kPmemLine) == 0;
  };
  if (differed < lines.size() && !same(differed)) return false;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (!same(i)) {
      differed = i;
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

const Recovered& RecoveryClasses::add(const PmemImage& image, std::vector<std::uint32_t> lines,
                                      Recovered recovered) {
  std::sort(lines.begin(), lines.end());
  lines.erase(std::unique(lines.begin(), lines.end()), lines.end());
  ++count_;
  if (classes_.size() == kKept) classes_.pop_back();
  classes_.push_front(
      {.lines = std::move(lines), .image = image, .recovered = std::move(recovered)});
  return classes_.front().recovered;
}

}  // namespace faultline
