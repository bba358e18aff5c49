// SPDX-License-Identifier: GPL-2.0-only
#include "cell/fs_row.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "cell/axes.h"
#include "cell/failure.h"
#include "cell/file_system.h"
#include "cell/words.h"

namespace faultline {
namespace {

constexpr std::string_view kModuleSuffix = ".ko";

bool only_of(const std::string& text, std::string_view more, bool capitals) {
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (capitals && c >= 'A' && c <= 'Z') ||
           more.find(c) != std::string_view::npos;
  });
}

bool is_id(const std::string& text) {
  return !text.empty() && only_of(text, "_.+-", false) && only_of(text.substr(0, 1), "", false);
}
bool is_type(const std::string& text) { return !text.empty() && only_of(text, "_.+-", true); }
bool is_line(const std::string& text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return c >= 0 && c < ' '; });
}
bool is_command(const std::string& text) {
  return is_line(text) && !text.empty() && text.front() != ' ';
}
bool is_function(const std::string& text) { return !text.empty() && only_of(text, "_.", true); }
bool is_module(const std::string& text) {
  return is_command(text) && text.find(' ') == std::string::npos && text.back() != '/';
}

// A field of text. One that need not be there may be null too: there is none.
struct TextField {
  const char* name;
  std::string FileSystemRow::*member;
  const char* takes;
  bool (*fits)(const std::string& text);
  bool needed = false;
};
constexpr TextField kTexts[] = {
    {.name = "id",
     .member = &FileSystemRow::id,
     .takes = "lower case letters, digits and _.+-, as --fs is to name it",
     .fits = is_id,
     .needed = true},
    {.name = "summary",
     .member = &FileSystemRow::summary,
     .takes = "a line of text",
     .fits = is_line},
    {.name = "type",
     .member = &FileSystemRow::type,
     .takes = "the type for mount(2), as /proc/filesystems has it",
     .fits = is_type,
     .needed = true},
    {.name = "mkfs",
     .member = &FileSystemRow::mkfs,
     .takes = "a command line, to which the device is appended, or null",
     .fits = is_command},
    {.name = "options",
     .member = &FileSystemRow::options,
     .takes = "mount options, by commas",
     .fits = is_line,
     .needed = true},
    {.name = "fsck",
     .member = &FileSystemRow::fsck,
     .takes = "a command line, to which an image is appended, or null",
     .fits = is_command},
    {.name = "module",
     .member = &FileSystemRow::module,
     .takes = "a module's name, FILE.ko, or null",
     .fits = is_module},
    {.name = "module_parameters",
     .member = &FileSystemRow::module_parameters,
     .takes = "parameters as for insmod",
     .fits = is_line},
    {.name = "map",
     .member = &FileSystemRow::map,
     .takes = "a function of the kernel's, or null",
     .fits = is_function}};
constexpr char kAgain[] = "options_again";
constexpr char kMapSync[] = "map_sync";

std::vector<std::string> field_names() {
  std::vector<std::string> names;
  for (const TextField& field : kTexts) names.emplace_back(field.name);
  names.insert(names.end(), {kAgain, kMapSync});
  return names;
}

[[noreturn]] void refuse(const std::string& file, const std::string& wrong) {
  throw Failure(ExitCode::kUsage, fmt::format("--fs-row {}: {}", file, wrong));
}

[[noreturn]] void refuse_value(const std::string& file, const char* field, const char* takes,
                               const nlohmann::json& value) {
  refuse(file, fmt::format("{} takes {}, and not {}", field, takes,
                           value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)));
}

std::string folder_of(const std::string& path) { return path.substr(0, path.rfind('/') + 1); }

// A line whose first word is a path, with that path by the folder of `file`.
std::string beside(const std::string& file, const std::string& line) {
  return is_path(first_word(line)) && line.front() != '/' ? folder_of(file) + line : line;
}

