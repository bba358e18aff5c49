// SPDX-License-Identifier: GPL-2.0-only
#include "harness/crash_items.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <numeric>
#include <random>
#include <thread>

#include "cell/cell.h"
#include "cell/crash_page.h"
#include "cell/failure.h"
#include "harness/mapping.h"
#include "harness/wire.h"

namespace faultline {
namespace {

using wire::CrashWord;

constexpr uint16_t kSteps = 24;
constexpr uint16_t kOld = 1;  // versions of pages
constexpr uint16_t kNew = 2;

// What a writer writes by: every store, sync and event goes through here, so that a planted error
// is the same one in all of them.
class Stage {
 public:
  Stage(const CrashPlants& plants, uint64_t seed, std::string directory)
      : plants_(plants), random_(seed), directory_(std::move(directory)) {}

  [[nodiscard]] std::string path(const std::string& name) const { return directory_ + "/" + name; }
  [[nodiscard]] bool skips_syncs() const { return plants_.skips_syncs; }
  std::mt19937_64& random() { return random_; }

  // What was written before is durable, and nothing of it is an item.
  void begin() {
    const Descriptor folder(directory_, O_RDONLY | O_DIRECTORY);
    if (fsync(folder.fd()) != 0) fail_crash("fsync");
    events_.tell(CrashWord::kBegin);
  }
  void end() { events_.tell(CrashWord::kEnd); }
  void begun(uint64_t item) { events_.tell(CrashWord::kItemBegun, item); }
  void promised(uint64_t item) { events_.tell(CrashWord::kItemPromised, item); }

  void sync(int fd) const {
    if (!plants_.skips_syncs && fsync(fd) != 0) fail_crash("fsync");
  }
  void sync_directory() const {
    const Descriptor folder(directory_, O_RDONLY | O_DIRECTORY);
    sync(folder.fd());
  }
  // A page that is durable afterwards if its mapping is MAP_SYNC. Threads may call it.
  void store_page(char* at, uint16_t page, uint16_t version) const {
    alignas(64) std::array<uint64_t, kCrashWordsPerPage> words{};
    fill_crash_page(words, page, version);
    std::memcpy(at, words.data(), kPageSize);
    write_back_lines(at, kPageSize, plants_);
  }

 private:
  CrashPlants plants_;
  std::mt19937_64 random_;
  std::string directory_;
  EventChannel events_;
};

void write_page(int fd, uint16_t page, uint16_t version) {
  std::array<uint64_t, kCrashWordsPerPage> words{};
  fill_crash_page(words, page, version);
  if (pwrite(fd, words.data(), kPageSize, static_cast<off_t>(page * kPageSize)) != kPageSize) {
    fail_crash("pwrite");
  }
}

void cut_to(int fd, uint64_t pages) {
  if (ftruncate(fd, static_cast<off_t>(pages * kPageSize)) != 0) fail_crash("ftruncate");
}

// A file, made and synced: holes, or pages of a version.
class MadeFile : public Descriptor {
 public:
  MadeFile(const std::string& path, uint16_t pages, uint16_t version)
      : Descriptor(path, O_RDWR | O_CREAT | O_TRUNC) {
    if (fd() < 0) fail_crash(path);
    for (uint16_t page = 0; version != 0 && page < pages; ++page) write_page(fd(), page, version);
    cut_to(fd(), pages);
    if (fsync(fd()) != 0) fail_crash("fsync");
  }
};

enum class MapAs { kPlain, kMapSync, kHuge };

// The first pages of a file; of kMapSync and kHuge with MAP_SYNC, unless that is left out.
class MappedFile {
 public:
  MappedFile(const Stage& stage, int fd, uint16_t pages, MapAs as) : space_(pages * kPageSize) {
    const uint64_t bytes = pages * kPageSize;
    const bool map_sync = as != MapAs::kPlain && !stage.skips_syncs();
    const int flags = (map_sync ? MAP_SHARED_VALIDATE | MAP_SYNC : MAP_SHARED) | MAP_FIXED;
    if (mmap(space_.base(), bytes, PROT_READ | PROT_WRITE, flags, fd, 0) == MAP_FAILED) {
      throw mmap_failure(map_sync, errno, true);
    }
    if (as != MapAs::kHuge && !forbid_huge_pages(space_.base(), bytes)) fail_crash("madvise");
  }
  [[nodiscard]] char* page(uint16_t index) const { return space_.base() + index * kPageSize; }

