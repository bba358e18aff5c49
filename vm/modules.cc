// SPDX-License-Identifier: GPL-2.0-only
#include "vm/modules.h"

#include <archive.h>
#include <archive_entry.h>
#include <elf.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <sstream>
#include <utility>

#include "harness/failure.h"
#include "vm/files.h"

namespace faultline {
namespace fs = std::filesystem;

namespace {

constexpr std::array<std::string_view, 4> kSuffixes = {".ko", ".ko.xz", ".ko.zst", ".ko.gz"};

bool is_module_file(std::string_view file) {
  return std::any_of(kSuffixes.begin(), kSuffixes.end(),
                     [&](std::string_view suffix) { return file.ends_with(suffix); });
}

std::vector<std::string> words_of(const std::string& text, char separator = ' ') {
  std::istringstream stream(text);
  std::vector<std::string> words;
  for (std::string word; std::getline(stream, word, separator);) {
    if (!word.empty()) words.push_back(word);
  }
  return words;
}

std::string underscored(std::string_view name) {
  std::string plain(name);
  std::replace(plain.begin(), plain.end(), '-', '_');
  return plain;
}

// Aliases with wildcards or ':' name hardware, which no softdep asks for.
bool is_plain_alias(std::string_view alias) {
  return alias.find_first_of("*?[]: ") == std::string_view::npos;
}

// The names after "pre:" up to the next "word:".
void add_softdep(const std::vector<std::string>& words, ModuleInfo& module) {
  bool before = false;
  for (const std::string& word : words) {
    if (word.ends_with(':')) {
      before = word == "pre:";
    } else if (before) {
      module.likes.push_back(underscored(word));
    }
  }
}

// A T at `offset` of `bytes`, unless it would reach over the end.
template <typename T>
std::optional<T> load_at(const std::string& bytes, std::uint64_t offset) {
  if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

std::optional<std::string_view> section_bytes(const std::string& bytes, const Elf64_Shdr& section) {
  if (section.sh_offset > bytes.size() || bytes.size() - section.sh_offset < section.sh_size) {
    return std::nullopt;
  }
  return std::string_view(bytes).substr(section.sh_offset, section.sh_size);
}

std::optional<std::string_view> find_section(const std::string& bytes, std::string_view wanted) {
  const auto header = load_at<Elf64_Ehdr>(bytes, 0);
  if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0) return std::nullopt;
  if (header->e_ident[EI_CLASS] != ELFCLASS64) return std::nullopt;
  const auto section = [&](unsigned number) {
    return load_at<Elf64_Shdr>(bytes, header->e_shoff + std::uint64_t{number} * sizeof(Elf64_Shdr));
  };
  const auto names_header = section(header->e_shstrndx);
  if (!names_header) return std::nullopt;
  const auto names = section_bytes(bytes, *names_header);
  if (!names) return std::nullopt;
  for (unsigned i = 0; i < header->e_shnum; ++i) {
    const auto candidate = section(i);
    if (!candidate || candidate->sh_name >= names->size()) return std::nullopt;
    std::string_view name = names->substr(candidate->sh_name);
    name = name.substr(0, name.find('\0'));
    if (name == wanted) return section_bytes(bytes, *candidate);
  }
  return std::nullopt;
}

struct FreeReader {
  void operator()(archive* reader) const { archive_read_free(reader); }
};

ModuleIndex scan_modules(const fs::path& modules_dir) {
  ModuleIndex index;
  std::vector<fs::path> files;
  std::error_code error;
  fs::recursive_directory_iterator entries(modules_dir, error);
  for (; !error && entries != fs::recursive_directory_iterator(); entries.increment(error)) {
    const fs::directory_entry& entry = *entries;
    std::error_code ignored;
    if (entry.is_regular_file(ignored) && is_module_file(entry.path().native())) {
      files.push_back(entry.path());
    }
  }
  if (error) throw_io_failure("cannot read folder", modules_dir, error.value());
  std::sort(files.begin(), files.end());
  for (const fs::path& file : files) {
    const std::string name = module_name(file.native());
    ModuleInfo& module = index.modules[name];
    module.file = file.lexically_relative(modules_dir).string();
    for (const std::string& text : module_strings(read_module(file), file.string())) {
      if (text.starts_with("depends=")) {
        for (const std::string& needed : words_of(text.substr(8), ',')) {
          module.needs.push_back(module_name(needed));
        }
      } else if (text.starts_with("softdep=")) {
        add_softdep(words_of(text.substr(8)), module);
      } else if (text.starts_with("alias=") && is_plain_alias(text.substr(6))) {
        index.aliases[underscored(text.substr(6))].push_back(name);
      }
    }
  }
  return index;
}

// One line per item of depmod's files, from what scan_modules() found.
std::string dep_text(const ModuleIndex& index) {
  std::string text;
  for (const auto& [name, module] : index.modules) {
    text += module.file + ":";
    for (const std::string& needed : module.needs) {
      if (const auto found = index.modules.find(needed); found != index.modules.end()) {
        text += " " + found->second.file;
      }
    }
    text += "\n";
  }
  return text;
}

// Depth first, needs and softdeps before the module itself.
class Order {
 public:
  Order(const ModuleIndex& index, fs::path modules_dir, std::string release)
      : index_(index), modules_dir_(std::move(modules_dir)), release_(std::move(release)) {}

