// SPDX-License-Identifier: GPL-2.0-only
#include "cell/crash_writer.h"

#include <algorithm>

#include "cell/failure.h"
#include "cell/words.h"

namespace faultline {
namespace {

constexpr char kMapSync[] = "mmap(2), MAP_SYNC";

constexpr CrashWriter kWriters[] = {
    {.id = kPagesWriter,
     .summary = "each page of a file that grows, again and again",
     .strategy = "",
     .promise = "what the strategy says",
     .source = "cell/strategy.cc"},
    {.id = "threads",
     .summary = "two threads, each every second page of one file",
     .strategy = "map_sync",
     .promise = "a page whose lines are written back",
     .source = kMapSync},
    {.id = "append",
     .summary = "records at a file's end, fdatasync after each",
     .strategy = "pwrite:1",
     .promise = "a record, and the size up to its end",
     .source = "fdatasync(2): metadata that a later read needs"},
    {.id = "truncate",
     .summary = "a page stored to, the last one cut off; at last grown again",
     .strategy = "map_sync",
     .promise = "the stores; the size; zeroes where the file was cut and grew again",
     .source = "fsync(2); ftruncate(2): the extended part reads as null bytes"},
    {.id = "punch",
     .summary = "a page stored to, the next one punched out, fsync",
     .strategy = "map_sync",
     .promise = "the stores; zeroes in the hole",
     .source = "fallocate(2), FALLOC_FL_PUNCH_HOLE: reads return zeros"},
    {.id = "fallocate",
     .summary = "four pages more by fallocate, one of them stored to",
     .strategy = "map_sync",
     .promise = "the stores; zeroes in the other pages",
     .source = "mmap(2), MAP_SYNC; fallocate(2): initialized to zero"},
    {.id = "rename",
     .summary = "a new file renamed over the old one; fsync of the directory",
     .strategy = "map_sync",
     .promise = "the old or the new file whole, at any time; the new one after the fsync",
     .source = "rename(2): atomically replaced; fsync(2), of the directory"},
    {.id = "reflink",
     .summary = "a clone of the file, synced; then a page of the file stored to",
     .strategy = "map_sync",
     .promise = "each clone as the file was; the stores",
     .source = "ioctl_ficlone(2): the clone is changed by no later write; fsync(2)"},
    {.id = "dirent",
     .summary = "new files, each fsynced; the directory after every fourth",
     .strategy = "fsync:1",
     .promise = "a file whose directory was synced after it",
     .source = "fsync(2): not the entry in the directory"},
    {.id = "msync_range",
     .summary = "three pages stored to, msync of one of them",
     .strategy = "msync:1",
     .promise = "that page",
     .source = "msync(2): the part that addr and length name"},
    {.id = "pmd",
     .summary = "scattered pages under entries of 2 MiB",
     .strategy = "map_sync",
     .promise = "a page whose lines are written back",
     .source = kMapSync}};

}  // namespace

std::span<const CrashWriter> crash_writers() { return kWriters; }

const CrashWriter* find_crash_writer(const std::string& id) {
  const auto* found = std::find_if(std::begin(kWriters), std::end(kWriters),
                                   [&](const CrashWriter& writer) { return id == writer.id; });
  return found == std::end(kWriters) ? nullptr : found;
}

std::vector<const CrashWriter*> crash_writers_named(const std::string& list) {
  std::vector<const CrashWriter*> named;
  const auto take = [&](const CrashWriter& writer) {
    if (std::find(named.begin(), named.end(), &writer) == named.end()) named.push_back(&writer);
  };
  for (const std::string& id : split_list(list)) {
    if (id == "all") {
      for (const CrashWriter& writer : kWriters) take(writer);
    } else if (const CrashWriter* writer = find_crash_writer(id)) {
      take(*writer);
    } else {
      std::vector<std::string> known = {"all"};
      for (const CrashWriter& each : kWriters) known.emplace_back(each.id);
      throw Failure(ExitCode::kUsage, unknown_name("--write", id, known));
    }
  }
  return named;
}

}  // namespace faultline
