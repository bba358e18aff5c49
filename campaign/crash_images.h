// SPDX-License-Identifier: GPL-2.0-only
// The images that a crash test judges, one after the other; and which of them are one to recovery.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "campaign/persistency.h"
#include "campaign/power_cut.h"

namespace faultline {

enum class CrashModel {
  kOrder,  // every store is in the pmem at once, in program order
  kPx86,   // persistency.h
};

struct CrashImage {
  std::size_t point = 0;   // of how many there are
  std::size_t number = 0;  // of the point's
  bool last = false;       // of the point's
  PmemImage bytes = {};
  CrashState state{0};  // of the writer at that instant
};

class CrashImages {
 public:
  struct Wish {
    CrashModel model = CrashModel::kOrder;
    std::uint64_t sector = 512;  // or kTearsAnywhere
    std::size_t per_point = 1;   // at most; kOrder has one
    std::uint64_t seed = 0;
    std::size_t pages = 0;                  // of the writer's file
    std::optional<std::size_t> point = {};  // this one alone
    std::optional<std::size_t> image = {};  // of each point this one alone
    Persistency::LeftOut left_out = {};
  };
  // `points` are those of crash_points(). `trace` must outlive this.
  CrashImages(const PmemTrace& trace, std::vector<std::size_t> points, Wish wish);
  // Makes the next image; nullopt past the last.
  std::optional<CrashImage> next();

 private:
  void go_to(std::size_t records);

  const PmemTrace& trace_;
  std::vector<std::size_t> points_;
  Wish wish_;
  Persistency persistency_;
  PmemImage in_order_;
  CrashState state_;
  std::size_t applied_ = 0;
  std::size_t point_ = 0;  // the next
  std::vector<Survival> survivals_ = {};
  std::size_t number_ = 0;  // of the next of survivals_
};

// What the recovery of an image came to.
struct Recovered {
  nlohmann::json found = {};  // as harness/crash.cc says it
  bool checked = false;       // by the file system's check
  int status = 0;             // of that, and its words
  std::string words = {};
  // The lines of the image that recovery and the check have read, but for the writer's pages that
  // the host looks at itself.
  LineSet read = {};
  // What recovery has stored into the blocks of the writer's file: the lines, and the pages of the
  // pmem that hold them, as they are since.
  LineSet rewritten = {};
  std::map<std::uint64_t, PmemImage::Bytes> rewritten_pages = {};
};

// The parts of the pmem that hold the writer's file, as the guest has told them in `extents`: where
// each begins, and how many bytes it has. None where it has read the file itself.
std::vector<std::pair<std::uint64_t, std::uint64_t>> file_blocks(const Recovered& recovered);

// What is found in the image: `recovered.found`, and where the guest has told `extents`, in `pages`
// what the first `count` pages of the file hold, as if the guest had read them. A recovery that is
// another image's of the same class tells of this one too: it stores the same, and leaves the rest.
// Failure(kVmFailed) for extents that are none.
nlohmann::json found_in(const PmemImage& image, const Recovered& recovered, std::size_t count);

// Images that recovery cannot tell apart. A recovery that begins alike and reads the same does the
// same: so an image with the same bytes in all lines that some recovery has read, the file system's
// check included, comes to the same. What the writer's pages hold is not among them where the host
// looks for it itself (found_in()), so that images which differ in them alone are one.
class RecoveryClasses {
 public:
  // Finds the class of an image among the latest kKept, and gives its recovery; nullptr if it is of
  // none.
  const Recovered* find(const PmemImage& image);
  // Adds a class, by what recovery has read of the image.
  const Recovered& add(const PmemImage& image, Recovered recovered);
  [[nodiscard]] std::size_t count() const { return count_; }

 private:
  static constexpr std::size_t kKept = 64;
  struct Class {
    PmemImage image = {};
    std::uint64_t differed = 0;  // the page in which the last image that was asked for was another
    Recovered recovered = {};
    [[nodiscard]] bool holds(const PmemImage& other);
  };
  std::deque<Class> classes_ = {};  // the latest first
  std::size_t count_ = 0;
};

}  // namespace faultline
