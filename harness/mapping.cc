// SPDX-License-Identifier: GPL-2.0-only
#include "harness/mapping.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <vector>

#include "cell/failure.h"

// linux/stat.h cannot be included beside sys/stat.h of this libc.
#ifndef STATX_ATTR_DAX
#define STATX_ATTR_DAX 0x00200000
#endif

namespace faultline {
namespace {

[[noreturn]] void fail(const std::string& what) {
  const int error = errno;
  throw Failure(
      ExitCode::kVmFailed,
      fmt::format(
          "{}: {}{}", what, std::strerror(error),
          error == ENOSPC ? "; fewer touches, or a larger device (--pmem), would fit" : ""));
}

constexpr uint64_t kWorthALook = 128 << 20;

uint64_t free_bytes(int fd) {
  struct statvfs st {};
  return fstatvfs(fd, &st) != 0 ? UINT64_MAX : uint64_t{st.f_bavail} * st.f_frsize;
}

std::string clone_of(const std::string& path) { return path + "-clone"; }

void write_all(int fd, uint64_t bytes) {
  constexpr size_t kBlock = 1 << 20;
  const std::vector<char> block(kBlock, 'w');
  for (uint64_t at = 0; at < bytes;) {
    const size_t n = std::min<uint64_t>(kBlock, bytes - at);
    const ssize_t done = pwrite(fd, block.data(), n, static_cast<off_t>(at));
    if (done <= 0) fail("pwrite");
    at += static_cast<uint64_t>(done);
  }
}

}  // namespace

uint64_t faults_of(int who) {
  rusage usage{};
  getrusage(who, &usage);
  return static_cast<uint64_t>(usage.ru_minflt) + static_cast<uint64_t>(usage.ru_majflt);
}

TestFile::TestFile(const std::string& path, uint64_t bytes, State state, bool huge)
    : path_(path), state_(state) {
  fd_ = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd_ < 0) fail(path);
  try {
    if (huge) {
      // XFS allocates in 2 MiB units when told; ext4 has no such hint and needs none (mballoc
      // aligns large requests to their size), so a refusal is no error.
      fsxattr attr{};
      if (ioctl(fd_, FS_IOC_FSGETXATTR, &attr) == 0) {
        attr.fsx_xflags |= FS_XFLAG_EXTSIZE;
        attr.fsx_extsize = kHugeSize;
        ioctl(fd_, FS_IOC_FSSETXATTR, &attr);
      }
    }
    switch (state) {
      case State::kHole:
        if (ftruncate(fd_, static_cast<off_t>(bytes)) != 0) fail("ftruncate");
        // The device would be full in the middle of the stores, whose process dies of SIGBUS. Only
        // of large files: others do not take the call, and their figures are as they were.
        if (bytes > kWorthALook && free_bytes(fd_) < bytes) {
          errno = ENOSPC;
          fail("a hole larger than what is free");
        }
        break;
      case State::kWritten:
      case State::kShared:
        // One allocation first, so that huge extents come out aligned here too.
        if (fallocate(fd_, 0, 0, static_cast<off_t>(bytes)) != 0 && errno != EOPNOTSUPP) {
          fail("fallocate");
        }
        write_all(fd_, bytes);
        break;
      case State::kUnwritten:
        if (fallocate(fd_, 0, 0, static_cast<off_t>(bytes)) != 0) {
          if (errno != EOPNOTSUPP) fail("fallocate");
          throw no_unwritten_state();
        }
        break;
    }
    if (fsync(fd_) != 0) fail("fsync");
    if (state == State::kShared) clone_file(fd_, clone_of(path));
  } catch (...) {
    remove();
    throw;
  }
}

TestFile::~TestFile() { remove(); }

void TestFile::remove() const {
  close(fd_);
  unlink(path_.c_str());
  if (state_ == State::kShared) unlink(clone_of(path_).c_str());
}

bool TestFile::is_dax() const {
  struct statx st {};
  if (statx(fd_, "", AT_EMPTY_PATH, 0, &st) != 0) return false;
  return (st.stx_attributes_mask & STATX_ATTR_DAX) != 0 &&
         (st.stx_attributes & STATX_ATTR_DAX) != 0;
}

Failure no_unwritten_state() {
  return {ExitCode::kSkipped, "this file system has no unwritten state: it refuses fallocate()"};
}

