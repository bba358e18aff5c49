// SPDX-License-Identifier: GPL-2.0-only
// A file system that a user describes instead of the table (docs/own-filesystem.md): one on pmem
// with DAX, without a journal that the probes would know.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace faultline {

// What a row's file says. A text is empty where the file has no such field.
struct FileSystemRow {
  std::string id;
  std::string summary;
  std::string type;
  // A command line whose first word is a program of the guest's tools, or a path on the host.
  std::string mkfs;
  std::string options;
  std::optional<std::string> options_again;
  std::string fsck;    // like mkfs; a path is run as it is, on the host
  std::string module;  // a name, of a module of the kernel's or what is built in; or FILE.ko
  std::string module_parameters;
  std::string map;
  bool map_sync = true;
  std::string file;  // that it was read from; not of the JSON
};

// Takes the text of `file`, by whose folder relative paths go. Pure. Failure(kUsage), one line that
// names the file, the field and what that takes. The id must be no other file system's, and no word
// of another axis.
FileSystemRow parse_fs_row(const std::string& text, const std::string& file);

// The row as the guest is told it: without paths of the host, which lead nowhere there.
nlohmann::json fs_row_for_guest(const FileSystemRow& row);

// The first word of a command line, as it stands; and without its folder.
std::string first_word(const std::string& line);
std::string program_of(const std::string& line);
// mkfs as the guest runs it: its program is on the guest's PATH.
std::string mkfs_of(const FileSystemRow& row);
// The name of the row's module: "nova" of "nova", "build/nova.ko" and "my/nova.ko.xz".
std::string module_of(const FileSystemRow& row);
// Tells whether a word is a path on the host and not the name of something known: it holds a slash.
bool is_path(const std::string& word);

}  // namespace faultline
