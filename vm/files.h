// SPDX-License-Identifier: GPL-2.0-only
// The cache folder, and files that are either complete or absent.
//
// Errors of every function here: Failure(kUsage) when the path cannot be used as given (absent, no
// permission, read-only), Failure(kVmFailed) when the machine is at fault (disk full, I/O error).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace faultline {

// The cache folder: $FAULTLINE_CACHE, else $XDG_CACHE_HOME/faultline, else ~/.cache/faultline. It
// is not created. Failure(kUsage) when none of the three variables is set to an absolute path.
std::filesystem::path cache_dir();

// The folder for temporary files: $TMPDIR, or /tmp. Failure(kUsage) when that is no folder.
std::filesystem::path temp_dir();

// Makes the folder and those above it, as `mkdir -p` does.
void make_dirs(const std::filesystem::path& dir);

// Makes everything on the file system of `path` durable, for many files at once.
void sync_file_system(const std::filesystem::path& path);

// Throws the Failure for `error` (an errno) met while doing `what` ("cannot write") to `path`.
[[noreturn]] void throw_io_failure(std::string_view what, const std::filesystem::path& path,
                                   int error);

// Reads a whole file. Failure(kUsage) if it is larger than `limit` bytes.
std::string read_file(const std::filesystem::path& path, std::uint64_t limit = 1ULL << 30);

// A SHA-256 over bytes that come in any number of pieces. Digests are texts of lower-case hex.
class Sha256 {
 public:
  Sha256();
  void update(std::string_view bytes);
  std::string hex();  // the digest of all bytes; update() may not follow

 private:
  struct Free {
    void operator()(void* context) const;
  };
  std::unique_ptr<void, Free> context_;
};
std::string sha256_of(std::string_view bytes);
std::string sha256_of_file(const std::filesystem::path& path);

// A file that appears under its name only by commit(): it is written beside its place, synced and
// renamed. If commit() is not called, nothing is left of it. A target that exists and is no regular
// file (a pipe, /dev/stdout) is written directly, because a rename would replace it.
class AtomicFile {
 public:
  // `mode` is narrowed by the umask.
  explicit AtomicFile(std::filesystem::path target, unsigned mode = 0644);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::string_view bytes);
  // Puts the file in its place. Without `sync` it may be lost or cut short by a crash of the
  // machine.
  void commit(bool sync = true);

 private:
  std::filesystem::path target_;
  std::filesystem::path temporary_;  // empty if the target is written directly, or once committed
  int fd_ = -1;
};
void write_file(const std::filesystem::path& target, std::string_view content,
                unsigned mode = 0644);

// An advisory lock that one process holds at a time, until the object dies. The file stays, because
// to remove it would let a second process lock a new file of the same name.
class FileLock {
 public:
  // Waits for another holder to let go; `on_wait`, if any, is called once before that.
  explicit FileLock(const std::filesystem::path& file, const std::function<void()>& on_wait = {});
  // The lock, or null if another holder has it; does not wait.
  static std::unique_ptr<FileLock> try_lock(const std::filesystem::path& file);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  FileLock() = default;
  void open(const std::filesystem::path& file);
  int fd_ = -1;
};

// A new empty folder inside `parent` (created if absent), removed with all it holds. It is locked
// while it lives.
class TempDir {
 public:
  explicit TempDir(const std::filesystem::path& parent, const std::string& prefix = "tmp-");
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  int fd_ = -1;
};

// Removes the folders in `parent` that a TempDir of such a prefix left behind when it was killed.
void remove_left_temp_dirs(const std::filesystem::path& parent, const std::string& prefix = "tmp-");

}  // namespace faultline
