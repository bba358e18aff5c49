// SPDX-License-Identifier: GPL-2.0-only
#include "harness/order.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <optional>

#include "cell/failure.h"
#include "harness/files.h"
#include "harness/mapping.h"

// linux/stat.h cannot be included beside sys/stat.h of this libc.
#ifndef STATX_ATTR_DAX
#define STATX_ATTR_DAX 0x00200000
#endif

namespace faultline {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostWindows = 512;
constexpr std::size_t kMostFiles = 10'000;
constexpr uint64_t kNewFile = 4 * kHugeSize;

constexpr OrderReason kReasons[] = {
    {.id = "not_dax",
     .what = "it is not on DAX: its pages are the page cache's",
     .change = "put it on a pmem device mounted with -o dax=always; no disk has DAX"},
    {.id = "too_short",
     .what = "it ends before 2 MiB are full",
     .change = "make the file a multiple of 2 MiB"},
    {.id = "no_huge_pages",
     .what = "this kernel has no huge pages",
     .change = "a kernel with CONFIG_TRANSPARENT_HUGEPAGE and CONFIG_FS_DAX_PMD"},
    {.id = "disabled",
     .what = "huge pages are switched off for this process (PR_SET_THP_DISABLE)",
     .change = "start it without: systemd and container runtimes may set it"},
    {.id = "hole",
     .what = "nothing is allocated there, so far",
     .change = "allocate it in whole: fallocate -l SIZE FILE"},
    {.id = "unwritten",
     .what = "it is unwritten: a read maps zeroes, and only a store would show the entry",
     .change = "look again once it was stored to"},
    {.id = "fragmented",
     .what = "no one extent covers the 2 MiB",
     .change = "allocate multiples of 2 MiB at once (XFS: extsize 2m on the new file)"},
    {.id = "namespace",
     .what = "the device's memory does not begin at a multiple of 2 MiB",
     .change = "ndctl create-namespace -m fsdax -a 2M"},
    {.id = "partition",
     .what = "the partition does not begin at a multiple of 2 MiB",
     .change = "partition anew, first sector a multiple of 4096; or use the whole device"},
    {.id = "extent",
     .what = "its blocks lie at another offset into 2 MiB than its bytes do",
     .change = "XFS: mkfs -d su=2m,sw=1 and extsize 2m; ext4: fallocate it whole"},
    {.id = "unknown",
     .what = "the kernel took 4 KiB though all of this is as it must be",
     .change = "trace fs_dax:dax_pmd_fault_done (faultline shell)"}};

bool begins_huge(uint64_t bytes) { return bytes % kHugeSize == 0; }

uint64_t number_in(const std::string& path) {
  return std::strtoull(read_file(path).c_str(), nullptr, 0);
}

OrderSurroundings surroundings_of(int fd, bool dax) {
  OrderSurroundings around{.dax = dax,
                           .huge_pages = kernel_has_huge_pages(),
                           .disabled = prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) == 1};
  struct stat info {};
  if (fstat(fd, &info) != 0) return around;
  around.size = static_cast<uint64_t>(info.st_size);
  constexpr uint64_t kSector = 512;  // of sysfs, whatever the device's
  const std::string device =
      fmt::format("/sys/dev/block/{}:{}", major(info.st_dev), minor(info.st_dev));
  around.partition_start = number_in(device + "/start") * kSector;
  for (const char* place : {"/device/resource", "/../device/resource"}) {
    if (around.namespace_start == 0) around.namespace_start = number_in(device + place);
  }
  return around;
}

void touch(volatile char* at, bool store) {
  if (store) {
    *at = 1;
  } else {
    static_cast<void>(*at);
  }
}

// Maps the file at an address that a huge entry could have, and touches two pages of each window.
std::vector<OrderWindow> windows_of(int fd, const OrderSurroundings& around, bool store) {
  std::vector<OrderWindow> windows;
  const uint64_t count = std::min<uint64_t>(around.size / kHugeSize, kMostWindows);
  if (count == 0 || !around.dax) return windows;
  const uint64_t bytes = count * kHugeSize;
  const AlignedSpace space(bytes);
  if (mmap(space.base(), bytes, PROT_READ | (store ? PROT_WRITE : 0), MAP_SHARED | MAP_FIXED, fd,
           0) == MAP_FAILED) {
    throw Failure(ExitCode::kUsage, fmt::format("mmap: {}", std::strerror(errno)));
  }
  for (uint64_t i = 0; i < count; ++i) {
    volatile char* page = space.base() + i * kHugeSize;
    touch(page, store);
    const uint64_t faults = faults_of(RUSAGE_THREAD);
    touch(page + kPageSize, store);
    windows.push_back(
        {.at = i * kHugeSize, .huge = faults_of(RUSAGE_THREAD) == faults, .reason = ""});
  }
  return windows;
}

bool is_dax(int fd) {
  struct statx st {};
  return statx(fd, "", AT_EMPTY_PATH, 0, &st) == 0 && (st.stx_attributes & STATX_ATTR_DAX) != 0;
}

std::string type_of(int fd) {
  struct statfs info {};
  if (fstatfs(fd, &info) != 0) return "?";
  switch (static_cast<unsigned long>(info.f_type)) {
    case 0xef53:
      return "ext4";
    case 0x58465342:
      return "xfs";
    default:
      return fmt::format("{:#x}", static_cast<unsigned long>(info.f_type));
  }
}

