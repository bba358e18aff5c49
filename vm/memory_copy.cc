// SPDX-License-Identifier: GPL-2.0-only
#include "vm/memory_copy.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <functional>
#include <string_view>
#include <vector>

#include "vm/files.h"

namespace faultline {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kPiece = std::size_t{1} << 20;

off_t size_of(const Fd& file) {
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) throw_io_failure("cannot read", "a guest's memory", errno);
  return info.st_size;
}

bool is_zero(std::string_view bytes) {
  return bytes.front() == 0 && bytes.substr(1) == bytes.substr(0, bytes.size() - 1);
}

// Gives each run of pages that are not zero, at most kPiece bytes long, with its offset.
void for_each_filled(const Fd& file, const std::function<void(off_t, std::string_view)>& on_pages) {
  const off_t end = size_of(file);
  std::vector<char> buffer(kPiece);
  for (off_t at = 0; at < end;) {
    at = ::lseek(file.get(), at, SEEK_DATA);
    if (at < 0 && errno == ENXIO) return;  // holes to the end
    const off_t hole = at < 0 ? -1 : ::lseek(file.get(), at, SEEK_HOLE);
    if (hole < 0) throw_io_failure("cannot read", "a guest's memory", errno);
    at -= at % static_cast<off_t>(kPage);
    while (at < hole) {
      const ssize_t n = ::pread(file.get(), buffer.data(), buffer.size(), at);
      if (n <= 0) throw_io_failure("cannot read", "a guest's memory", n < 0 ? errno : EIO);
      const std::string_view piece(buffer.data(), static_cast<std::size_t>(n));
      std::size_t filled = 0;  // bytes before the page that are to be given
      for (std::size_t page = 0; page < piece.size(); page += kPage) {
        if (!is_zero(piece.substr(page, kPage))) {
          filled += std::min(kPage, piece.size() - page);
        } else if (filled > 0) {
          on_pages(at + static_cast<off_t>(page - filled), piece.substr(page - filled, filled));
          filled = 0;
        }
      }
      if (filled > 0) {
        const std::size_t start = piece.size() - filled;
        on_pages(at + static_cast<off_t>(start), piece.substr(start));
      }
      at += n;
    }
  }
}

}  // namespace

void copy_memory(const Fd& from, const Fd& to) {
  if (::ftruncate(to.get(), 0) != 0 || ::ftruncate(to.get(), size_of(from)) != 0) {
    throw_io_failure("cannot write", "a guest's memory", errno);
  }
  for_each_filled(from, [&](off_t at, std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::pwrite(to.get(), bytes.data(), bytes.size(), at);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) throw_io_failure("cannot write", "a guest's memory", n < 0 ? errno : ENOSPC);
      bytes.remove_prefix(static_cast<std::size_t>(n));
      at += n;
    }
  });
}

std::string sha256_of_memory(const Fd& file) {
  Sha256 digest;
  digest.update(fmt::format("{}\n", size_of(file)));
  for_each_filled(file, [&](off_t at, std::string_view bytes) {
    for (; !bytes.empty(); bytes.remove_prefix(std::min(kPage, bytes.size()))) {
      digest.update(fmt::format("{}:", at));
      digest.update(bytes.substr(0, kPage));
      at += static_cast<off_t>(kPage);
    }
  });
  return digest.hex();
}

}  // namespace faultline
