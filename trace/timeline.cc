// SPDX-License-Identifier: GPL-2.0-only
#include "trace/timeline.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <tuple>

#include "cell/failure.h"

namespace faultline {
namespace {

// More at once on one track's levels is no kernel's doing.
constexpr size_t kMostLevels = 64;

struct Level {
  uint32_t track = 0;
  std::vector<uint32_t> open = {};  // indices into Timeline::placed
};

// The indices of samples by their start. Of those that start together the longest comes first, and
// then the one whose kind is the lower.
std::vector<uint32_t> in_order(const std::vector<Sample>& samples) {
  std::vector<uint32_t> order(samples.size());
  std::iota(order.begin(), order.end(), 0);
  const auto before = [&](uint32_t a, uint32_t b) {
    const Sample& x = samples[a];
    const Sample& y = samples[b];
    return std::tuple(x.start, ~x.duration, x.kind, a) <
           std::tuple(y.start, ~y.duration, y.kind, b);
  };
  if (!std::is_sorted(order.begin(), order.end(), before)) {
    std::sort(order.begin(), order.end(), before);
  }
  return order;
}

class Arranging {
 public:
  explicit Arranging(const SampleRow& row) : row_(row) {
    for (const std::string& kind : row.kinds) kinds_.push_back(kind_named(kind));
  }

  Timeline run() {
    made_.placed.reserve(row_.samples.size());
    for (const uint32_t index : in_order(row_.samples)) place(index);
    find_waits();
    return std::move(made_);
  }

 private:
  [[nodiscard]] std::string named(uint32_t index) const {
    const Sample& sample = row_.samples[index];
    return fmt::format("sample {} ({}, {} to {})", index, row_.kinds[sample.kind], sample.start,
                       sample.end());
  }

  void check_exclusive(uint32_t index) {
    const Sample& sample = row_.samples[index];
    std::vector<uint32_t>& open = exclusive_[sample.tid];
    while (!open.empty() && row_.samples[open.back()].end() <= sample.start) open.pop_back();
    if (!open.empty() && sample.end() > row_.samples[open.back()].end()) {
      throw Failure(
          ExitCode::kUsage,
          fmt::format("{}: thread {}: {} and {} overlap, neither inside the other: no thread does "
                      "that; the result is damaged, run the measurement again",
                      row_.name, sample.tid, named(open.back()), named(index)));
    }
    open.push_back(index);
  }

  void place(uint32_t index) {
    const Sample& sample = row_.samples[index];
    const KindRow& kind = kinds_[sample.kind];
    if (kind.exclusive) check_exclusive(index);
    const uint32_t tid = kind.home == Home::kJournal ? 0 : sample.tid;
    std::vector<Level>& levels = levels_[{kind.home, tid}];
    size_t level = 0;
    for (; level < levels.size(); ++level) {
      std::vector<uint32_t>& open = levels[level].open;
      while (!open.empty() && at(open.back()).end() <= sample.start) open.pop_back();
      if (open.empty() || sample.end() <= at(open.back()).end()) break;
    }
    if (level == levels.size()) {
      if (level == kMostLevels) {
        throw Failure(ExitCode::kUsage,
                      fmt::format("{}: {}: more than {} samples overlap there; the result is "
                                  "damaged, run the measurement again",
                                  row_.name, named(index), kMostLevels));
      }
      levels.push_back({static_cast<uint32_t>(made_.tracks.size())});
      made_.tracks.push_back({kind.home, tid, static_cast<uint32_t>(level)});
    }
    std::vector<uint32_t>& open = levels[level].open;
    Placed placed{index, levels[level].track, open.empty() ? Placed::kNone : open.back(),
                  sample.duration};
    if (!open.empty()) made_.placed[open.back()].self -= sample.duration;
    open.push_back(static_cast<uint32_t>(made_.placed.size()));
    made_.placed.push_back(placed);
  }

  [[nodiscard]] const Sample& at(uint32_t placed) const {
    return row_.samples[made_.placed[placed].sample];
  }

  void find_waits() {
    struct Work {
      uint64_t key;  // transaction, or thread
      uint64_t start;
      uint32_t sample;
      bool operator<(const Work& other) const {
        return std::tie(key, start, sample) < std::tie(other.key, other.start, other.sample);
      }
    };
    std::vector<Work> by_link;
    std::vector<Work> by_thread;
    for (uint32_t i = 0; i < row_.samples.size(); ++i) {
      const Sample& sample = row_.samples[i];
      if (kinds_[sample.kind].home != Home::kJournal) continue;
      if (sample.link != 0) by_link.push_back({sample.link, sample.start, i});
      by_thread.push_back({sample.tid, sample.start, i});
    }
    std::sort(by_link.begin(), by_link.end());
    std::sort(by_thread.begin(), by_thread.end());
    // The last that began before `end`, if it is of that key.
    const auto last = [](const std::vector<Work>& works, uint64_t key, uint64_t end) {
      auto found = std::lower_bound(works.begin(), works.end(), Work{key, end, 0});
      if (found == works.begin() || (--found)->key != key) return Placed::kNone;
      return found->sample;
    };
    for (uint32_t i = 0; i < row_.samples.size(); ++i) {
      const Sample& sync = row_.samples[i];
      if (row_.kinds[sync.kind] != kKindSync) continue;
      uint32_t work = Placed::kNone;
      if (sync.link != 0) {
        work = last(by_link, sync.link, sync.end());
        if (work != Placed::kNone && row_.samples[work].end() <= sync.start) work = Placed::kNone;
      }
      if (work == Placed::kNone) {
        // A thread that does the journal's work itself.
        work = last(by_thread, sync.tid, sync.end());
        if (work != Placed::kNone && row_.samples[work].start < sync.start) work = Placed::kNone;
      }
      if (work != Placed::kNone) made_.waits.push_back({i, work});
    }
  }

  const SampleRow& row_;
  std::vector<KindRow> kinds_;
  Timeline made_;
  std::map<std::pair<Home, uint32_t>, std::vector<Level>> levels_;
  std::map<uint32_t, std::vector<uint32_t>> exclusive_;
};

}  // namespace

std::string track_name(const Track& track) {
  std::string name = track.home == Home::kJournal ? "journal" : fmt::format("thread {}", track.tid);
  if (track.home == Home::kLocks) name += " locks";
  if (track.lane != 0) name += fmt::format(" ({})", track.lane + 1);
  return name;
}

Timeline arrange(const SampleRow& row) { return Arranging(row).run(); }

}  // namespace faultline