  void add_wanted(const WantedModule& wanted) {
    const std::string name = module_name(wanted.name);
    if (index_.modules.contains(name)) {
      visit(name, !wanted.optional);
    } else if (index_.aliases.contains(name)) {
      visit_liked(name);
    } else if (!index_.built_in.contains(name) && !wanted.optional) {
      throw Failure(ExitCode::kUsage,
                    fmt::format("kernel {} has no module {} (looked in {}); choose a kernel that "
                                "has it, or check --modules",
                                release_, name, modules_dir_.string()));
    }
  }

  std::vector<ModuleToLoad> take() { return std::move(order_); }

 private:
  enum class State { kOpen, kDone };

  void visit(const std::string& name, bool required) {
    if (const auto seen = states_.find(name); seen != states_.end()) {
      if (seen->second == State::kOpen) {
        throw Failure(ExitCode::kUsage,
                      fmt::format("modules of kernel {} need each other in a circle at {}; run "
                                  "depmod on {}",
                                  release_, name, modules_dir_.string()));
      }
      if (required) require(name);
      return;
    }
    states_[name] = State::kOpen;
    const ModuleInfo& module = index_.modules.at(name);
    for (const std::string& liked : module.likes) visit_liked(liked);
    for (const std::string& needed : module.needs) {
      if (index_.modules.contains(needed)) {
        visit(needed, required);
      } else if (!index_.built_in.contains(needed)) {
        throw Failure(ExitCode::kUsage,
                      fmt::format("kernel {} has no module {}, which {} needs (looked in {}); the "
                                  "modules are incomplete, install them again",
                                  release_, needed, name, modules_dir_.string()));
      }
    }
    states_[name] = State::kDone;
    order_.push_back({name, modules_dir_ / module.file, required});
  }

  // A softdep that would put a module before something that it needs itself is left out.
  void visit_liked(const std::string& liked) {
    std::vector<std::string> names = {liked};
    if (!index_.modules.contains(liked)) {
      const auto alias = index_.aliases.find(liked);
      if (alias == index_.aliases.end()) return;
      names = alias->second;
    }
    for (const std::string& name : names) {
      std::set<std::string> checked;
      if (index_.modules.contains(name) && !waits_for_open(name, checked)) visit(name, false);
    }
  }

  bool waits_for_open(const std::string& name, std::set<std::string>& checked) const {
    const auto state = states_.find(name);
    if (state != states_.end()) return state->second == State::kOpen;
    if (!checked.insert(name).second) return false;
    const auto module = index_.modules.find(name);
    if (module == index_.modules.end()) return !index_.built_in.contains(name);
    return std::any_of(module->second.needs.begin(), module->second.needs.end(),
                       [&](const std::string& needed) { return waits_for_open(needed, checked); });
  }

  void require(const std::string& name) {
    for (ModuleToLoad& module : order_) {
      if (module.name != name || module.required) continue;
      module.required = true;
      for (const std::string& needed : index_.modules.at(name).needs) require(needed);
      return;
    }
  }

  const ModuleIndex& index_;
  fs::path modules_dir_;
  std::string release_;
  std::map<std::string, State> states_;
  std::vector<ModuleToLoad> order_;
};

std::string read_if_there(const fs::path& file) {
  std::error_code ignored;
  return fs::exists(file, ignored) ? read_file(file) : std::string();
}

void check_modules_dir(const fs::path& modules_dir) {
  std::error_code error;
  if (fs::is_directory(modules_dir, error)) return;
  throw Failure(ExitCode::kUsage, fmt::format("no modules folder {}; give the folder that the "
                                              "kernel calls /lib/modules/RELEASE",
                                              modules_dir.string()));
}

}  // namespace

std::string module_name(std::string_view file_or_name) {
  file_or_name.remove_prefix(file_or_name.find_last_of('/') + 1);
  for (const std::string_view suffix : kSuffixes) {
    if (!file_or_name.ends_with(suffix)) continue;
    file_or_name.remove_suffix(suffix.size());
    break;
  }
  return underscored(file_or_name);
}

void parse_modules_dep(const std::string& text, ModuleIndex& index) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos || line.starts_with('#')) continue;
    const std::string file = line.substr(0, colon);
    ModuleInfo& module = index.modules[module_name(file)];
    module.file = file;
    // depmod lists what is needed indirectly too, the farthest last.
    std::vector<std::string> needed = words_of(line.substr(colon + 1));
    std::reverse(needed.begin(), needed.end());
    for (const std::string& other : needed) module.needs.push_back(module_name(other));
  }
}

