// SPDX-License-Identifier: GPL-2.0-only
#include "harness/crash.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <ctime>
#include <memory>
#include <random>
#include <sstream>
#include <string_view>
#include <utility>
#include <vector>

#include "cell/cell.h"
#include "cell/crash_page.h"
#include "cell/crash_writer.h"
#include "cell/failure.h"
#include "cell/strategy.h"
#include "harness/crash_events.h"
#include "harness/crash_items.h"
#include "harness/extents.h"
#include "harness/init.h"
#include "harness/mapping.h"
#include "harness/module.h"
#include "harness/subprocess.h"
#include "harness/wait.h"
#include "harness/wire.h"
#include "harness/workload.h"

namespace faultline {
namespace {

using wire::CrashWord;

// The file grows by as many pages at a time, unless it was made in full beforehand.
constexpr uint64_t kGrowth = 16;
// One page in so many is written after a pause in which the clock that stamps mtime moves on.
constexpr unsigned kPauseOneIn = 4;

uint64_t mtime_since_epoch(const struct stat& info) {
  return static_cast<uint64_t>((info.st_mtim.tv_sec - wire::kCrashEpoch) * 1'000'000'000 +
                               info.st_mtim.tv_nsec);
}

// Writes the file's pages, round after round, and tells what its strategy promises of each.
class PageWriter {
 public:
  PageWriter(const nlohmann::json& request, const std::string& directory)
      : cell_(cell_from_json(request.at("cell"))),
        pages_(request.at("pages").get<uint64_t>()),
        rounds_(request.at("rounds").get<uint16_t>()),
        bytes_(pages_ * kPageSize),
        plants_(request.value("plant", "")),
        file_(directory + "/" + wire::kCrashFile, O_RDWR | O_CREAT | O_TRUNC),
        random_(cell_.seed) {
    if (file_.fd() < 0) fail_crash(wire::kCrashFile);
    const Strategy* strategy = find_strategy(cell_.strategy);
    if (strategy == nullptr) throw Failure(ExitCode::kUsage, "no such strategy");
    strategy_ = *strategy;
    prepare(directory);
  }
  ~PageWriter() {
    if (base_ != nullptr) munmap(base_, bytes_);
  }
  PageWriter(const PageWriter&) = delete;
  PageWriter& operator=(const PageWriter&) = delete;

  void run();

 private:
  void prepare(const std::string& directory);
  void write_page(uint16_t page, uint16_t sequence);
  void promise_after_store(uint16_t page, uint16_t sequence);
  void sync_stores();
  void tell_mtime(bool promised);
  [[nodiscard]] std::vector<uint16_t> order_of(uint16_t round);