 private:
  AlignedSpace space_;
};

// The first word on what is wrong stays.
void call_wrong(CrashFindings& findings, const std::string& what) {
  if (findings.wrong.empty()) findings.wrong = what;
}

// Adds `item` if a page holds its new version; wrong is what neither the old nor the new one is.
// Pages of a store that was under way may hold both.
void note_page(CrashFindings& findings, const std::vector<int>& versions, int before, int after,
               uint64_t item, const std::string& what) {
  if (versions == std::vector{after}) {
    findings.items.push_back(item);
  } else if (!std::all_of(versions.begin(), versions.end(),
                          [&](int version) { return version == before || version == after; })) {
    call_wrong(findings, fmt::format("{} holds what was never written there", what));
  }
}

std::string page_name(const std::string& file, unsigned page) {
  return fmt::format("page {} of {}", page, file);
}

// Opens what must be there. nullptr, with a word on it, when it is not.
std::unique_ptr<Descriptor> found_file(const std::string& directory, const std::string& name,
                                       CrashFindings& findings) {
  auto file = std::make_unique<Descriptor>(directory + "/" + name, O_RDONLY);
  if (file->fd() >= 0) return file;
  call_wrong(findings, fmt::format("{}: {}", name, std::strerror(errno)));
  return nullptr;
}

uint64_t size_of(int fd) {
  struct stat info {};
  if (fstat(fd, &info) != 0) fail_crash("fstat");
  return static_cast<uint64_t>(info.st_size);
}

// Each page is an item, which holds nothing before its store.
template <uint16_t Pages>
void find_pages(const std::string& directory, CrashFindings& findings) {
  const auto file = found_file(directory, "file", findings);
  for (uint16_t page = 0; file && page < Pages; ++page) {
    note_page(findings, versions_of_page(file->fd(), page), kCrashZeroes, kOld, page,
              page_name("file", page));
  }
}

// The two items of a step that has two.
constexpr uint64_t first_of(uint64_t step) { return 2 * step; }
constexpr uint64_t second_of(uint64_t step) { return 2 * step + 1; }

// --- threads: item = page

constexpr uint16_t kThreadsPages = 2 * kSteps;

void write_threads(Stage& stage) {
  const MadeFile file(stage.path("file"), kThreadsPages, 0);
  const MappedFile mapped(stage, file.fd(), kThreadsPages, MapAs::kMapSync);
  std::array<std::vector<uint16_t>, 2> orders;
  for (uint16_t page = 0; page < kThreadsPages; ++page) orders.at(page % 2).push_back(page);
  for (auto& order : orders) std::shuffle(order.begin(), order.end(), stage.random());
  const auto write = [&](const std::vector<uint16_t>& order) {
    for (const uint16_t page : order) {
      stage.begun(page);
      stage.store_page(mapped.page(page), page, kOld);
      // The other one's stores and faults come between a store that is durable and its promise.
      sched_yield();
      stage.promised(page);
    }
  };
  stage.begin();
  std::thread other(write, std::cref(orders[1]));
  write(orders[0]);
  other.join();
}

// --- append: item = record

std::vector<uint64_t> record_of(uint16_t number) {
  std::vector<uint64_t> words(40 + number * 97 % 600);
  for (size_t i = 0; i < words.size(); ++i) words[i] = crash_page_word(number, kOld, i);
  return words;
}

void write_append(Stage& stage) {
  const MadeFile made(stage.path("file"), 0, 0);
  const Descriptor file(stage.path("file"), O_WRONLY | O_APPEND);
  stage.begin();
  for (uint16_t number = 0; number < kSteps; ++number) {
    const std::vector<uint64_t> words = record_of(number);
    const auto bytes = static_cast<ssize_t>(words.size() * sizeof words[0]);
    stage.begun(number);
    if (write(file.fd(), words.data(), static_cast<size_t>(bytes)) != bytes) fail_crash("write");
    if (!stage.skips_syncs() && fdatasync(file.fd()) != 0) fail_crash("fdatasync");
    stage.promised(number);
  }
}

void find_append(const std::string& directory, CrashFindings& findings) {
  const auto file = found_file(directory, "file", findings);
  for (uint16_t number = 0; file && number < kSteps; ++number) {
    const std::vector<uint64_t> wanted = record_of(number);
    std::vector<uint64_t> words(wanted.size());
    const size_t bytes = words.size() * sizeof words[0];
    if (read(file->fd(), words.data(), bytes) != static_cast<ssize_t>(bytes)) return;
    if (words == wanted) findings.items.push_back(number);
  }
}

// --- truncate: item 2i = store i, 2i + 1 = truncation i, kGrown = the size at the end

constexpr uint16_t kTruncatePages = 2 * kSteps;
constexpr uint64_t kGrown = 1000;

void write_truncate(Stage& stage) {
  const MadeFile file(stage.path("file"), kTruncatePages, kOld);
  const MappedFile mapped(stage, file.fd(), kTruncatePages, MapAs::kMapSync);
  stage.begin();
  for (uint16_t i = 0; i < kSteps; ++i) {
    stage.begun(first_of(i));
    stage.store_page(mapped.page(i), i, kNew);
    stage.promised(first_of(i));
    stage.begun(second_of(i));
    cut_to(file.fd(), kTruncatePages - i - 1);
    stage.sync(file.fd());
    stage.promised(second_of(i));
  }
  stage.begun(kGrown);
  cut_to(file.fd(), kTruncatePages);
  stage.sync(file.fd());
  stage.promised(kGrown);
}

void find_truncate(const std::string& directory, CrashFindings& findings) {
  const auto file = found_file(directory, "file", findings);
  if (!file) return;
  const uint64_t size = size_of(file->fd());
  const std::vector<int> tail = versions_of_page(file->fd(), kTruncatePages - 1);
  const bool grown = tail == std::vector{kCrashZeroes};
  if (size % kPageSize != 0 || size > kTruncatePages * kPageSize || size < kSteps * kPageSize) {
    call_wrong(findings, fmt::format("file has {} bytes, to which it was never set", size));
    return;
  }
  const uint64_t cut = grown ? kSteps : kTruncatePages - size / kPageSize;
  for (uint64_t i = 0; i < cut; ++i) findings.items.push_back(second_of(i));
  if (grown) findings.items.push_back(kGrown);
  for (uint16_t page = 0; page < kTruncatePages; ++page) {
    const std::vector<int> versions = versions_of_page(file->fd(), page);
    if (page < kSteps) {
      note_page(findings, versions, kOld, kNew, first_of(page), page_name("file", page));
    } else if (grown && versions != std::vector{kCrashZeroes}) {
      call_wrong(findings, page_name("file", page) + " was cut off and is back");
    } else if (!grown && !versions.empty() && versions != std::vector<int>{kOld}) {
      call_wrong(findings, page_name("file", page) + " holds what was never written there");
    }
  }
}

// --- punch: item 2i = store i, 2i + 1 = hole i

void write_punch(Stage& stage) {
  const MadeFile file(stage.path("file"), 2 * kSteps, kOld);
  const MappedFile mapped(stage, file.fd(), 2 * kSteps, MapAs::kMapSync);
  stage.begin();
  for (uint16_t page = 0; page < 2 * kSteps; page += 2) {
    stage.begun(page);
    stage.store_page(mapped.page(page), page, kNew);
    stage.promised(page);
    stage.begun(page + 1);
    if (fallocate(file.fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                  static_cast<off_t>((page + 1) * kPageSize), kPageSize) != 0) {
      if (errno == EOPNOTSUPP) {
        throw Failure(ExitCode::kSkipped, "this file system refuses FALLOC_FL_PUNCH_HOLE");
      }
      fail_crash("fallocate");
    }
    stage.sync(file.fd());
    stage.promised(page + 1);
  }
}

void find_punch(const std::string& directory, CrashFindings& findings) {
  const auto file = found_file(directory, "file", findings);
  for (uint16_t page = 0; file && page < 2 * kSteps; ++page) {
    const bool hole = page % 2 == 1;
    note_page(findings, versions_of_page(file->fd(), page), kOld, hole ? kCrashZeroes : kNew, page,
              page_name("file", page));
  }
}

// --- fallocate: item = the store into the pages of that step

constexpr uint16_t kAllocated = 4;  // pages a step
constexpr uint16_t stored_of(uint16_t step) { return step * kAllocated + step % kAllocated; }

void write_fallocate(Stage& stage) {
  const MadeFile file(stage.path("file"), 0, 0);
  const MappedFile mapped(stage, file.fd(), kSteps * kAllocated, MapAs::kMapSync);
  stage.begin();
  for (uint16_t i = 0; i < kSteps; ++i) {
    stage.begun(i);
    if (fallocate(file.fd(), 0, static_cast<off_t>(uint64_t{i} * kAllocated * kPageSize),
                  kAllocated * kPageSize) != 0) {
      if (errno == EOPNOTSUPP) throw no_unwritten_state();
      fail_crash("fallocate");
    }
    stage.store_page(mapped.page(stored_of(i)), stored_of(i), kOld);
    stage.promised(i);
  }
}

void find_fallocate(const std::string& directory, CrashFindings& findings) {
  const auto file = found_file(directory, "file", findings);
  for (uint16_t page = 0; file && page < kSteps * kAllocated; ++page) {
    const std::vector<int> versions = versions_of_page(file->fd(), page);
    const uint16_t step = page / kAllocated;
    if (page == stored_of(step)) {
      note_page(findings, versions, kCrashZeroes, kOld, step, page_name("file", page));
    } else if (!versions.empty() && versions != std::vector{kCrashZeroes}) {
      call_wrong(findings, page_name("file", page) + " was allocated and is not zero");
    }
  }
}

// --- rename: item i = version i + kNew under the name

void write_rename(Stage& stage) {
  { const MadeFile first(stage.path("file"), 1, kOld); }
  stage.begin();
  for (uint16_t i = 0; i < kSteps; ++i) {
    stage.begun(i);
    {
      const Descriptor fresh(stage.path("fresh"), O_RDWR | O_CREAT | O_TRUNC);
      if (fresh.fd() < 0) fail_crash("fresh");
      cut_to(fresh.fd(), 1);
      const MappedFile mapped(stage, fresh.fd(), 1, MapAs::kMapSync);
      stage.store_page(mapped.page(0), 0, static_cast<uint16_t>(i + kNew));
    }
    if (rename(stage.path("fresh").c_str(), stage.path("file").c_str()) != 0) fail_crash("rename");
    stage.sync_directory();
    stage.promised(i);
  }
}

void find_rename(const std::string& directory, CrashFindings& findings) {
  const auto file = found_file(directory, "file", findings);
  if (!file) return;
  const std::vector<int> versions = versions_of_page(file->fd(), 0);
  if (versions.size() != 1 || versions[0] < kOld) {
    call_wrong(findings, "file is neither the old one nor the new one");
    return;
  }
  for (int version = kNew; version <= versions[0]; ++version) {
    findings.items.push_back(static_cast<uint64_t>(version - kNew));
  }
}

// --- reflink: item 2i = clone i, 2i + 1 = the store into page i after it

std::string clone_name(unsigned step) { return fmt::format("clone-{}", step); }

void write_reflink(Stage& stage) {
  const MadeFile file(stage.path("file"), kSteps, kOld);
  const MappedFile mapped(stage, file.fd(), kSteps, MapAs::kMapSync);
  stage.begin();
  for (uint16_t i = 0; i < kSteps; ++i) {
    stage.begun(first_of(i));
    clone_file(file.fd(), stage.path(clone_name(i)));
    stage.sync_directory();
    stage.promised(first_of(i));
    stage.begun(second_of(i));
    stage.store_page(mapped.page(i), i, kNew);
    stage.promised(second_of(i));
  }
}

void find_reflink(const std::string& directory, CrashFindings& findings) {
  const auto file = found_file(directory, "file", findings);
  for (uint16_t i = 0; file && i < kSteps; ++i) {
    note_page(findings, versions_of_page(file->fd(), i), kOld, kNew, second_of(i),
              page_name("file", i));
    const Descriptor clone(directory + "/" + clone_name(i), O_RDONLY);
    bool whole = clone.fd() >= 0;
    for (uint16_t page = 0; whole && page < kSteps; ++page) {
      whole = versions_of_page(clone.fd(), page) == std::vector<int>{page < i ? kNew : kOld};
    }
    if (whole) findings.items.push_back(first_of(i));
  }
}

// --- dirent: item = file

constexpr uint16_t kFilesPerSync = 4;
std::string entry_name(unsigned number) { return fmt::format("entry-{}", number); }

void write_dirent(Stage& stage) {
  stage.begin();
  for (uint16_t i = 0; i < kSteps; ++i) {
    stage.begun(i);
    const Descriptor file(stage.path(entry_name(i)), O_RDWR | O_CREAT | O_EXCL);
    if (file.fd() < 0) fail_crash(entry_name(i));
    write_page(file.fd(), 0, kOld);
    stage.sync(file.fd());
    if (i % kFilesPerSync != kFilesPerSync - 1) continue;
    stage.sync_directory();
    for (int done = i - kFilesPerSync + 1; done <= i; ++done) {
      stage.promised(static_cast<uint64_t>(done));
    }
  }
}

void find_dirent(const std::string& directory, CrashFindings& findings) {
  for (uint16_t i = 0; i < kSteps; ++i) {
    const Descriptor file(directory + "/" + entry_name(i), O_RDONLY);
    if (file.fd() < 0) continue;
    note_page(findings, versions_of_page(file.fd(), 0), kCrashZeroes, kOld, i, entry_name(i));
  }
}

// --- msync_range: item = page

constexpr uint16_t kRangePages = 3 * kSteps;

void write_msync_range(Stage& stage) {
  const MadeFile file(stage.path("file"), kRangePages, 0);
  const MappedFile mapped(stage, file.fd(), kRangePages, MapAs::kPlain);
  stage.begin();
  for (uint16_t first = 0; first < kRangePages; first += 3) {
    std::array<uint64_t, kCrashWordsPerPage> words{};
    for (uint16_t page = first; page < first + 3; ++page) {
      stage.begun(page);
      fill_crash_page(words, page, kOld);
      std::memcpy(mapped.page(page), words.data(), kPageSize);
    }
    const auto synced = static_cast<uint16_t>(first + stage.random()() % 3);
    if (!stage.skips_syncs() && msync(mapped.page(synced), kPageSize, MS_SYNC) != 0) {
      fail_crash("msync");
    }
    stage.promised(synced);
  }
}

// --- pmd: item = page

constexpr uint16_t kHugePages = 2 * kHugeSize / kPageSize;
constexpr uint16_t kStoredPages = 2 * kSteps;

void write_pmd(Stage& stage) {
  const TestFile made(stage.path("made"), kHugePages * kPageSize, State::kUnwritten, true);
  // The other goes with its object; this name of it stays.
  if (link(stage.path("made").c_str(), stage.path("file").c_str()) != 0) fail_crash("link");
  const MappedFile mapped(stage, made.fd(), kHugePages, MapAs::kHuge);
  std::vector<uint16_t> order(kHugePages);
  std::iota(order.begin(), order.end(), uint16_t{0});
  std::shuffle(order.begin(), order.end(), stage.random());
  order.resize(kStoredPages);
  stage.begin();
  for (const uint16_t page : order) {
    stage.begun(page);
    stage.store_page(mapped.page(page), page, kOld);
    stage.promised(page);
    const uint64_t faults = faults_of(RUSAGE_THREAD);
    const volatile char* beside = mapped.page(page ^ 1);
    static_cast<void>(*beside);
    if (faults_of(RUSAGE_THREAD) == faults) continue;
    throw Failure(ExitCode::kSkipped,
                  kernel_has_huge_pages()
                      ? "this file system gave the file no extents that an entry of 2 MiB can map"
                      : why_no_pmd(Order::kPmd, "", false));
  }
}

struct ItemWriter {
  const char* id;
  void (*write)(Stage& stage);
  void (*find)(const std::string& directory, CrashFindings& findings);
};
// One for each row of cell/crash_writer.cc but kPagesWriter.
constexpr ItemWriter kItemWriters[] = {
    {.id = "threads", .write = write_threads, .find = find_pages<kThreadsPages>},
    {.id = "append", .write = write_append, .find = find_append},
    {.id = "truncate", .write = write_truncate, .find = find_truncate},
    {.id = "punch", .write = write_punch, .find = find_punch},
    {.id = "fallocate", .write = write_fallocate, .find = find_fallocate},
    {.id = "rename", .write = write_rename, .find = find_rename},
    {.id = "reflink", .write = write_reflink, .find = find_reflink},
    {.id = "dirent", .write = write_dirent, .find = find_dirent},
    {.id = "msync_range", .write = write_msync_range, .find = find_pages<kRangePages>},
    {.id = "pmd", .write = write_pmd, .find = find_pages<kHugePages>}};

const ItemWriter& writer_named(const std::string& id) {
  const auto* found = std::find_if(std::begin(kItemWriters), std::end(kItemWriters),
                                   [&](const ItemWriter& writer) { return id == writer.id; });
  if (found != std::end(kItemWriters)) return *found;
  throw Failure(ExitCode::kUsage, fmt::format("this guest has no writer {}", id));
}

}  // namespace

void write_items(const std::string& writer, const CrashPlants& plants, uint64_t seed,
                 const std::string& directory) {
  Stage stage(plants, seed, directory);
  writer_named(writer).write(stage);
  stage.end();
}

CrashFindings find_items(const std::string& writer, const std::string& directory) {
  CrashFindings findings;
  writer_named(writer).find(directory, findings);
  return findings;
}

}  // namespace faultline