void parse_modules_builtin(const std::string& text, ModuleIndex& index) {
  for (const std::string& line : words_of(text, '\n')) index.built_in.insert(module_name(line));
}

void parse_modules_softdep(const std::string& text, ModuleIndex& index) {
  for (const std::string& line : words_of(text, '\n')) {
    const std::vector<std::string> words = words_of(line);
    if (words.size() < 3 || words[0] != "softdep") continue;
    const auto module = index.modules.find(module_name(words[1]));
    if (module != index.modules.end()) add_softdep(words, module->second);
  }
}

void parse_modules_alias(const std::string& text, ModuleIndex& index) {
  for (const std::string& line : words_of(text, '\n')) {
    const std::vector<std::string> words = words_of(line);
    if (words.size() != 3 || words[0] != "alias" || !is_plain_alias(words[1])) continue;
    index.aliases[underscored(words[1])].push_back(module_name(words[2]));
  }
}

std::vector<std::string> module_strings(const std::string& bytes, const std::string& where) {
  const auto section = find_section(bytes, ".modinfo");
  if (!section) {
    throw Failure(
        ExitCode::kUsage,
        fmt::format("{} is no kernel module (no .modinfo); check the modules folder", where));
  }
  return words_of(std::string(*section), '\0');
}

std::string read_module(const fs::path& file) {
  const std::unique_ptr<archive, FreeReader> reader(archive_read_new());
  archive_read_support_filter_all(reader.get());
  archive_read_support_format_raw(reader.get());
  archive_entry* entry = nullptr;
  std::string bytes;
  if (archive_read_open_filename(reader.get(), file.c_str(), 1 << 16) == ARCHIVE_OK &&
      archive_read_next_header(reader.get(), &entry) == ARCHIVE_OK) {
    std::array<char, 1 << 16> buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init)
    la_ssize_t count = 0;
    while ((count = archive_read_data(reader.get(), buffer.data(), buffer.size())) > 0) {
      bytes.append(buffer.data(), static_cast<std::size_t>(count));
    }
    if (count == 0 && bytes.starts_with(ELFMAG)) return bytes;
  }
  const char* error = archive_error_string(reader.get());
  throw Failure(ExitCode::kUsage,
                fmt::format("cannot read module {}: {}; install the kernel's modules again",
                            file.string(), error != nullptr ? error : "it is no ELF file"));
}

ModuleIndex read_module_index(const fs::path& modules_dir) {
  check_modules_dir(modules_dir);
  ModuleIndex index;
  std::error_code ignored;
  if (fs::exists(modules_dir / "modules.dep", ignored)) {
    parse_modules_dep(read_file(modules_dir / "modules.dep"), index);
    parse_modules_softdep(read_if_there(modules_dir / "modules.softdep"), index);
    parse_modules_alias(read_if_there(modules_dir / "modules.alias"), index);
  } else {
    index = scan_modules(modules_dir);
  }
  parse_modules_builtin(read_if_there(modules_dir / "modules.builtin"), index);
  if (index.modules.empty() && index.built_in.empty()) {
    throw Failure(ExitCode::kUsage,
                  fmt::format("no modules in {}; give the folder that the kernel calls "
                              "/lib/modules/RELEASE",
                              modules_dir.string()));
  }
  return index;
}

void write_module_index(const fs::path& modules_dir) {
  if (fs::exists(modules_dir / "modules.dep")) return;
  const ModuleIndex index = scan_modules(modules_dir);
  std::string softdeps;
  for (const auto& [name, module] : index.modules) {
    if (!module.likes.empty()) {
      softdeps += fmt::format("softdep {} pre: {}\n", name, fmt::join(module.likes, " "));
    }
  }
  std::string aliases;
  for (const auto& [alias, names] : index.aliases) {
    for (const std::string& name : names) aliases += fmt::format("alias {} {}\n", alias, name);
  }
  write_file(modules_dir / "modules.softdep", softdeps);
  write_file(modules_dir / "modules.alias", aliases);
  write_file(modules_dir / "modules.dep", dep_text(index));
}

std::vector<ModuleToLoad> load_order(const ModuleIndex& index, const fs::path& modules_dir,
                                     const std::vector<WantedModule>& wanted,
                                     const std::string& release) {
  Order order(index, modules_dir, release);
  for (const WantedModule& module : wanted) order.add_wanted(module);
  return order.take();
}

std::vector<ModuleToLoad> load_order(const fs::path& modules_dir,
                                     const std::vector<WantedModule>& wanted) {
  const fs::path plain = modules_dir.has_filename() ? modules_dir : modules_dir.parent_path();
  return load_order(read_module_index(plain), plain, wanted, plain.filename().string());
}

}  // namespace faultline
