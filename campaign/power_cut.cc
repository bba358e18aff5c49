// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/power_cut.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <random>
#include <set>

#include "cell/crash_page.h"
#include "cell/failure.h"
#include "harness/wire.h"
#include "vm/files.h"

namespace faultline {

namespace fs = std::filesystem;

namespace {

using wire::CrashWord;

std::uint32_t big_endian(const unsigned char* bytes) {
  return static_cast<std::uint32_t>(bytes[0]) << 24 | static_cast<std::uint32_t>(bytes[1]) << 16 |
         static_cast<std::uint32_t>(bytes[2]) << 8 | static_cast<std::uint32_t>(bytes[3]);
}

CrashWord word_of(const PmemRecord& record) {
  return static_cast<CrashWord>(record.value >> wire::kCrashWordShift);
}

[[noreturn]] void bad_log(const std::string& why) {
  throw Failure(ExitCode::kVmFailed, "the log of the guest's stores to pmem: " + why);
}

template <typename Item>
std::vector<Item> read_items(const fs::path& file) {
  std::error_code error;
  const std::uint64_t size = fs::file_size(file, error);
  if (error) bad_log(fmt::format("there is no {}", file.filename().string()));
  if (size % sizeof(Item) != 0) bad_log(fmt::format("{} is cut short", file.filename().string()));
  std::vector<Item> items(size / sizeof(Item));
  std::ifstream in(file, std::ios::binary);
  in.read(reinterpret_cast<char*>(items.data()), static_cast<std::streamsize>(size));
  if (!in) throw_io_failure("cannot read", file, errno);
  return items;
}

}  // namespace

PmemImage::PmemImage(const fs::path& file) : PmemImage(read_items<PmemPage>(file)) {}

PmemImage::PmemImage(const std::vector<PmemPage>& pages) {
  for (const PmemPage& page : pages) {
    if (page.index > UINT32_MAX / kPmemPage) {
      bad_log(fmt::format("there is no page {} of the pmem", page.index));
    }
    std::memcpy(page_to_change(page.index).data(), page.bytes, kPmemPage);
  }
}

PmemImage::Bytes& PmemImage::page_to_change(std::uint64_t index) {
  std::shared_ptr<Bytes>& page = pages_[index];
  if (!page) {
    page = std::make_shared<Bytes>();
  } else if (page.use_count() > 1) {
    page = std::make_shared<Bytes>(*page);
  }
  return *page;
}

const PmemImage::Bytes& PmemImage::page(std::uint64_t index) const {
  static constexpr Bytes kNothing{};
  const auto found = pages_.find(index);
  return found == pages_.end() ? kNothing : *found->second;
}

void PmemImage::apply(const PmemRecord& record) {
  if (!record.is_store()) return;
  std::memcpy(page_to_change(record.where / kPmemPage).data() + record.where % kPmemPage,
              &record.value, record.bytes);
}

void PmemImage::write(int fd, std::uint64_t start, std::uint64_t bytes) const {
  if (::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(start),
                  static_cast<off_t>(bytes)) != 0) {
    throw_io_failure("cannot clear", "the guest's memory", errno);
  }
  for (const auto& [index, page] : pages_) {
    if (::pwrite(fd, page->data(), kPmemPage, static_cast<off_t>(start + index * kPmemPage)) !=
        static_cast<ssize_t>(kPmemPage)) {
      throw_io_failure("cannot write", "the guest's memory", errno);
    }
  }
}

std::vector<std::uint64_t> PmemImage::differences(const PmemImage& other) const {
  std::vector<std::uint64_t> indices;
  auto here = pages_.begin();
  auto there = other.pages_.begin();
  while (here != pages_.end() || there != other.pages_.end()) {
    if (there == other.pages_.end() || (here != pages_.end() && here->first < there->first)) {
      indices.push_back((here++)->first);
    } else if (here == pages_.end() || there->first < here->first) {
      indices.push_back((there++)->first);
    } else {
      if (here->second != there->second) indices.push_back(here->first);
      ++here;
      ++there;
    }
  }
  return indices;
}