  Cell cell_;
  Strategy strategy_{};
  uint64_t pages_;
  uint16_t rounds_;
  uint64_t bytes_;
  CrashPlants plants_;
  Descriptor file_;
  std::mt19937_64 random_;
  EventChannel events_;
  std::unique_ptr<StrategyModule> module_;
  char* base_ = nullptr;
  uint64_t size_ = 0;                                   // of the file, bytes
  uint64_t made_ = 0;                                   // likewise, before the first store
  std::vector<std::pair<uint16_t, uint16_t>> pending_;  // pages and sequences not yet synced
  alignas(64) std::array<uint64_t, kCrashWordsPerPage> page_{};
};

// Makes the file in its state, durable with its name, and what the strategy needs.
void PageWriter::prepare(const std::string& directory) {
  if (cell_.state != State::kHole) {
    // A file that lets no store allocate may not grow either.
    const bool grows = cell_.state == State::kUnwritten && !strategy_.no_holes;
    const int mode = grows ? FALLOC_FL_KEEP_SIZE : 0;
    if (fallocate(file_.fd(), mode, 0, static_cast<off_t>(bytes_)) != 0) {
      if (errno != EOPNOTSUPP) fail_crash("fallocate");
      if (cell_.state == State::kUnwritten) throw no_unwritten_state();
    }
    if (!grows) made_ = size_ = bytes_;
  }
  if (is_written(cell_.state)) {
    std::memset(page_.data(), 'w', sizeof page_);
    for (uint64_t at = 0; at < bytes_; at += kPageSize) {
      if (pwrite(file_.fd(), page_.data(), kPageSize, static_cast<off_t>(at)) != kPageSize) {
        fail_crash("pwrite");
      }
    }
  }
  if (cell_.state == State::kShared) clone_file(file_.fd(), directory + "/clone");
  if (strategy_.mapped) {
    const int flags =
        strategy_.map_sync && !plants_.skips_syncs ? MAP_SHARED_VALIDATE | MAP_SYNC : MAP_SHARED;
    void* base = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, flags, file_.fd(), 0);
    if (base == MAP_FAILED) throw mmap_failure(strategy_.map_sync, errno, true);
    base_ = static_cast<char*>(base);
    if (!forbid_huge_pages(base_, bytes_)) fail_crash("madvise");
  }
  if (strategy_.needs_module() && !plants_.skips_syncs) {
    module_ = std::make_unique<StrategyModule>();
    module_->set(file_.fd(), strategy_);
  }
  const Descriptor folder(directory, O_RDONLY | O_DIRECTORY);
  if (fsync(file_.fd()) != 0 || fsync(folder.fd()) != 0) fail_crash("fsync");
}

// The order in which a round writes the pages. In the first round the file grows, so pages are
// shuffled within each growth alone; later rounds shuffle all.
std::vector<uint16_t> PageWriter::order_of(uint16_t round) {
  std::vector<uint16_t> order(pages_);
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<uint16_t>(i);
  const size_t part = round == 0 ? kGrowth : order.size();
  for (size_t from = 0; from < order.size(); from += part) {
    const size_t to = std::min(from + part, order.size());
    for (size_t i = to - 1; i > from; --i)
      std::swap(order[i], order[from + random_() % (i - from + 1)]);
  }
  return order;
}

void PageWriter::tell_mtime(bool promised) {
  struct stat info {};
  if (fstat(file_.fd(), &info) != 0) fail_crash("fstat");
  events_.tell(CrashWord::kMtime, mtime_since_epoch(info));
  if (promised) events_.tell(CrashWord::kMtimePromised, mtime_since_epoch(info));
}

void PageWriter::write_page(uint16_t page, uint16_t sequence) {
  const uint64_t at = page * kPageSize;
  if (random_() % kPauseOneIn == 0) wait_past_tick();
  if (base_ != nullptr && size_ < at + kPageSize) {
    size_ = std::min((at / kPageSize / kGrowth + 1) * kGrowth * kPageSize, bytes_);
    if (ftruncate(file_.fd(), static_cast<off_t>(size_)) != 0) fail_crash("ftruncate");
    events_.tell(CrashWord::kSize, size_);
  }
  fill_crash_page(page_, page, sequence);
  events_.tell(CrashWord::kWriting, page, sequence);
  if (base_ == nullptr) {
    if (pwrite(file_.fd(), page_.data(), kPageSize, static_cast<off_t>(at)) != kPageSize) {
      fail_crash("pwrite");
    }
    if (size_ < at + kPageSize) events_.tell(CrashWord::kSize, size_ = at + kPageSize);
  } else {
    std::memcpy(base_ + at, page_.data(), kPageSize);
    if (strategy_.persist == Persist::kFlushLines) {
      write_back_lines(base_ + at, kPageSize, plants_);
    }
  }
  events_.tell(CrashWord::kWritten, page, sequence);
}

void PageWriter::promise_after_store(uint16_t page, uint16_t sequence) {
  const bool mtime = strategy_.promise == Promise::kAtStoreMtime;
  if (mtime || strategy_.promise == Promise::kAtStore) {
    events_.tell(CrashWord::kPromised, page, sequence);
    // What the fault has synced holds the page that it was for.
    events_.tell(CrashWord::kSizePromised, std::max<uint64_t>((page + 1) * kPageSize, made_));
  }
  tell_mtime(mtime);
}

void PageWriter::sync_stores() {
  if (pending_.empty()) return;
  const auto [first, last] = std::minmax_element(pending_.begin(), pending_.end());
  const uint64_t from = first->first * kPageSize;
  const uint64_t to = (last->first + 1) * kPageSize;
  struct stat info {};
  if (fstat(file_.fd(), &info) != 0) fail_crash("fstat");
  if (!plants_.skips_syncs) {
    errno = sync_pages(strategy_.persist, file_.fd(), base_ == nullptr ? nullptr : base_ + from,
                       to - from);
    if (errno != 0) fail_crash("sync");
  }
  for (const auto& [page, sequence] : pending_) {
    events_.tell(CrashWord::kPromised, page, sequence);
  }
  events_.tell(CrashWord::kSizePromised, size_);
  if (strategy_.promise == Promise::kAtCallMtime) {
    events_.tell(CrashWord::kMtimePromised, mtime_since_epoch(info));
  }
  pending_.clear();
}

void PageWriter::run() {
  events_.tell(CrashWord::kBegin);
  events_.tell(CrashWord::kSize, size_);
  tell_mtime(false);
  const bool calls =
      strategy_.promise == Promise::kAtCall || strategy_.promise == Promise::kAtCallMtime;
  for (uint16_t round = 0; round < rounds_; ++round) {
    // Every page of the next round takes a fault again.
    if (base_ != nullptr && madvise(base_, bytes_, MADV_DONTNEED) != 0) fail_crash("madvise");
    for (const uint16_t page : order_of(round)) {
      const auto sequence = static_cast<uint16_t>(round + 1);
      write_page(page, sequence);
      promise_after_store(page, sequence);
      pending_.emplace_back(page, sequence);
      if (calls && pending_.size() >= cell_.writes_per_sync) sync_stores();
    }
    if (calls) sync_stores();
  }
  events_.tell(CrashWord::kEnd);
}

// The lines that the kernel logs while this lives.
class KernelLog {
 public:
  KernelLog() : file_("/dev/kmsg", O_RDONLY | O_NONBLOCK) { lseek(file_.fd(), 0, SEEK_END); }
  struct Line {
    int level = 0;
    std::string text;
  };
  [[nodiscard]] std::vector<Line> lines() const {
    std::vector<Line> lines;
    std::array<char, 8192> record;  // NOLINT(cppcoreguidelines-pro-type-member-init)
    for (;;) {
      const ssize_t n = read(file_.fd(), record.data(), record.size());
      if (n < 0 && errno == EPIPE) continue;  // the kernel has overwritten records
      if (n <= 0) return lines;
      const std::string text(record.data(), static_cast<size_t>(n));
      const size_t start = text.find(';');
      if (start == std::string::npos) continue;
      lines.push_back({std::atoi(text.c_str()) & 7,
                       text.substr(start + 1, text.find('\n', start) - start - 1)});
    }
  }

