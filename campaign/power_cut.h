// SPDX-License-Identifier: GPL-2.0-only
// What a crash test is made of, without its guests: the log of all stores to pmem, what of them
// was promised by when, the image at any point, and the verdict over what was found in it. All
// functions are pure but those that take a path or a descriptor.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "observe/pmem_log.h"

namespace faultline {

// The content of a pmem.
class PmemImage {
 public:
  using Bytes = std::array<unsigned char, kPmemPage>;

  PmemImage() = default;
  // Reads `file`, which the plugin has written. Failure(kVmFailed) when it is cut short.
  explicit PmemImage(const std::filesystem::path& file);
  // Makes the image of the pages that such a file holds.
  explicit PmemImage(const std::vector<PmemPage>& pages);

  void apply(const PmemRecord& record);
  // Writes the image into the `bytes` of a file from offset `start` on, with holes where there is
  // nothing.
  void write(int fd, std::uint64_t start, std::uint64_t bytes) const;
  // The bytes of a page, by its index.
  [[nodiscard]] const Bytes& page(std::uint64_t index) const;
  // Indices of all pages that may differ, rising. Fast where one was made of the other.
  [[nodiscard]] std::vector<std::uint64_t> differences(const PmemImage& other) const;
  // Zeroes the newest record of the journal that makes a transaction count: ext4's commit block, or
  // the header of XFS's log record. Returns false if there is none.
  bool drop_last_commit();
  // The index of the first page that differs; -1 if none does.
  [[nodiscard]] std::int64_t first_difference(const PmemImage& other) const;

 private:
  Bytes& page_to_change(std::uint64_t index);

  // Copies share pages until one of them changes.
  std::map<std::uint64_t, std::shared_ptr<Bytes>> pages_;
};

// Failure(kVmFailed) for a record that no guest can have done: of an unknown kind, or a store that
// is not within one line. Pure.
void check_pmem_records(const std::vector<PmemRecord>& records);

struct PmemTrace {
  PmemImage begin;
  std::vector<PmemRecord> records;  // from the word kBegin to the word kEnd

  // Failure(kVmFailed) when the log is not whole, or does not lead from the begin to the end: then
  // there were stores that the plugin has not seen.
  static PmemTrace read(const std::filesystem::path& folder);
  // Makes the trace of what the files hold. Pure.
  static PmemTrace of(std::vector<PmemRecord> records, PmemImage begin, const PmemImage& end);
  // Reads which code wrote lines back. PmemRecord::stack is an index of these.
  static std::vector<PmemStack> read_stacks(const std::filesystem::path& folder);
};

// The writer's file at some moment, as far as it has told.
struct CrashState {
  struct Page {
    int started = 0;   // the version of which some stores may be done
    int written = 0;   // the version of which all are
    int promised = 0;  // the version that is durable, says the strategy
  };
  std::vector<Page> pages;
  struct Number {
    std::optional<std::uint64_t> begin = {};  // durable before the writer began
    std::uint64_t now = 0;                    // in memory
    std::uint64_t promised = 0;
  };
  Number size = {};
  Number mtime = {};
  // What writers that number what they write have begun, by its number, and whether it is promised.
  std::map<std::uint64_t, bool> items = {};
  std::uint64_t instructions = 0;  // since kBegin

  explicit CrashState(std::size_t page_count) : pages(page_count) {}
  // Failure(kVmFailed) when it is a word that no writer says.
  void apply(const PmemRecord& record);
};

// Tells whether a record is the writer's word that something is durable.
bool is_promise(const PmemRecord& record);

// A set of lines of a pmem, kept as a bit for each line of a page.
class LineSet {
 public:
  // Adds all lines that hold a byte from offset `from` to `end` - 1.
  void add(std::uint64_t from, std::uint64_t end);
  [[nodiscard]] std::uint64_t of_page(std::uint64_t page) const {
    return page < pages_.size() ? pages_[page] : 0;
  }

 private:
  std::vector<std::uint64_t> pages_;
};

// What the power's end tears at its smallest, in bytes: kTearsAnywhere, between any two stores of
// the CPU; else a sector, of which what is written one after the other is there or not, as file
// systems take for granted of a medium.
inline constexpr std::uint64_t kTearsAnywhere = 0;
// The sector, in bytes, that the file system in the image was made for: of XFS what its superblock
// says, which mkfs takes from the device (4096 of a pmem); of the others 512, for jbd2 takes no
// more for granted.
std::uint64_t sector_of(const PmemImage& image);
// Tells whether both are stores, and the later one goes on in the same sector where the other ends.
// Never so with kTearsAnywhere.
bool follows_in_sector(const PmemRecord& before, const PmemRecord& record, std::uint64_t sector);

// `count` points, each a number of records after which the power goes, rising. Half are spread over
// the run by its stores, half over the moments at which something has just been promised. The same
// for the same log and seed.
std::vector<std::size_t> crash_points(const std::vector<PmemRecord>& records, std::size_t count,
                                      std::uint64_t seed, std::uint64_t sector);

// Sums over points, as in crashtest.json.
struct CrashCounts {
  struct {
    std::uint64_t pages = 0, size = 0, mtime = 0, items = 0;
  } promised;
  struct {
    // broken: images in which something is that no order of events leaves there.
    std::uint64_t pages = 0, torn = 0, size = 0, mtime = 0, items = 0, broken = 0;
  } lost;
  struct {
    std::uint64_t pages = 0, survived = 0, size = 0, size_survived = 0, mtime = 0,
                  mtime_survived = 0, items = 0, items_survived = 0;
  } unpromised;
  [[nodiscard]] bool any_lost() const;
  void add(const CrashCounts& other);
  [[nodiscard]] nlohmann::json json() const;  // {promised, lost, unpromised}
};

struct CrashVerdict {
  struct Page {
    std::size_t index = 0;
    int version = 0;  // that was promised
  };
  CrashCounts counts;
  std::vector<std::string> what;  // each loss of what was promised, in words
  std::vector<Page> pages;        // that were lost, of those that were not being overwritten
  // Of `what`: what the file's size, time stamp and those pages do not show.
  std::vector<std::string> elsewhere;
};

// `found` is what the guest says of the recovered file (harness/crash.cc, check_image()).
// Failure(kVmFailed) if that is not as it should be.
CrashVerdict judge_crash(const CrashState& state, const nlohmann::json& found);

}  // namespace faultline
