// SPDX-License-Identifier: GPL-2.0-only
// Owners of libarchive's objects.
#pragma once

#include <archive.h>
#include <archive_entry.h>

#include <memory>

namespace faultline {

struct FreeArchiveReader {
  void operator()(archive* reader) const { archive_read_free(reader); }
};
using ArchiveReader = std::unique_ptr<archive, FreeArchiveReader>;

struct FreeArchiveWriter {
  void operator()(archive* writer) const { archive_write_free(writer); }
};
using ArchiveWriter = std::unique_ptr<archive, FreeArchiveWriter>;

// Has a reader take what packages and kernels are packed by. It does not take "all": libarchive
// starts a program for what it cannot do itself, whose name then comes from the bytes that are
// read.
inline void support_packed(archive* reader) {
  archive_read_support_filter_bzip2(reader);
  archive_read_support_filter_gzip(reader);
  archive_read_support_filter_lz4(reader);
  archive_read_support_filter_lzma(reader);
  archive_read_support_filter_xz(reader);
  archive_read_support_filter_zstd(reader);
}

}  // namespace faultline