bool PmemImage::drop_last_commit() {
  constexpr std::uint32_t kJbd2Magic = 0xc03b3998;  // include/linux/jbd2.h
  constexpr std::uint32_t kJbd2Commit = 2;
  constexpr std::uint32_t kXfsLogMagic = 0xfeedbabe;  // fs/xfs/libxfs/xfs_log_format.h
  constexpr std::size_t kSector = 512;
  struct {
    std::uint64_t page = 0;
    std::size_t at = 0;
    std::size_t length = 0;
    std::uint64_t order = 0;
  } newest;
  for (const auto& [index, page] : pages_) {
    const auto take = [&, page_index = index](std::size_t at, std::size_t bytes,
                                              std::uint64_t order) {
      if (newest.length != 0 && order <= newest.order) return;
      newest = {.page = page_index, .at = at, .length = bytes, .order = order};
    };
    const unsigned char* bytes = page->data();
    if (big_endian(bytes) == kJbd2Magic && big_endian(bytes + 4) == kJbd2Commit) {
      take(0, kPmemPage, big_endian(bytes + 8));
    }
    for (std::size_t sector = 0; sector < kPmemPage; sector += kSector) {
      if (big_endian(bytes + sector) != kXfsLogMagic) continue;
      // h_lsn: the cycle, then the block.
      take(sector, kSector,
           std::uint64_t{big_endian(bytes + sector + 16)} << 32 | big_endian(bytes + sector + 20));
    }
  }
  if (newest.length == 0) return false;
  std::memset(page_to_change(newest.page).data() + newest.at, 0, newest.length);
  return true;
}

std::int64_t PmemImage::first_difference(const PmemImage& other) const {
  for (const std::uint64_t index : differences(other)) {
    if (page(index) != other.page(index)) return static_cast<std::int64_t>(index);
  }
  return -1;
}

void LineSet::add(std::uint64_t from, std::uint64_t end) {
  constexpr std::uint64_t kLines = kPmemPage / kPmemLine;
  while (from < end) {
    const std::uint64_t page = from / kPmemPage;
    const std::uint64_t stop = std::min(end, (page + 1) * kPmemPage);
    if (page >= pages_.size()) pages_.resize(page + 1);
    const std::uint64_t first = from / kPmemLine % kLines;
    const std::uint64_t count = (stop - 1) / kPmemLine - from / kPmemLine + 1;
    pages_[page] |= (count == kLines ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1)
                    << first;
    from = stop;
  }
}

void check_pmem_records(const std::vector<PmemRecord>& records) {
  for (std::size_t i = 0; i < records.size(); ++i) {
    const PmemRecord& record = records[i];
    if (record.kind > PmemRecord::Kind::kWord) bad_log(fmt::format("record {} is of no kind", i));
    if (!record.is_store()) continue;
    if (record.bytes == 0 || record.bytes > sizeof(record.value) ||
        record.where % kPmemLine + record.bytes > kPmemLine) {
      bad_log(fmt::format("record {} stores {} bytes at {}, which is in no line", i, record.bytes,
                          record.where));
    }
  }
}

PmemTrace PmemTrace::read(const fs::path& folder) {
  std::vector<PmemRecord> records = read_items<PmemRecord>(folder / kPmemLogFile);
  PmemImage begin(folder / kPmemBeginFile);
  return of(std::move(records), std::move(begin), PmemImage(folder / kPmemEndFile));
}

