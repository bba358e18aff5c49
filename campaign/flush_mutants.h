// SPDX-License-Identifier: GPL-2.0-only
// The test of the crash test: every place that wrote lines back, or fenced, left out once when the
// images are made. The guest runs unchanged. All of it is pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "campaign/crash_images.h"
#include "campaign/persistency.h"
#include "campaign/power_cut.h"
#include "observe/symbols.h"

namespace faultline {

// What one place of the code did, called in one way: a function's stores past the caches, a
// write-back of lines, a fence.
struct FlushSite {
  PmemRecord::Kind kind = PmemRecord::Kind::kFence;  // of the first record
  std::string function = {};
  std::vector<std::string> callers = {};  // the nearest first
  std::size_t records = 0;                // in the log
};

class FlushMutants {
 public:
  // `stacks` are as the plugin wrote them; `trace` must outlive this. `symbols` are of the guest's
  // kernel; code that lies in none is the writer's own.
  FlushMutants(const PmemTrace& trace, const std::vector<PmemStack>& stacks,
               const observe::Symbols& symbols);

  [[nodiscard]] const std::vector<FlushSite>& sites() const { return sites_; }
  [[nodiscard]] Persistency::LeftOut left_out(std::size_t site) const;

  // Where it shows that a site was left out, as numbers of records: at most `count`, the first and
  // the last among them, the others by the seed. Promises, at which stores are not durable that
  // were so with the site. If there are none, of a fence: the instants before the next one, if
  // something that it fenced can then be lost beside a later store that is there. None: the log
  // proves the site redundant. Every line it wrote back was clean, or was written back again before
  // the next promise; whenever it fenced nothing was outstanding, or nothing was stored until the
  // next fence, which came before a promise: all that may then be left might have been left
  // before it.
  struct Telling {
    std::vector<std::size_t> points = {};
    bool promises = true;
  };
  [[nodiscard]] Telling telling_points(std::size_t site, std::size_t count,
                                       std::uint64_t seed) const;
  // The places of the stores that may be missing after so many records for want of the site alone,
  // in bytes of the pmem.
  [[nodiscard]] std::vector<std::uint64_t> missing_at(std::size_t site, std::size_t records) const;

 private:
  [[nodiscard]] std::vector<std::size_t> promises_without(std::size_t site) const;
  [[nodiscard]] std::vector<std::size_t> orders_without(std::size_t site) const;

  const PmemTrace& trace_;
  // At each promise: its number of records, and how many stores are not durable with all sites.
  std::vector<std::pair<std::size_t, std::size_t>> promises_;
  std::vector<FlushSite> sites_;
  std::vector<std::uint32_t> site_of_stack_;
};

// The images in which one place after the other neither wrote back nor fenced: of each those at its
// telling points, until one of them has lost something.
class MutantStream {
 public:
  struct Outcome {
    std::size_t points = 0;  // that were tried
    bool promises = true;    // which these are
    std::size_t images = 0;
    bool killed = false;
    bool read = false;  // some recovery has read of what may be missing
  };

  // `trace` and `mutants` must outlive this. `wish` chooses no point; its `left_out` is set for
  // each site.
  MutantStream(const PmemTrace& trace, const FlushMutants& mutants, CrashImages::Wish wish)
      : trace_(trace), mutants_(mutants), wish_(std::move(wish)) {}

  std::optional<CrashImage> next();
  // Says of the image that next() gave last whether something is wrong with it, and what its
  // recovery came to.
  void judge(const CrashImage& image, bool lost, const Recovered& recovered);
  // The outcome as crashtest.json has it: {sites, killed, redundant, survived, score, survivors,
  // redundancies}.
  [[nodiscard]] nlohmann::json json() const;

 private:
  static constexpr std::size_t kMostPoints = 6;
  const PmemTrace& trace_;
  const FlushMutants& mutants_;
  CrashImages::Wish wish_;
  std::optional<CrashImages> images_ = {};
  std::vector<std::vector<std::uint64_t>> missing_ = {};  // at each point of the site
  std::vector<Outcome> outcomes_ = {};
};

// The name of a kind as crashtest.json has it: "clwb", "fence".
std::string flush_kind_name(PmemRecord::Kind kind);

}  // namespace faultline
