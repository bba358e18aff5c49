// SPDX-License-Identifier: GPL-2.0-only
#include "harness/filesystem.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "cell/failure.h"
#include "cell/words.h"
#include "harness/clock.h"
#include "harness/extents.h"
#include "harness/subprocess.h"
#include "harness/superblock.h"

namespace faultline {
namespace {

constexpr off_t kBlock = 4096;

// A file that the file system keeps, open while it is being laid out.
class Filler {
 public:
  explicit Filler(const std::string& path)
      : path_(path), fd_(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
    if (fd_ < 0) fail("open");
  }
  ~Filler() { close(fd_); }
  Filler(const Filler&) = delete;
  Filler& operator=(const Filler&) = delete;

  // Appends `bytes` of allocated blocks; false where there is no room.
  bool append(off_t bytes) {
    before_ = size_;
    if (fallocate(fd_, 0, size_, bytes) == 0) {
      size_ += bytes;
      return true;
    }
    if (errno != ENOSPC) fail("fallocate");
    cut();  // some of it may have been allocated
    return false;
  }
  // Gives back what was appended last.
  void cut() {
    size_ = before_;
    if (ftruncate(fd_, size_) != 0) fail("truncate");
  }
  // In how many runs of neighbouring blocks it lies.
  [[nodiscard]] size_t runs() const {
    const auto extents = extents_of(fd_);
    if (!extents) fail("fiemap");
    return extents->size();
  }
  void punch(off_t at) const {
    if (fallocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, kBlock) != 0) fail("punch");
  }
  [[nodiscard]] off_t size() const { return size_; }

 private:
  void fail(const char* what) const {
    throw Failure(ExitCode::kVmFailed, fmt::format("{} {}: {}", what, path_, std::strerror(errno)));
  }
  std::string path_;
  int fd_;
  off_t size_ = 0;
  off_t before_ = 0;  // its size before what was appended last
};

off_t free_blocks(const std::string& where) {
  struct statvfs st {};
  statvfs(where.c_str(), &st);
  return static_cast<off_t>(st.f_bfree);
}

// Leaves one block in kCrowded free, each between two that are not.
void crowd(const std::string& where) {
  // What giving back takes for the map of the filler until blocks of its own are free: after a
  // sync.
  constexpr off_t kForTheMap = 256 << 10;
  constexpr off_t kAtATime = 256;  // blocks
  constexpr off_t kTogether = 8 * kBlock;
  Filler filler(where + "/filler");
  const std::string spare = where + "/spare";
  {
    Filler held(spare);
    held.append(kForTheMap);
    for (off_t step = 64 << 20; step >= kBlock; step /= 2) {
      while (filler.append(step)) {
      }
    }
  }
  unlink(spare.c_str());
  // What a file system keeps in reserve for itself lies together, and may be taken as soon as
  // other blocks are free in its place.
  Filler rest(where + "/rest");
  off_t step = kAtATime * kBlock;
  const off_t wanted = filler.size() / kBlock / static_cast<off_t>(kCrowded);
  for (off_t at = 0; step >= kTogether || free_blocks(where) < wanted;) {
    sync();
    for (off_t i = 0; i < kAtATime && at < filler.size(); ++i, at += 2 * kBlock) filler.punch(at);
    if (at >= filler.size()) throw Failure(ExitCode::kVmFailed, where + ": nothing left to take");
    sync();
    while (step >= kTogether) {
      const size_t before = rest.runs();
      if (!rest.append(step)) break;
      if (rest.runs() <= before + 2) continue;
      rest.cut();
      step /= 2;
    }
  }
  sync();
}

}  // namespace

Mounted make_and_mount(const FileSystem& fs, const std::string& device, const std::string& where) {
  Mounted mounted;
  // One that a mount formats needs no tool.
  if (*fs.mkfs != '\0') {
    mounted.tool_version = first_line(run_command({fs.tool, "-V"}).output);
    mounted.mkfs_line = fmt::format("{} {}", fs.mkfs, device);
    const CommandResult made = run_command(split_words(mounted.mkfs_line));
    if (made.exit_code != 0) {
      throw Failure(ExitCode::kVmFailed, fmt::format("{}: exit {}: {}", fs.tool, made.exit_code,
                                                     first_line(made.output)));
    }
  }
  mounted.made_ticks = read_ticks();
  mounted.features = features_on(device, fs.type);
  const std::vector<std::string> row = split_list(fs.features);
  if (!row.empty() && mounted.features != std::set<std::string>(row.begin(), row.end())) {
    throw Failure(ExitCode::kVmFailed,
                  fmt::format("{} made a file system with {}, where the row of {} asks for {}",
                              fs.tool, fmt::join(mounted.features, ","), fs.id, fs.features));
  }
  mounted.mount_line = fmt::format("mount -t {}{}{} {} {}", fs.type, *fs.options ? " -o " : "",
                                   fs.options, device, where);
  if (mkdir(where.c_str(), 0755) != 0 && errno != EEXIST) {
    throw Failure(ExitCode::kVmFailed, fmt::format("mkdir {}: {}", where, std::strerror(errno)));
  }
  if (mount(device.c_str(), where.c_str(), fs.type, 0, fs.options) != 0) {
    throw Failure(ExitCode::kVmFailed, fmt::format("{}: {}; the kernel's log says why",
                                                   mounted.mount_line, std::strerror(errno)));
  }
  if (fs.crowded) crowd(where);
  return mounted;
}

}  // namespace faultline
