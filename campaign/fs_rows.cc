// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/fs_rows.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "cell/failure.h"
#include "cell/file_system.h"
#include "cell/fs_row.h"
#include "cell/json_text.h"
#include "harness/wire.h"
#include "vm/files.h"

namespace faultline {

namespace fs = std::filesystem;

namespace {

// Tells whether a row's module is a file of the user's, and none of the kernel's folder.
bool has_own_module(const FileSystemRow& row) { return is_path(row.module); }

void check_file(const FileSystemRow& row, const char* field, const std::string& path,
                bool executable) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) {
    throw Failure(ExitCode::kUsage,
                  fmt::format("--fs-row {}: {}: no file {}", row.file, field, path));
  }
  if (executable && access(path.c_str(), X_OK) != 0) {
    throw Failure(ExitCode::kUsage, fmt::format("--fs-row {}: {}: {} is no program; chmod +x it",
                                                row.file, field, path));
  }
}

}  // namespace

void add_fs_row(const std::string& file) {
  std::error_code error;
  if (!fs::is_regular_file(file, error)) {
    throw Failure(ExitCode::kUsage, fmt::format("--fs-row {}: no such file", file));
  }
  const std::string text = read_file(file);
  if (nesting_of(text) > kMostNested) {
    throw Failure(ExitCode::kUsage, fmt::format("--fs-row {}: nests deeper than a row does", file));
  }
  const FileSystemRow row = parse_fs_row(text, file);
  for (const auto& [field, line] : {std::pair{"mkfs", row.mkfs}, std::pair{"fsck", row.fsck}}) {
    if (is_path(first_word(line))) check_file(row, field, first_word(line), true);
  }
  if (has_own_module(row)) check_file(row, "module", row.module, false);
  add_file_system(row);
}

void check_given_tools(const GuestRoot& guest) {
  for (const FileSystem& file_system : file_systems()) {
    if (file_system.given == nullptr) continue;
    const FileSystemRow& row = *file_system.given;
    for (const auto& [field, line] : {std::pair{"mkfs", row.mkfs}, std::pair{"fsck", row.fsck}}) {
      const std::string program = first_word(line);
      std::error_code error;
      if (program.empty() || is_path(program) ||
          fs::exists(guest.root / "usr/sbin" / program, error))
        continue;
      throw Failure(ExitCode::kUsage,
                    fmt::format("--fs-row {}: {}: neither e2fsprogs nor xfsprogs has {}; give the "
                                "path of yours",
                                row.file, field, program));
    }
  }
}

GivenParts given_parts(const std::string& release) {
  GivenParts parts;
  nlohmann::json rows = nlohmann::json::array();
  for (const FileSystem& file_system : file_systems()) {
    if (file_system.given == nullptr) continue;
    const FileSystemRow& row = *file_system.given;
    rows.push_back(fs_row_for_guest(row));
    if (const std::string program = first_word(row.mkfs); is_path(program)) {
      parts.executables.push_back({"/usr/sbin/" + program_of(row.mkfs), program});
    }
    if (!has_own_module(row)) continue;
    for (const std::string& name : needs_of_module(row.module, release)) {
      if (std::find(parts.needs.begin(), parts.needs.end(), name) == parts.needs.end()) {
        parts.needs.push_back(name);
      }
    }
    // The guest's loader of modules leaves it out of guests for other file systems.
    parts.modules.push_back({.name = module_of(row), .file = row.module, .required = true});
  }
  if (!rows.empty()) {
    parts.files.push_back({wire::kFileSystemRows, {}, rows.dump(1) + "\n", 0644});
  }
  return parts;
}

}  // namespace faultline