PmemTrace PmemTrace::of(std::vector<PmemRecord> records, PmemImage begin, const PmemImage& end) {
  PmemTrace trace;
  trace.records = std::move(records);
  check_pmem_records(trace.records);
  if (trace.records.empty() || !trace.records.front().is_word() ||
      word_of(trace.records.front()) != CrashWord::kBegin || !trace.records.back().is_word() ||
      word_of(trace.records.back()) != CrashWord::kEnd) {
    bad_log("it has no begin or no end");
  }
  trace.begin = std::move(begin);
  PmemImage image = trace.begin;
  for (const PmemRecord& record : trace.records) image.apply(record);
  if (const auto page = image.first_difference(end); page >= 0) {
    bad_log(fmt::format("not all are in it: page {} of the pmem ends otherwise", page));
  }
  return trace;
}

std::vector<PmemStack> PmemTrace::read_stacks(const fs::path& folder) {
  return read_items<PmemStack>(folder / kPmemStacksFile);
}

bool is_promise(const PmemRecord& record) {
  if (!record.is_word()) return false;
  const CrashWord word = word_of(record);
  return word == CrashWord::kPromised || word == CrashWord::kSizePromised ||
         word == CrashWord::kMtimePromised || word == CrashWord::kItemPromised;
}

void CrashState::apply(const PmemRecord& record) {
  instructions += record.instructions;
  if (!record.is_word()) return;
  const std::uint64_t value = record.value & ((std::uint64_t{1} << wire::kCrashWordShift) - 1);
  const std::uint64_t index = value >> wire::kCrashPageShift;
  const int version = static_cast<int>(value & ((1U << wire::kCrashPageShift) - 1));
  const auto page = [&]() -> Page& {
    if (index >= pages.size()) bad_log(fmt::format("it tells of page {}", index));
    return pages[index];
  };
  const auto tell = [](Number& number, std::uint64_t now) {
    if (!number.begin) number.begin = now;
    number.now = now;
  };
  switch (word_of(record)) {
    case CrashWord::kBegin:
    case CrashWord::kEnd:
      return;
    case CrashWord::kWriting:
      page().started = version;
      return;
    case CrashWord::kWritten:
      page().written = version;
      return;
    case CrashWord::kPromised:
      page().promised = version;
      return;
    case CrashWord::kSize:
      tell(size, value);
      return;
    case CrashWord::kSizePromised:
      size.promised = std::max(size.promised, value);
      return;
    case CrashWord::kMtime:
      tell(mtime, value);
      return;
    case CrashWord::kMtimePromised:
      mtime.promised = std::max(mtime.promised, value);
      return;
    case CrashWord::kItemBegun:
      items.emplace(value, false);
      return;
    case CrashWord::kItemPromised:
      items[value] = true;
      return;
  }
  bad_log(fmt::format("unknown word {:#x}", record.value));
}

std::uint64_t sector_of(const PmemImage& image) {
  constexpr std::uint32_t kXfsMagic = 0x58465342;  // fs/xfs/libxfs/xfs_format.h, "XFSB"
  constexpr std::size_t kSectorSizeAt = 102;       // sb_sectsize, two bytes
  const PmemImage::Bytes& superblock = image.page(0);
  if (big_endian(superblock.data()) != kXfsMagic) return 512;
  return big_endian(superblock.data() + kSectorSizeAt) >> 16;
}

bool follows_in_sector(const PmemRecord& before, const PmemRecord& record, std::uint64_t sector) {
  return sector != kTearsAnywhere && before.is_store() && record.is_store() &&
         record.where == before.where + before.bytes && record.where % sector != 0;
}