void check_id(const FileSystemRow& row) {
  if (find_file_system(row.id) != nullptr) {
    refuse(row.file, fmt::format("id: {} is another file system's; give another", row.id));
  }
  for (const Axis& axis : axes()) {
    for (const std::string& known : axis.known(Sources{})) {
      // In a cell's name a letter and digits are a value of the axis of that letter.
      const bool lettered = *axis.letter != '\0' && row.id.starts_with(axis.letter) &&
                            row.id.size() > 1 &&
                            row.id.find_first_not_of("0123456789", 1) == std::string::npos;
      if (row.id == known || lettered) {
        refuse(row.file, fmt::format("id: {} is a word of --{} in a cell's name; give another",
                                     row.id, axis.id));
      }
    }
  }
}

}  // namespace

bool is_path(const std::string& word) { return word.find('/') != std::string::npos; }

std::string first_word(const std::string& line) { return line.substr(0, line.find(' ')); }

std::string program_of(const std::string& line) {
  const std::string word = first_word(line);
  return word.substr(word.rfind('/') + 1);
}

std::string mkfs_of(const FileSystemRow& row) {
  return program_of(row.mkfs) + row.mkfs.substr(first_word(row.mkfs).size());
}

std::string module_of(const FileSystemRow& row) {
  std::string name = row.module.substr(row.module.rfind('/') + 1);
  name = name.substr(0, name.find(kModuleSuffix));
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

FileSystemRow parse_fs_row(const std::string& text, const std::string& file) {
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object()) refuse(file, "is no JSON object; docs/own-filesystem.md shows one");
  const std::vector<std::string> names = field_names();
  for (const auto& item : json.items()) {
    if (std::find(names.begin(), names.end(), item.key()) == names.end()) {
      refuse(file, unknown_name("its fields", item.key(), names));
    }
  }
  FileSystemRow row;
  row.file = file;
  for (const TextField& field : kTexts) {
    const auto found = json.find(field.name);
    if (found == json.end() || found->is_null()) {
      if (!field.needed) continue;
      if (found == json.end())
        refuse(file, fmt::format("{} is missing: {}", field.name, field.takes));
    }
    if (!found->is_string() || !field.fits(found->get<std::string>())) {
      refuse_value(file, field.name, field.takes, *found);
    }
    row.*field.member = found->get<std::string>();
  }
  if (const auto found = json.find(kAgain); found != json.end() && !found->is_null()) {
    if (!found->is_string() || !is_line(found->get<std::string>())) {
      refuse_value(file, kAgain, "mount options, by commas, or null: the same", *found);
    }
    row.options_again = found->get<std::string>();
  }
  if (const auto found = json.find(kMapSync); found != json.end()) {
    if (!found->is_boolean()) refuse_value(file, kMapSync, "true or false", *found);
    row.map_sync = found->get<bool>();
  }
  if (row.summary.empty()) row.summary = row.type + ", as --fs-row describes it";
  if (row.module.empty() && !row.module_parameters.empty()) {
    refuse(file, "module_parameters: of no module; name it by module");
  }
  row.mkfs = beside(file, row.mkfs);
  row.fsck = beside(file, row.fsck);
  if (row.module.find(kModuleSuffix) != std::string::npos && row.module.front() != '/') {
    row.module = folder_of(file) + row.module;
    // A path, though the file lies here.
    if (!is_path(row.module)) row.module = "./" + row.module;
  } else if (is_path(row.module) && row.module.find(kModuleSuffix) == std::string::npos) {
    refuse_value(file, "module", "a module's name, FILE.ko, or null", row.module);
  }
  check_id(row);
  return row;
}

nlohmann::json fs_row_for_guest(const FileSystemRow& row) {
  const auto or_null = [](const std::string& text) {
    return text.empty() ? nlohmann::json(nullptr) : nlohmann::json(text);
  };
  return {{"id", row.id},
          {"summary", row.summary},
          {"type", row.type},
          {"mkfs", or_null(mkfs_of(row))},
          {"options", row.options},
          {"options_again",
           row.options_again ? nlohmann::json(*row.options_again) : nlohmann::json(nullptr)},
          {"module", or_null(module_of(row))},
          {"module_parameters", row.module_parameters},
          {"map", or_null(row.map)},
          {"map_sync", row.map_sync}};
}

}  // namespace faultline