OrderAnswer answer_of(const std::string& path, int fd, bool store) {
  OrderAnswer answer{
      .path = path, .fs = type_of(fd), .around = surroundings_of(fd, is_dax(fd)), .windows = {}};
  answer.windows = windows_of(fd, answer.around, store);
  if (store && fsync(fd) != 0) throw Failure(ExitCode::kUsage, path + ": fsync fails");
  const std::vector<FileExtent> extents = extents_of(fd).value_or(std::vector<FileExtent>());
  if (answer.windows.empty()) answer.windows.emplace_back();
  for (OrderWindow& window : answer.windows) {
    const std::string reason = why_not_huge(answer.around, extents, window.at, store);
    // In a hole a read maps the huge page of zeroes, which says nothing of what a store would get.
    const bool told_by_read = !store && (reason == "hole" || reason == "unwritten");
    if (told_by_read) window.huge = false;
    if (!window.huge) window.reason = reason;
  }
  return answer;
}

std::optional<std::string> first_large_file(const std::string& folder) {
  std::error_code error;
  std::size_t seen = 0;
  for (fs::recursive_directory_iterator
           at(folder, fs::directory_options::skip_permission_denied, error),
       end;
       at != end && ++seen < kMostFiles; at.increment(error)) {
    if (error) break;
    if (at->is_regular_file(error) && at->file_size(error) >= kHugeSize) return at->path().string();
  }
  return std::nullopt;
}

}  // namespace

std::string why_not_huge(const OrderSurroundings& around, const std::vector<FileExtent>& extents,
                         uint64_t at, bool stored) {
  if (!around.dax) return "not_dax";
  if (around.size < at + kHugeSize) return "too_short";
  if (!around.huge_pages) return "no_huge_pages";
  if (around.disabled) return "disabled";
  const FileExtent* whole = nullptr;
  bool any = false;
  for (const FileExtent& extent : extents) {
    any = any || (extent.logical < at + kHugeSize && at < extent.logical + extent.bytes);
    if (extent.logical <= at && at + kHugeSize <= extent.logical + extent.bytes) whole = &extent;
  }
  if (!any) return "hole";
  if (whole == nullptr) return "fragmented";
  if (!begins_huge(around.namespace_start)) return "namespace";
  if (!begins_huge(around.partition_start)) return "partition";
  if (!begins_huge(whole->physical + (at - whole->logical))) return "extent";
  if (whole->unwritten && !stored) return "unwritten";
  return "unknown";
}

const OrderReason& order_reason(const std::string& id) {
  return *std::find_if(std::begin(kReasons), std::end(kReasons) - 1,
                       [&](const OrderReason& reason) { return id == reason.id; });
}

bool OrderAnswer::huge() const {
  return !windows.empty() && std::all_of(windows.begin(), windows.end(),
                                         [](const OrderWindow& window) { return window.huge; });
}

OrderAnswer order_of_path(const std::string& path) {
  std::error_code error;
  std::string file = path;
  if (fs::is_directory(path, error)) {
    const std::optional<std::string> found = first_large_file(path);
    if (!found) {
      throw Failure(ExitCode::kUsage,
                    fmt::format("{}: no file in it has 2 MiB, and nothing is written there; make "
                                "one, or name one elsewhere",
                                path));
    }
    file = *found;
  }
  const int fd = open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    throw Failure(ExitCode::kUsage, fmt::format("{}: {}", file, std::strerror(errno)));
  }
  try {
    OrderAnswer answer = answer_of(file, fd, false);
    close(fd);
    return answer;
  } catch (...) {
    close(fd);
    throw;
  }
}

OrderAnswer order_of_new_file(const std::string& directory, State state, bool aligned) {
  const TestFile file(directory + "/order", kNewFile, state, aligned);
  return answer_of(directory + "/order", file.fd(), true);
}

nlohmann::json order_json(const OrderAnswer& answer) {
  std::map<std::string, std::pair<std::size_t, uint64_t>> reasons;
  std::size_t huge = 0;
  for (const OrderWindow& window : answer.windows) {
    huge += window.huge ? 1 : 0;
    if (window.huge) continue;
    auto& [count, first] = reasons.try_emplace(window.reason, 0, window.at).first->second;
    ++count;
  }
  nlohmann::json told = {{"path", answer.path},
                         {"fs", answer.fs},
                         {"dax", answer.around.dax},
                         {"order", answer.huge() ? "pmd" : "pte"},
                         {"size", answer.around.size},
                         {"windows", answer.windows.size()},
                         {"huge", huge},
                         {"reasons", nlohmann::json::array()}};
  for (const auto& [id, where] : reasons) {
    const OrderReason& reason = order_reason(id);
    told["reasons"].push_back({{"reason", id},
                               {"windows", where.first},
                               {"first_at", where.second},
                               {"what", reason.what},
                               {"change", reason.change}});
  }
  return told;
}

std::string order_text(const OrderAnswer& answer) {
  const nlohmann::json told = order_json(answer);
  std::string text = fmt::format("{} ({}): {}\n", answer.path, answer.fs,
                                 answer.huge() ? "entries of 2 MiB" : "entries of 4 KiB");
  text += fmt::format("  {} of {} stretches of 2 MiB took one fault\n",
                      told["huge"].get<std::size_t>(), told["windows"].get<std::size_t>());
  for (const nlohmann::json& reason : told["reasons"]) {
    text += fmt::format("  {} of them, from byte {} on: {}\n    {}\n    do: {}\n",
                        reason["windows"].get<std::size_t>(), reason["first_at"].get<uint64_t>(),
                        reason["reason"].get<std::string>(), reason["what"].get<std::string>(),
                        reason["change"].get<std::string>());
  }
  return text;
}

}  // namespace faultline
