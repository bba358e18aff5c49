// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/guest_memory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

namespace faultline {

GuestMemory::GuestMemory(const VmSpec& spec)
    : start_(std::uint64_t{spec.ram_mib} << 20),
      bytes_(std::uint64_t{spec.pmem_mib} << 20),
      file_(memory_file("")) {
  if (::ftruncate(file_.get(), static_cast<off_t>(memory_bytes(spec))) != 0) {
    throw_io_failure("cannot grow", "the guest's memory", errno);
  }
}

std::string GuestMemory::path() const {
  return fmt::format("/proc/{}/fd/{}", ::getpid(), file_.get());
}

void GuestMemory::load(const PmemImage& image) const { image.write(file_.get(), start_, bytes_); }

void GuestMemory::save(const std::filesystem::path& to) const {
  const Fd out(::open(to.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!out || ::ftruncate(out.get(), static_cast<off_t>(bytes_)) != 0) {
    throw_io_failure("cannot write", to, errno);
  }
  std::vector<char> buffer(1 << 20);
  const auto end = static_cast<off_t>(start_ + bytes_);
  for (off_t at = static_cast<off_t>(start_);;) {
    at = ::lseek(file_.get(), at, SEEK_DATA);
    if (at < 0 || at >= end) break;
    const off_t hole = std::min(end, ::lseek(file_.get(), at, SEEK_HOLE));
    while (at < hole) {
      const auto piece = std::min<std::size_t>(buffer.size(), static_cast<std::size_t>(hole - at));
      const ssize_t n = ::pread(file_.get(), buffer.data(), piece, at);
      if (n <= 0 || ::pwrite(out.get(), buffer.data(), static_cast<std::size_t>(n),
                             at - static_cast<off_t>(start_)) != n) {
        throw_io_failure("cannot write", to, errno);
      }
      at += n;
    }
  }
}

}  // namespace faultline
