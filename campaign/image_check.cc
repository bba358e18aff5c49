// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/image_check.h"

#include <algorithm>

#include "campaign/checked_reads.h"
#include "cell/file_system.h"
#include "cell/fs_row.h"
#include "cell/words.h"
#include "vm/files.h"

namespace faultline {

ImageCheck::ImageCheck(const GuestRoot& guest) {
  for (const FileSystem& row : file_systems()) {
    const std::vector<std::string> words = split_words(row.check);
    if (words.empty()) continue;
    if (is_path(words.front())) {
      commands_[row.id] = words;
      continue;
    }
    std::vector<std::string> command = command_in(guest, tool_of(guest, words.front()));
    command.insert(command.end(), words.begin() + 1, words.end());
    commands_[row.id] = command;
  }
}

Recovered ImageCheck::look_at(const VmSpec& spec, const nlohmann::json& found, GuestMemory& memory,
                              const std::filesystem::path& file) const {
  Recovered recovered{.found = found, .read = memory.lines_read()};
  for (const auto& [from, bytes] : file_blocks(recovered)) {
    for (std::uint64_t at = from; at < from + bytes; at += kPmemLine) {
      if (!memory.is_written(at)) continue;
      recovered.rewritten.add(at, at + 1);
      recovered.rewritten_pages.try_emplace(at / kPmemPage, memory.page(at / kPmemPage));
      // If only a part of a line was stored to, the rest must be the same in another image too.
      recovered.read.add(at, at + 1);
    }
  }
  if (!found.value("mounted", false) || !commands_.contains(spec.fs)) return recovered;
  memory.save(file);
  std::vector<std::string> command = commands_.at(spec.fs);
  command.push_back(file.string());
  const CheckedReads checked = check_seeing_reads(command, file);
  recovered.checked = true;
  recovered.status = checked.status;
  recovered.words = checked.output;
  const std::uint64_t size = std::uint64_t{spec.pmem_mib} << 20;
  if (checked.all) recovered.read.add(0, size);
  for (const auto& [offset, bytes] : checked.reads) {
    recovered.read.add(offset, std::min(offset + bytes, size));
  }
  return recovered;
}

}  // namespace faultline
