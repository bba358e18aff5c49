// SPDX-License-Identifier: GPL-2.0-only
// Preloaded by tests: the Nth write, pwrite, rename or fsync of a file, of all of these together,
// fails as on a disk that is full (FAULTLINE_IO_FAULT=N, or N:EIO). All that come after go well:
// what must cope is whoever was told of the one. FAULTLINE_IO_COUNT names a file for how many there
// were.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

std::atomic<long> g_calls{0};
long g_fails = 0;
int g_error = ENOSPC;

// Those that this one starts are left alone: QEMU, apt, reports/.
__attribute__((constructor)) void begin() {
  if (const char* wish = std::getenv("FAULTLINE_IO_FAULT"); wish != nullptr) {
    g_fails = std::strtol(wish, nullptr, 10);
    if (std::strstr(wish, ":EIO") != nullptr) g_error = EIO;
  }
  ::unsetenv("LD_PRELOAD");
}

__attribute__((destructor)) void end() {
  const char* file = std::getenv("FAULTLINE_IO_COUNT");
  std::FILE* out = file != nullptr ? std::fopen(file, "w") : nullptr;
  if (out == nullptr) return;
  const long calls = g_calls;
  std::fprintf(out, "%ld\n", calls);
  std::fclose(out);
}

bool fails() {
  if (++g_calls != g_fails) return false;
  errno = g_error;
  return true;
}

// Pipes and terminals have no disk.
bool is_file(int fd) {
  struct stat info {};
  return ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
}

template <typename Function>
Function next(const char* name) {
  return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

// The names are the C library's.
// NOLINTBEGIN(readability-identifier-naming, bugprone-reserved-identifier)
extern "C" {

ssize_t write(int fd, const void* bytes, size_t size) {
  static const auto real = next<ssize_t (*)(int, const void*, size_t)>("write");
  return is_file(fd) && fails() ? -1 : real(fd, bytes, size);
}

ssize_t pwrite(int fd, const void* bytes, size_t size, off_t at) {
  static const auto real = next<ssize_t (*)(int, const void*, size_t, off_t)>("pwrite");
  return is_file(fd) && fails() ? -1 : real(fd, bytes, size, at);
}

ssize_t pwrite64(int fd, const void* bytes, size_t size, off64_t at) {
  static const auto real = next<ssize_t (*)(int, const void*, size_t, off64_t)>("pwrite64");
  return is_file(fd) && fails() ? -1 : real(fd, bytes, size, at);
}

int rename(const char* from, const char* to) {
  static const auto real = next<int (*)(const char*, const char*)>("rename");
  return fails() ? -1 : real(from, to);
}

int fsync(int fd) {
  static const auto real = next<int (*)(int)>("fsync");
  return is_file(fd) && fails() ? -1 : real(fd);
}

}  // extern "C"
// NOLINTEND(readability-identifier-naming, bugprone-reserved-identifier)