 private:
  Descriptor file_;
};

// Drops what the page cache has of the device: the host has changed it behind the kernel's back.
void drop_cached(const char* device) {
  const Descriptor file(device, O_RDONLY);
  if (file.fd() < 0 || ioctl(file.fd(), BLKFLSBUF, 0) != 0) fail_crash(device);
}

// What of the file was recovered: size, mtime, and where its blocks are, whose content the host has
// itself; where the file system does not tell, or `reads` asks for it, the versions that each page
// holds.
void read_back(const std::string& path, bool reads, nlohmann::json& row) {
  const Descriptor file(path, O_RDONLY);
  struct stat info {};
  if (file.fd() < 0 || fstat(file.fd(), &info) != 0) {
    row["error"] = fmt::format("{}: {}", path, std::strerror(errno));
    return;
  }
  row["size"] = info.st_size;
  row["mtime"] = mtime_since_epoch(info);
  if (const auto extents = extents_of(file.fd()); extents && !reads) {
    row["extents"] = nlohmann::json::array();
    for (const FileExtent& one : *extents) {
      row["extents"].push_back({one.logical, one.physical, one.bytes, one.unwritten});
    }
    return;
  }
  row["pages"] = nlohmann::json::array();
  for (off_t at = 0; at < info.st_size; at += kPageSize) {
    const auto page = static_cast<uint16_t>(at / static_cast<off_t>(kPageSize));
    row["pages"].push_back(versions_of_page(file.fd(), page));
    if (row["pages"].back() == std::vector<int>{kCrashForeign} && errno != 0) {
      row["error"] = fmt::format("page {}: {}", page, std::strerror(errno));
    }
  }
}

// Runs a program of the user's with one word more. In the directory, which is on the file system.
CommandResult run_program(const nlohmann::json& arguments, const char* what,
                          const std::string& directory) {
  std::vector<std::string> command;
  if (access(wire::kCrashLoader, X_OK) == 0) {
    command = {wire::kCrashLoader, "--library-path", wire::kCrashLibraries};
  }
  command.emplace_back(wire::kCrashProgram);
  for (const nlohmann::json& argument : arguments) command.push_back(argument.get<std::string>());
  command.emplace_back(what);
  if (chdir(directory.c_str()) != 0) fail_crash(directory);
  CommandResult result = run_command(command);
  if (chdir("/") != 0) fail_crash("/");
  return result;
}

std::string last_line(const std::string& text) {
  const size_t end = text.find_last_not_of('\n');
  if (end == std::string::npos) return "";
  const size_t begin = text.find_last_of('\n', end);
  return text.substr(begin == std::string::npos ? 0 : begin + 1,
                     end - (begin == std::string::npos ? size_t{0} - 1 : begin));
}

// The program's words over what was recovered.
CrashFindings ask_program(const nlohmann::json& arguments, const std::string& directory) {
  const CommandResult result = run_program(arguments, "check", directory);
  CrashFindings findings;
  std::istringstream lines(result.output);
  for (std::string line; std::getline(lines, line);) {
    uint64_t item = 0;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), item);
    if (error == std::errc() && end == line.data() + line.size()) findings.items.push_back(item);
  }
  if (result.exit_code != 0) {
    findings.wrong =
        fmt::format("the program's check: exit {}: {}", result.exit_code, last_line(result.output));
  }
  return findings;
}

