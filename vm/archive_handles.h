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

}  // namespace faultline
