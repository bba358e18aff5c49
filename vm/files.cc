// SPDX-License-Identifier: GPL-2.0-only
#include "vm/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "cell/failure.h"
#include "vm/process.h"

namespace faultline {
namespace fs = std::filesystem;

namespace {

std::string error_text(int error) { return std::generic_category().message(error); }

// An absolute path from the environment. XDG says to ignore relative ones.
fs::path path_from_environment(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
  if (value == nullptr || value[0] != '/') return {};
  return value;
}

int open_retrying(const fs::path& path, int flags, unsigned mode = 0) {
  int fd = -1;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

// Calls `take` with each piece of the file.
template <typename Take>
void for_each_piece(const fs::path& path, Take take) {
  const Fd file(open_retrying(path, O_RDONLY));
  if (file.get() < 0) throw_io_failure("cannot read", path, errno);
  std::array<char, 1 << 16> buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  while (true) {
    const ssize_t count = ::read(file.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw_io_failure("cannot read", path, errno);
    if (count == 0) return;
    take(std::string_view(buffer.data(), static_cast<std::size_t>(count)));
  }
}

}  // namespace

void throw_io_failure(std::string_view what, const fs::path& path, int error) {
  const std::string place = fmt::format("{} {}: {}", what, path.string(), error_text(error));
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      throw Failure(
          ExitCode::kVmFailed,
          fmt::format("{}; free some space there, or choose another place for it", place));
    case EACCES:
    case EPERM:
    case EROFS:
      throw Failure(ExitCode::kUsage,
                    fmt::format("{}; choose a place that this user may use", place));
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
    case ENAMETOOLONG:
    case ELOOP:
      throw Failure(ExitCode::kUsage, fmt::format("{}; check the path", place));
    default:
      throw Failure(ExitCode::kVmFailed, place);
  }
}

fs::path temp_dir() {
  const fs::path own = path_from_environment("TMPDIR");
  fs::path place = own.empty() ? fs::path("/tmp") : own;
  std::error_code error;
  if (fs::is_directory(place, error)) return place;
  throw Failure(
      ExitCode::kUsage,
      fmt::format("the folder of temporary files is not there: {}; set TMPDIR to one that "
                  "is",
                  place.string()));
}

fs::path cache_dir() {
  if (const char* own = std::getenv("FAULTLINE_CACHE");  // NOLINT(concurrency-mt-unsafe)
      own != nullptr && own[0] != '\0') {
    if (own[0] != '/') {
      throw Failure(
          ExitCode::kUsage,
          fmt::format("FAULTLINE_CACHE is not an absolute path: {}; give one that starts with /",
                      own));
    }
    return own;
  }
  if (const fs::path xdg = path_from_environment("XDG_CACHE_HOME"); !xdg.empty()) {
    return xdg / "faultline";
  }
  if (const fs::path home = path_from_environment("HOME"); !home.empty()) {
    return home / ".cache" / "faultline";
  }
  throw Failure(ExitCode::kUsage, "no cache folder: HOME is not set; set FAULTLINE_CACHE");
}

void make_dirs(const fs::path& dir) {
  std::error_code error;
  fs::create_directories(dir, error);
  // libstdc++ reports success for a path whose last component is a file.
  if (!error && !fs::is_directory(dir)) error = std::make_error_code(std::errc::not_a_directory);
  if (error) throw_io_failure("cannot create folder", dir, error.value());
}

void sync_file_system(const fs::path& path) {
  const Fd file(open_retrying(path, O_RDONLY));
  if (file.get() < 0 || ::syncfs(file.get()) != 0) throw_io_failure("cannot sync", path, errno);
}

std::string read_file(const fs::path& path, std::uint64_t limit) {
  std::string content;
  for_each_piece(path, [&](std::string_view piece) {
    if (content.size() + piece.size() > limit) {
      throw Failure(
          ExitCode::kUsage,
          fmt::format("{} is larger than {} bytes, which cannot be right", path.string(), limit));
    }
    content += piece;
  });
  return content;
}

void Sha256::Free::operator()(void* context) const {
  EVP_MD_CTX_free(static_cast<EVP_MD_CTX*>(context));
}

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  auto* context = static_cast<EVP_MD_CTX*>(context_.get());
  if (context == nullptr || EVP_DigestInit_ex(context, EVP_sha256(), nullptr) != 1) {
    throw Failure(ExitCode::kVmFailed, "libcrypto offers no SHA-256; check its installation");
  }
}

void Sha256::update(std::string_view bytes) {
  EVP_DigestUpdate(static_cast<EVP_MD_CTX*>(context_.get()), bytes.data(), bytes.size());
}

std::string Sha256::hex() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  EVP_DigestFinal_ex(static_cast<EVP_MD_CTX*>(context_.get()), digest.data(), &size);
  std::string text;
  for (unsigned i = 0; i < size; ++i) text += fmt::format("{:02x}", digest.at(i));
  return text;
}