// Mounts the image that the host has put onto the device, and tells what it holds.
nlohmann::json check_image(const nlohmann::json& request, const FileSystem& fs,
                           const std::string& directory) {
  nlohmann::json row = {
      {"mounted", false}, {"replayed", false}, {"error", ""}, {"kernel", nlohmann::json::array()}};
  const auto writer = request.value("write", std::string(kPagesWriter));
  drop_cached(kPmemDevice);
  const KernelLog log;
  if (mount(kPmemDevice, directory.c_str(), fs.type, 0, fs.options_of_later_mounts()) == 0) {
    row["mounted"] = true;
    if (writer == kPagesWriter) {
      row.update({{"size", nullptr}, {"mtime", nullptr}});
      read_back(directory + "/" + wire::kCrashFile, request.value("reads", false), row);
    } else {
      const CrashFindings findings = writer == kProgramWriter
                                         ? ask_program(request.at("arguments"), directory)
                                         : find_items(writer, directory);
      row["items"] = findings.items;
      row["wrong"] = findings.wrong;
    }
    if (umount2(directory.c_str(), 0) != 0) fail_crash("umount");
  } else {
    row["error"] = fmt::format("mount: {}", std::strerror(errno));
  }
  const std::string_view mark = row_of(fs.journal).replayed;
  constexpr int kErrorLevel = 3;  // KERN_ERR and worse
  for (const KernelLog::Line& line : log.lines()) {
    if (!mark.empty() && line.text.find(mark) != std::string::npos) row["replayed"] = true;
    if (line.level <= kErrorLevel) row["kernel"].push_back(line.text);
  }
  return row;
}

void write_as_asked(const nlohmann::json& request, const std::string& directory) {
  const auto writer = request.value("write", std::string(kPagesWriter));
  if (writer == kPagesWriter) {
    PageWriter(request, directory).run();
  } else if (writer == kProgramWriter) {
    const EventChannel events;
    sync();
    events.tell(CrashWord::kBegin);
    const CommandResult result = run_program(request.at("arguments"), "write", directory);
    events.tell(CrashWord::kEnd);
    if (result.exit_code != 0) {
      throw Failure(ExitCode::kUsage, fmt::format("--run: the program's write: exit {}: {}",
                                                  result.exit_code, last_line(result.output)));
    }
  } else {
    write_items(writer, CrashPlants(request.value("plant", "")),
                request.at("cell").at("seed").get<uint64_t>(), directory);
  }
}

}  // namespace

void run_crash(const nlohmann::json& request, const FileSystem& fs, const std::string& directory) {
  if (request.value("do", "") == "write") {
    const KeptAwake awake;  // else when a tick comes, and with it mtime, is the host's
    write_as_asked(request, directory);
    send_frame(wire::kResult, {{"written", true}});
    return;
  }
  if (ioperm(wire::kParkPort, 1, 1) != 0) fail_crash("ioperm");
  if (umount2(directory.c_str(), 0) != 0) fail_crash("umount");
  // The host ends the guest when it has no more images.
  for (;;) {
    send_frame(wire::kWait, nlohmann::json::object());
    outb(wire::kPark, wire::kParkPort);
    send_frame(wire::kResult, check_image(request, fs, directory));
  }
}

}  // namespace faultline