void clone_file(int fd, const std::string& into) {
  const int clone = open(into.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (clone < 0) fail(into);
  const bool cloned = ioctl(clone, FICLONE, fd) == 0;
  const int error = errno;
  const bool synced = cloned && fsync(clone) == 0;
  close(clone);
  // XFS says EINVAL of a mount without reflink (fs/xfs/xfs_file.c, xfs_file_remap_range()).
  if (!cloned && (error == EOPNOTSUPP || error == EINVAL || error == ENOTTY)) {
    throw Failure(ExitCode::kSkipped, "this file system has no shared state: it refuses FICLONE");
  }
  if (!cloned) errno = error;
  if (!synced) fail("FICLONE");
}

Failure mmap_failure(bool map_sync, int error, bool dax) {
  if (map_sync && dax && error == EOPNOTSUPP) {
    return {ExitCode::kSkipped,
            "needs MAP_SYNC, which this file system refuses though it is on DAX"};
  }
  return {ExitCode::kRegression,
          fmt::format("mmap{}: {}", map_sync ? " with MAP_SYNC" : "", std::strerror(error))};
}

std::string why_no_pmd(Order asked, const std::string& mapped, bool kernel_has_them) {
  if (asked != Order::kPmd || mapped == id_of(Order::kPmd) || kernel_has_them) return "";
  return "this kernel maps no pmd: it has no transparent huge pages (CONFIG_TRANSPARENT_HUGEPAGE)";
}

bool kernel_has_huge_pages() {
  return access("/sys/kernel/mm/transparent_hugepage/enabled", F_OK) == 0;
}

bool forbid_huge_pages(char* at, uint64_t bytes) {
  return madvise(at, bytes, MADV_NOHUGEPAGE) == 0 || errno == EINVAL;
}

ManyFiles::ManyFiles(const std::string& directory, uint64_t count, State state, bool mapped,
                     bool map_sync)
    : folder_(directory + "/many") {
  // Each stays open: it is synced, and asks for its strategy.
  const rlim_t wanted = count + 64;
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < wanted) {
    files = {wanted, std::max(files.rlim_max, wanted)};
    if (setrlimit(RLIMIT_NOFILE, &files) != 0) fail(fmt::format("{} open files", count));
  }
  if (mkdir(folder_.c_str(), 0700) != 0 && errno != EEXIST) fail(folder_);
  for (uint64_t i = 0; i < count; ++i) {
    files_.push_back(
        std::make_unique<TestFile>(fmt::format("{}/{}", folder_, i), kPageSize, state, false));
    fds_.push_back(files_.back()->fd());
  }
  if (!mapped) return;
  void* base = mmap(nullptr, count * kPageSize, PROT_NONE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) fail("mmap of address space");
  base_ = static_cast<char*>(base);
  const int flags = (map_sync ? MAP_SHARED_VALIDATE | MAP_SYNC : MAP_SHARED) | MAP_FIXED;
  for (uint64_t i = 0; i < count; ++i) {
    if (mmap(base_ + i * kPageSize, kPageSize, PROT_READ | PROT_WRITE, flags, fds_[i], 0) ==
        MAP_FAILED) {
      const int error = errno;
      munmap(base_, count * kPageSize);
      throw mmap_failure(map_sync, error, files_[i]->is_dax());
    }
  }
}

ManyFiles::~ManyFiles() {
  if (base_ != nullptr) munmap(base_, fds_.size() * kPageSize);
  files_.clear();
  rmdir(folder_.c_str());
}

std::vector<int64_t> ManyFiles::mtimes() const {
  std::vector<int64_t> times;
  for (const int fd : fds_) {
    struct stat st {};
    if (fstat(fd, &st) != 0) fail("fstat");
    times.push_back(st.st_mtim.tv_sec * 1'000'000'000LL + st.st_mtim.tv_nsec);
  }
  return times;
}

AlignedSpace::AlignedSpace(uint64_t bytes)
    : reserved_bytes_(bytes + kHugeSize),
      reserved_(mmap(nullptr, reserved_bytes_, PROT_NONE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) {
  if (reserved_ == MAP_FAILED) fail("mmap of address space");
  base_ = static_cast<char*>(reserved_);
  base_ += (kHugeSize - reinterpret_cast<uintptr_t>(base_) % kHugeSize) % kHugeSize;
}

AlignedSpace::~AlignedSpace() { munmap(reserved_, reserved_bytes_); }

Mapping::Mapping(const TestFile& file, uint64_t bytes, bool map_sync, Order order) : space_(bytes) {
  const int flags = (map_sync ? MAP_SHARED_VALIDATE | MAP_SYNC : MAP_SHARED) | MAP_FIXED;
  if (mmap(base(), bytes, PROT_READ | PROT_WRITE, flags, file.fd(), 0) == MAP_FAILED) {
    throw mmap_failure(map_sync, errno, file.is_dax());
  }
  // Unless forbidden, a huge entry is tried first at every empty 2 MiB slot, and one fault may
  // allocate for 512 pages: touches would not be alike.
  if (order == Order::kPte && !forbid_huge_pages(base(), bytes)) fail("madvise");
}

bool is_map_sync_at(const char* base) {
  std::ifstream smaps("/proc/self/smaps");
  const std::string wanted = fmt::format("{:x}-", reinterpret_cast<uintptr_t>(base));
  bool here = false;
  for (std::string line; std::getline(smaps, line);) {
    const size_t dash = line.find('-');
    if (dash != std::string::npos && line.find_first_not_of("0123456789abcdef") == dash) {
      here = line.compare(0, wanted.size(), wanted) == 0;
    } else if (here && line.starts_with("VmFlags:")) {
      std::istringstream flags(line.substr(8));
      for (std::string flag; flags >> flag;) {
        if (flag == "sf") return true;
      }
    }
  }
  return false;
}

const char* Mapping::mapped_order(uint64_t from, uint64_t to, uint64_t stride) const {
  if (stride == kPageSize) {
    // Each touch took a fault of its own though its neighbour was mapped: no huge entry covers
    // both.
    return "pte";
  }
  const uint64_t before = faults_of(RUSAGE_SELF);
  uint64_t sum = 0;
  for (uint64_t at = from; at < to; at += kPageSize) {
    sum += *reinterpret_cast<volatile uint64_t*>(base() + at);
  }
  asm volatile("" : : "r"(sum));
  return faults_of(RUSAGE_SELF) == before ? "pmd" : "pte";
}

}  // namespace faultline