std::string sha256_of(std::string_view bytes) {
  Sha256 digest;
  digest.update(bytes);
  return digest.hex();
}

std::string sha256_of_file(const fs::path& path) {
  Sha256 digest;
  for_each_piece(path, [&](std::string_view piece) { digest.update(piece); });
  return digest.hex();
}

AtomicFile::AtomicFile(fs::path target, unsigned mode) : target_(std::move(target)) {
  struct stat status = {};
  if (::stat(target_.c_str(), &status) == 0 && !S_ISREG(status.st_mode)) {
    fd_ = open_retrying(target_, O_WRONLY);
    if (fd_ < 0) throw_io_failure("cannot write", target_, errno);
    return;
  }
  // Opened with the mode, so that the umask applies; mkstemp would give 0600.
  static std::atomic<unsigned> counter = 0;
  for (int attempt = 0; attempt < 100; ++attempt) {
    temporary_ = target_.parent_path() / fmt::format(".faultline-{}-{}.tmp", ::getpid(), ++counter);
    fd_ = open_retrying(temporary_, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
    if (fd_ >= 0) return;
    if (errno != EEXIST) break;
  }
  const int error = errno;
  temporary_.clear();
  throw_io_failure("cannot write", target_, error);
}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd_, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw_io_failure("cannot write", target_, errno);
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

void AtomicFile::commit(bool sync) {
  const bool direct = temporary_.empty();
  if (!direct && sync && ::fsync(fd_) != 0) throw_io_failure("cannot write", target_, errno);
  const int fd = std::exchange(fd_, -1);
  if (::close(fd) != 0) throw_io_failure("cannot write", target_, errno);
  if (direct) return;
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) {
    throw_io_failure("cannot write", target_, errno);
  }
  temporary_.clear();
  if (!sync) return;
  // Best effort: the name is durable too, where the file system lets a folder be synced.
  const fs::path parent = target_.parent_path();
  const Fd folder(open_retrying(parent.empty() ? fs::path(".") : parent, O_RDONLY));
  if (folder.get() >= 0) ::fsync(folder.get());
}

void write_file(const fs::path& target, std::string_view content, unsigned mode) {
  AtomicFile file(target, mode);
  file.write(content);
  file.commit();
}

void FileLock::open(const fs::path& file) {
  if (file.has_parent_path()) make_dirs(file.parent_path());
  fd_ = open_retrying(file, O_RDWR | O_CREAT, 0644);
  if (fd_ < 0) throw_io_failure("cannot lock", file, errno);
}

std::unique_ptr<FileLock> FileLock::try_lock(const fs::path& file) {
  std::unique_ptr<FileLock> lock(new FileLock);
  lock->open(file);
  if (::flock(lock->fd_, LOCK_EX | LOCK_NB) == 0) return lock;
  if (errno != EWOULDBLOCK) throw_io_failure("cannot lock", file, errno);
  return nullptr;
}

FileLock::FileLock(const fs::path& file, const std::function<void()>& on_wait) {
  open(file);
  if (::flock(fd_, LOCK_EX | LOCK_NB) == 0) return;
  if (errno == EWOULDBLOCK) {
    if (on_wait) on_wait();
    int status = -1;
    do {
      status = ::flock(fd_, LOCK_EX);
    } while (status != 0 && errno == EINTR);
    if (status == 0) return;
  }
  const int error = errno;
  ::close(fd_);
  throw_io_failure("cannot lock", file, error);
}

FileLock::~FileLock() {
  if (fd_ >= 0) ::close(fd_);  // which releases the lock
}

TempDir::TempDir(const fs::path& parent, const std::string& prefix) {
  make_dirs(parent);
  std::string pattern = (parent / (prefix + "XXXXXX")).string();
  if (::mkdtemp(pattern.data()) == nullptr) {
    throw_io_failure("cannot create a folder in", parent, errno);
  }
  path_ = pattern;
  // Where the file system has no locks, nothing is taken for left behind too soon: see below.
  fd_ = ::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd_ >= 0) ::flock(fd_, LOCK_EX | LOCK_NB);
}

TempDir::~TempDir() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
  if (fd_ >= 0) ::close(fd_);
}

void remove_left_temp_dirs(const fs::path& parent, const std::string& prefix) {
  constexpr auto kOld = std::chrono::hours(1);  // a younger one may not be locked yet
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(parent, ignored)) {
    if (!entry.path().filename().string().starts_with(prefix)) continue;
    const auto written = fs::last_write_time(entry.path(), ignored);
    if (ignored || fs::file_time_type::clock::now() - written < kOld) continue;
    const int fd = ::open(entry.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) continue;
    if (::flock(fd, LOCK_EX | LOCK_NB) == 0) fs::remove_all(entry.path(), ignored);
    ::close(fd);
  }
}

}  // namespace faultline