std::vector<std::size_t> crash_points(const std::vector<PmemRecord>& records, std::size_t count,
                                      std::uint64_t seed, std::uint64_t sector) {
  std::vector<std::size_t> stores;
  std::vector<std::size_t> promises;
  for (std::size_t i = 0; i < records.size(); ++i) {
    if (records[i].is_store()) {
      stores.push_back(i + 1);
    } else if (is_promise(records[i])) {
      promises.push_back(i + 1);
    }
  }
  std::mt19937_64 random(seed);
  std::vector<std::size_t> points;
  // One of each of `n` equal parts.
  const auto spread = [&](const std::vector<std::size_t>& over, std::size_t n) {
    for (std::size_t i = 0; i < n && !over.empty(); ++i) {
      const std::size_t from = over.size() * i / n;
      const std::size_t to = std::max(from + 1, over.size() * (i + 1) / n);
      points.push_back(over[from + random() % (to - from)]);
    }
  };
  const std::size_t at_promises = promises.empty() ? 0 : count / 2;
  spread(promises, at_promises);
  spread(stores, count - at_promises);
  for (std::size_t& point : points) {
    while (point < records.size() &&
           follows_in_sector(records[point - 1], records[point], sector)) {
      ++point;
    }
  }
  std::sort(points.begin(), points.end());
  return points;
}

bool CrashCounts::any_lost() const {
  return lost.pages + lost.torn + lost.size + lost.mtime + lost.items + lost.broken > 0;
}

void CrashCounts::add(const CrashCounts& other) {
  promised.pages += other.promised.pages;
  promised.size += other.promised.size;
  promised.mtime += other.promised.mtime;
  promised.items += other.promised.items;
  lost.pages += other.lost.pages;
  lost.torn += other.lost.torn;
  lost.size += other.lost.size;
  lost.mtime += other.lost.mtime;
  lost.items += other.lost.items;
  lost.broken += other.lost.broken;
  unpromised.pages += other.unpromised.pages;
  unpromised.survived += other.unpromised.survived;
  unpromised.size += other.unpromised.size;
  unpromised.size_survived += other.unpromised.size_survived;
  unpromised.mtime += other.unpromised.mtime;
  unpromised.mtime_survived += other.unpromised.mtime_survived;
  unpromised.items += other.unpromised.items;
  unpromised.items_survived += other.unpromised.items_survived;
}

nlohmann::json CrashCounts::json() const {
  return {{"promised",
           {{"pages", promised.pages},
            {"size", promised.size},
            {"mtime", promised.mtime},
            {"items", promised.items}}},
          {"lost",
           {{"pages", lost.pages},
            {"torn", lost.torn},
            {"size", lost.size},
            {"mtime", lost.mtime},
            {"items", lost.items},
            {"broken", lost.broken}}},
          {"unpromised",
           {{"pages", unpromised.pages},
            {"survived", unpromised.survived},
            {"size", unpromised.size},
            {"size_survived", unpromised.size_survived},
            {"mtime", unpromised.mtime},
            {"mtime_survived", unpromised.mtime_survived},
            {"items", unpromised.items},
            {"items_survived", unpromised.items_survived}}}};
}

