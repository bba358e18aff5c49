// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/guest_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

namespace faultline {

GuestMemory::GuestMemory(const VmSpec& spec)
    : start_(std::uint64_t{spec.ram_mib} << 20),
      bytes_(std::uint64_t{spec.pmem_mib} << 20),
      file_(memory_file("")),
      marks_file_(memory_file("")) {
  if (::ftruncate(file_.get(), static_cast<off_t>(memory_bytes(spec))) != 0 ||
      ::ftruncate(marks_file_.get(), static_cast<off_t>(bytes_ / kPmemLine)) != 0) {
    throw_io_failure("cannot grow", "the guest's memory", errno);
  }
  void* at =
      ::mmap(nullptr, bytes_ / kPmemLine, PROT_READ | PROT_WRITE, MAP_SHARED, marks_file_.get(), 0);
  if (at == MAP_FAILED) throw_io_failure("cannot map", "the guest's memory", errno);
  marks_ = static_cast<unsigned char*>(at);
}

GuestMemory::~GuestMemory() { ::munmap(marks_, bytes_ / kPmemLine); }

std::string GuestMemory::path() const { return path_of(file_); }

std::string GuestMemory::marks_path() const { return path_of(marks_file_); }

template <typename Visit>
void GuestMemory::visit_marked(unsigned char mark, Visit visit) const {
  // Nearly all are clear.
  std::uint64_t eight = 0;
  for (std::uint64_t at = 0; at < bytes_ / kPmemLine; at += sizeof eight) {
    std::memcpy(&eight, marks_ + at, sizeof eight);
    if (eight == 0) continue;
    for (std::uint64_t line = at; line < at + sizeof eight; ++line) {
      if ((marks_[line] & mark) != 0) visit(line);
    }
  }
}

void GuestMemory::load(const PmemImage& image, bool anew) {
  if (!loaded_ || anew) {
    image.write(file_.get(), start_, bytes_);
    saved_.clear();
  } else {
    std::vector<std::uint64_t> pages = image.differences(*loaded_);
    visit_marked(kLineWritten, [&](std::uint64_t line) {
      const std::uint64_t page = line * kPmemLine / kPmemPage;
      if (pages.empty() || pages.back() != page) pages.push_back(page);
    });
    for (const std::uint64_t page : pages) {
      if (::pwrite(file_.get(), image.page(page).data(), kPmemPage,
                   static_cast<off_t>(start_ + page * kPmemPage)) !=
          static_cast<ssize_t>(kPmemPage)) {
        throw_io_failure("cannot write", "the guest's memory", errno);
      }
    }
    stale_.insert(stale_.end(), pages.begin(), pages.end());
  }
  loaded_ = image;
  std::memset(marks_, 0, bytes_ / kPmemLine);
}

LineSet GuestMemory::lines_read() const {
  LineSet lines;
  visit_marked(kLineRead,
               [&](std::uint64_t line) { lines.add(line * kPmemLine, (line + 1) * kPmemLine); });
  return lines;
}

bool GuestMemory::is_written(std::uint64_t at) const {
  return at < bytes_ && (marks_[at / kPmemLine] & kLineWritten) != 0;
}

PmemImage::Bytes GuestMemory::page(std::uint64_t index) const {
  PmemImage::Bytes page{};
  if (::pread(file_.get(), page.data(), page.size(),
              static_cast<off_t>(start_ + index * kPmemPage)) !=
      static_cast<ssize_t>(page.size())) {
    throw_io_failure("cannot read", "the guest's pmem", errno);
  }
  return page;
}

void GuestMemory::save(const std::filesystem::path& to) {
  if (to == saved_) {
    visit_marked(kLineWritten,
                 [&](std::uint64_t line) { stale_.push_back(line * kPmemLine / kPmemPage); });
    std::sort(stale_.begin(), stale_.end());
    stale_.erase(std::unique(stale_.begin(), stale_.end()), stale_.end());
    const Fd out(::open(to.c_str(), O_WRONLY | O_CLOEXEC));
    if (!out) throw_io_failure("cannot write", to, errno);
    for (const std::uint64_t index : stale_) {
      const PmemImage::Bytes bytes = page(index);
      if (::pwrite(out.get(), bytes.data(), bytes.size(), static_cast<off_t>(index * kPmemPage)) !=
          static_cast<ssize_t>(bytes.size())) {
        throw_io_failure("cannot write", to, errno);
      }
    }
    stale_.clear();
    return;
  }
  saved_ = to;
  stale_.clear();
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