namespace {

std::string versions_text(const std::vector<int>& versions) {
  std::vector<std::string> parts;
  parts.reserve(versions.size());
  for (const int version : versions) {
    parts.push_back(version == kCrashZeroes    ? "zeroes"
                    : version == kCrashForeign ? "what was never written there"
                                               : fmt::format("version {}", version));
  }
  return parts.empty() ? "beyond the end of the file"
                       : fmt::format("{}", fmt::join(parts, " and "));
}

// What a writer has numbered, against what of that was found.
void judge_items(const CrashState& state, const nlohmann::json& found, CrashVerdict& verdict) {
  std::set<std::uint64_t> there;
  if (found.is_object() && found.contains("items")) {
    there = found["items"].get<std::set<std::uint64_t>>();
  }
  CrashCounts& counts = verdict.counts;
  for (const auto& [item, promised] : state.items) {
    const bool is_there = there.contains(item);
    ++(promised ? counts.promised.items : counts.unpromised.items);
    if (!promised && is_there) ++counts.unpromised.items_survived;
    if (!promised || is_there) continue;
    ++counts.lost.items;
    verdict.what.push_back(fmt::format("item {}, which was promised, is not found", item));
    verdict.elsewhere.push_back(verdict.what.back());
  }
  std::string broken = found.is_object() ? found.value("wrong", "") : "";
  for (const std::uint64_t item : there) {
    if (!broken.empty() || state.items.contains(item)) continue;
    broken = fmt::format("item {} is found, and was never begun", item);
  }
  if (broken.empty()) return;
  ++counts.lost.broken;
  // It tells more than what is missing.
  verdict.what.insert(verdict.what.begin(), broken);
  verdict.elsewhere.insert(verdict.elsewhere.begin(), broken);
}

CrashVerdict judge_found(const CrashState& state, const nlohmann::json& found) {
  CrashVerdict verdict;
  CrashCounts& counts = verdict.counts;
  const bool there =
      found.is_object() && found.contains("size") && found["size"].is_number_unsigned();
  const auto size = there ? found["size"].get<std::uint64_t>() : 0;
  const auto mtime = there ? found.at("mtime").get<std::uint64_t>() : 0;

  for (std::size_t i = 0; i < state.pages.size(); ++i) {
    const CrashState::Page& page = state.pages[i];
    std::vector<int> versions;
    if (there && i < found.at("pages").size())
      versions = found.at("pages").at(i).get<std::vector<int>>();
    // In a page that is being overwritten, old and new words may stand side by side.
    const auto holds = [&](int least) {
      return !versions.empty() && std::all_of(versions.begin(), versions.end(), [&](int version) {
        return version >= least && version <= page.started;
      });
    };
    if (page.promised > 0) {
      ++counts.promised.pages;
      if (!holds(page.promised)) {
        const bool some = std::any_of(versions.begin(), versions.end(), [&](int version) {
          return version >= page.promised && version <= page.started;
        });
        ++(some ? counts.lost.torn : counts.lost.pages);
        verdict.what.push_back(fmt::format("page {}: {} instead of version {}", i,
                                           versions_text(versions), page.promised));
        if (page.started == page.promised) {
          verdict.pages.push_back({.index = i, .version = page.promised});
        } else {
          verdict.elsewhere.push_back(verdict.what.back());
        }
      }
    }
    if (page.written > page.promised) {
      ++counts.unpromised.pages;
      if (holds(page.written)) ++counts.unpromised.survived;
    }
  }
  if (state.size.promised > 0) {
    ++counts.promised.size;
    if (size < state.size.promised) {
      ++counts.lost.size;
      verdict.what.push_back(fmt::format("size {} instead of {}", size, state.size.promised));
    }
  }
  if (state.size.now > std::max(state.size.promised, state.size.begin.value_or(0))) {
    ++counts.unpromised.size;
    if (size >= state.size.now) ++counts.unpromised.size_survived;
  }
  if (state.mtime.promised > 0) {
    ++counts.promised.mtime;
    if (mtime < state.mtime.promised) {
      ++counts.lost.mtime;
      verdict.what.push_back(
          fmt::format("mtime {} ns before the one promised", state.mtime.promised - mtime));
    }
  }
  if (state.mtime.now > std::max(state.mtime.promised, state.mtime.begin.value_or(0))) {
    ++counts.unpromised.mtime;
    if (mtime >= state.mtime.now) ++counts.unpromised.mtime_survived;
  }
  judge_items(state, found, verdict);
  const bool answered = there || (found.is_object() && found.contains("items"));
  if (!answered && counts.any_lost()) {
    const std::string error = found.is_object() ? found.value("error", "") : "";
    verdict.what = {error.empty() ? "the file is not there" : error};
  }
  return verdict;
}

}  // namespace

CrashVerdict judge_crash(const CrashState& state, const nlohmann::json& found) {
  try {
    return judge_found(state, found);
  } catch (const nlohmann::json::exception& e) {
    throw Failure(
        ExitCode::kVmFailed,
        fmt::format("what the guest says of the file is not as it should be: {}", e.what()));
  }
}

}  // namespace faultline
