// SPDX-License-Identifier: GPL-2.0-only
#include "vm/image.h"

#include <archive.h>
#include <archive_entry.h>
#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string_view>
#include <utility>

#include "cell/failure.h"
#include "vm/archive_handles.h"
#include "vm/command.h"
#include "vm/files.h"

namespace faultline {
namespace fs = std::filesystem;

namespace {

// One member, complete but for its inode number.
struct Node {
  unsigned type = AE_IFREG;
  unsigned mode = 0;
  std::string content = {};  // of a file; the target of a link
  unsigned major = 0;
  unsigned minor = 0;

  bool operator==(const Node&) const = default;
};

using Tree = std::map<std::string, Node>;  // by path without the leading '/'

std::string tree_path(const std::string& path) {
  const std::string clean = fs::path(path).lexically_normal().string();
  if (!path.starts_with('/') || clean == "/" || clean.ends_with('/')) {
    throw Failure(ExitCode::kUsage,
                  fmt::format("image: {} is no absolute path of a file; correct it", path));
  }
  return clean.substr(1);
}

void add(Tree& tree, const std::string& path, Node node) {
  const std::string place = tree_path(path);
  for (std::size_t slash = place.find('/'); slash != std::string::npos;
       slash = place.find('/', slash + 1)) {
    const std::string parent = place.substr(0, slash);
    const auto [entry, added] = tree.try_emplace(parent, Node{.type = AE_IFDIR, .mode = 0755});
    if (!added && entry->second.type != AE_IFDIR) {
      throw Failure(ExitCode::kUsage, fmt::format("image: /{} is wanted below /{}, which is no "
                                                  "folder; give it another path",
                                                  place, parent));
    }
  }
  const auto [entry, added] = tree.try_emplace(place, node);
  const bool both_folders = node.type == AE_IFDIR && entry->second.type == AE_IFDIR;
  if (!added && !both_folders && entry->second != node) {
    throw Failure(ExitCode::kUsage,
                  fmt::format("image: two different things want the path /{}; give one of them "
                              "another path",
                              place));
  }
}

void add_folder(Tree& tree, const std::string& path, unsigned mode = 0755) {
  add(tree, path, {.type = AE_IFDIR, .mode = mode});
}

void add_link(Tree& tree, const std::string& path, const std::string& target) {
  add(tree, path, {.type = AE_IFLNK, .mode = 0777, .content = target});
}

// The folders in which a loader looks without being told. A library that lies elsewhere is reached
// through a link in /lib.
bool is_standard_place(const fs::path& folder) {
  constexpr std::array<std::string_view, 6> kPlaces = {
      "/lib",     "/lib64",     "/lib/x86_64-linux-gnu",
      "/usr/lib", "/usr/lib64", "/usr/lib/x86_64-linux-gnu"};
  return std::find(kPlaces.begin(), kPlaces.end(), folder.string()) != kPlaces.end();
}

void add_executable(Tree& tree, const ImageExecutable& executable, const fs::path& root) {
  add(tree, executable.path, {.mode = 0755, .content = read_file(executable.source)});
  for (const Library& library : library_closure(executable.source, root)) {
    add(tree, library.file.string(), {.mode = 0755, .content = read_file(library.source)});
    // A search path such as $ORIGIN/../lib gives names with "..", which the guest may lack.
    const fs::path name = library.name.lexically_normal();
    // Relative, because a session has the image below another root.
    const auto link = [&](const fs::path& place) {
      add_link(tree, place.string(), library.file.lexically_relative(place.parent_path()).string());
    };
    if (name != library.file) link(name);
    if (!is_standard_place(name.parent_path())) link("/lib" / name.filename());
  }
}

void add_modules(Tree& tree, const std::vector<ModuleToLoad>& modules) {
  const int digits = modules.size() > 100 ? 3 : 2;
  std::string order;
  for (std::size_t i = 0; i < modules.size(); ++i) {
    const ModuleToLoad& module = modules[i];
    const std::string name = fmt::format("{:0{}}-{}.ko", i, digits, module.name);
    add(tree, "/lib/modules/" + name, {.mode = 0644, .content = read_module(module.file)});
    order += fmt::format("{} {}\n", name, module.required ? "required" : "optional");
  }
  add(tree, "/lib/modules/order", {.mode = 0644, .content = order});
}

Tree tree_of(const ImageSpec& spec) {
  Tree tree;
  for (const char* path : {"/dev", "/mnt", "/proc", "/sys"}) add_folder(tree, path);
  add_folder(tree, "/tmp", 01777);
  for (const std::string& path : spec.folders) add_folder(tree, path);
  add(tree, "/dev/console", {.type = AE_IFCHR, .mode = 0600, .major = 5, .minor = 1});
  for (const ImageDevice& device : spec.devices) {
    add(tree, device.path,
        {.type = device.block ? unsigned{AE_IFBLK} : unsigned{AE_IFCHR},
         .mode = device.mode,
         .major = device.major,
         .minor = device.minor});
  }
  for (const ImageExecutable& executable : spec.executables) {
    add_executable(tree, executable, executable.of_host ? fs::path() : spec.root);
  }
  for (const ImageFile& file : spec.files) {
    add(tree, file.path,
        {.mode = file.mode, .content = file.content ? *file.content : read_file(file.source)});
  }
  for (const ImageLink& link : spec.links) add_link(tree, link.path, link.target);
  add_modules(tree, spec.modules);
  return tree;
}

struct FreeEntry {
  void operator()(archive_entry* entry) const { archive_entry_free(entry); }
};

// Where the bytes go that libarchive writes. Libarchive is C and no exception may pass through it,
// so an exception of our own is kept here and thrown once libarchive has returned.
struct Sink {
  explicit Sink(const fs::path& out) : file(out) {}

  AtomicFile file;
  Sha256 digest;
  std::uint64_t size_bytes = 0;
  std::exception_ptr failure;
};

la_ssize_t write_to_sink(archive* /*writer*/, void* client, const void* bytes, std::size_t size) {
  auto* sink = static_cast<Sink*>(client);
  try {
    const std::string_view piece(static_cast<const char*>(bytes), size);
    sink->file.write(piece);
    sink->digest.update(piece);
    sink->size_bytes += size;
    return static_cast<la_ssize_t>(size);
  } catch (...) {
    sink->failure = std::current_exception();
    return -1;
  }
}

void check(int status, archive* writer, const Sink& sink, const fs::path& out) {
  if (sink.failure) std::rethrow_exception(sink.failure);
  if (status >= ARCHIVE_OK) return;
  const char* text = archive_error_string(writer);
  throw Failure(ExitCode::kVmFailed, fmt::format("cannot write image {}: {}", out.string(),
                                                 text != nullptr ? text : "unknown error"));
}

// Everything that could differ from build to build is set here.
void write_node(archive* writer, const std::string& path, const Node& node, unsigned inode,
                const Sink& sink, const fs::path& out) {
  const std::unique_ptr<archive_entry, FreeEntry> entry(archive_entry_new());
  archive_entry_set_pathname(entry.get(), path.c_str());
  archive_entry_set_filetype(entry.get(), node.type);
  archive_entry_set_perm(entry.get(), node.mode);
  archive_entry_set_ino64(entry.get(), inode);
  archive_entry_set_nlink(entry.get(), node.type == AE_IFDIR ? 2 : 1);
  archive_entry_set_uid(entry.get(), 0);
  archive_entry_set_gid(entry.get(), 0);
  archive_entry_set_mtime(entry.get(), 0, 0);
  archive_entry_set_devmajor(entry.get(), 0);
  archive_entry_set_devminor(entry.get(), 0);
  const bool is_file = node.type == AE_IFREG;
  archive_entry_set_size(entry.get(), is_file ? static_cast<la_int64_t>(node.content.size()) : 0);
  if (node.type == AE_IFLNK) archive_entry_set_symlink(entry.get(), node.content.c_str());
  if (node.type == AE_IFCHR || node.type == AE_IFBLK) {
    archive_entry_set_rdevmajor(entry.get(), node.major);
    archive_entry_set_rdevminor(entry.get(), node.minor);
  }
  check(archive_write_header(writer, entry.get()), writer, sink, out);
  if (is_file && !node.content.empty()) {
    const la_ssize_t count = archive_write_data(writer, node.content.data(), node.content.size());
    check(count < 0 ? ARCHIVE_FATAL : ARCHIVE_OK, writer, sink, out);
  }
}

// The loader that an ELF file asks for; empty if it asks for none.
std::string interpreter_of(const fs::path& executable) {
  const std::string bytes = read_file(executable);
  const auto no_executable = [&]() {
    return Failure(ExitCode::kUsage,
                   fmt::format("{} is no whole x86-64 executable; build it for the guest",
                               executable.string()));
  };
  Elf64_Ehdr header;
  if (bytes.size() < sizeof(header)) throw no_executable();
  std::memcpy(&header, bytes.data(), sizeof(header));
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_machine != EM_X86_64) {
    throw no_executable();
  }
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    const std::uint64_t offset = header.e_phoff + std::uint64_t{i} * sizeof(Elf64_Phdr);
    Elf64_Phdr segment;
    if (offset > bytes.size() || bytes.size() - offset < sizeof(segment)) throw no_executable();
    std::memcpy(&segment, bytes.data() + offset, sizeof(segment));
    if (segment.p_type != PT_INTERP) continue;
    if (segment.p_offset > bytes.size() || bytes.size() - segment.p_offset < segment.p_filesz) {
      throw no_executable();
    }
    const std::string path = bytes.substr(segment.p_offset, segment.p_filesz);
    return path.substr(0, path.find('\0'));
  }
  return "";
}

}  // namespace

ImageResult build_image(const ImageSpec& spec, const fs::path& out) {
  const Tree tree = tree_of(spec);
  Sink sink(out);
  {
    const ArchiveWriter writer(archive_write_new());
    archive_write_set_format_cpio_newc(writer.get());
    archive_write_add_filter_none(writer.get());
    archive_write_set_bytes_per_block(writer.get(), 1 << 16);
    archive_write_set_bytes_in_last_block(writer.get(), 1);  // no padding
    check(archive_write_open(writer.get(), &sink, nullptr, write_to_sink, nullptr), writer.get(),
          sink, out);
    unsigned inode = 0;
    for (const auto& [path, node] : tree) {
      write_node(writer.get(), path, node, ++inode, sink, out);
    }
    check(archive_write_close(writer.get()), writer.get(), sink, out);
  }
  sink.file.commit();
  return {sink.digest.hex(), sink.size_bytes};
}

std::vector<LoaderLine> parse_loader_list(const std::string& text) {
  std::vector<LoaderLine> found;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t start = line.find_first_not_of(" \t");
    if (start == std::string::npos) continue;
    line = line.substr(start);
    const std::size_t arrow = line.find(" => ");
    std::string path = arrow == std::string::npos ? line : line.substr(arrow + 4);
    const std::string name = line.substr(0, std::min(arrow, line.find(" (")));
    path = path.substr(0, path.rfind(" (0x"));
    if (path == "not found") path.clear();
    if (arrow == std::string::npos && !path.starts_with('/'))
      continue;  // the vDSO has no file, and a message is no library
    found.push_back({name, path});
  }
  return found;
}

std::vector<Library> library_closure(const fs::path& executable, const fs::path& root) {
  const std::string interpreter = interpreter_of(executable);
  if (interpreter.empty()) return {};
  const fs::path top = root.empty() ? "/" : fs::canonical(root);
  // What lies below `top`, by the name that it has for whoever has `top` as the root.
  const auto inside = [&](const fs::path& file) { return "/" / file.lexically_relative(top); };
  const fs::path libraries = top / "usr/lib/x86_64-linux-gnu";
  const fs::path loader =
      root.empty() ? fs::path(interpreter) : libraries / fs::path(interpreter).filename();
  std::vector<std::string> command = {loader.string(), "--glibc-hwcaps-mask", "none"};
  if (!root.empty()) {
    command.insert(command.end(), {"--inhibit-cache", "--library-path", libraries.string()});
  }
  command.insert(command.end(), {"--list", fs::canonical(executable).string()});
  // The guest has none of these variables, so the answer must not depend on ours.
  const CommandOutput output =
      run_command(command, {.unset_environment = {"LD_LIBRARY_PATH", "LD_PRELOAD", "LD_AUDIT",
                                                  "LD_TRACE_LOADED_OBJECTS"}});
  const auto missing = [&](const std::string& name) {
    return Failure(ExitCode::kUsage,
                   root.empty()
                       ? fmt::format("{} needs {}, which is not installed; install it, or build "
                                     "again",
                                     executable.string(), name)
                       : fmt::format("{} needs {}, which is not among the guest's libraries; build "
                                     "it for them, or add its package to vm/packages/guest_root.cc",
                                     executable.string(), name));
  };
  std::map<fs::path, Library> found;
  const auto note = [&](const fs::path& name, const fs::path& file) {
    const fs::path source = fs::canonical(file);
    // A loader that finds no library in its own folders goes on to look in this machine's.
    if (!root.empty() && inside(source).string().starts_with("/..")) {
      throw missing(name.filename().string());
    }
    found[name] = {.name = name, .file = inside(source), .source = source};
  };
  note(interpreter, loader);
  for (const LoaderLine& line : parse_loader_list(output.out)) {
    if (line.path.empty()) throw missing(line.name);
    // The loader may come under a name that the executable does not use; both must work.
    for (const std::string& name : {line.path, line.name}) {
      if (!name.starts_with('/')) continue;
      const fs::path lies = inside(fs::path(name));
      const bool below = !root.empty() && !lies.string().starts_with("/..");
      note(below ? lies : fs::path(name), line.path);
    }
  }
  if (output.status != 0) {
    throw Failure(
        ExitCode::kUsage,
        fmt::format("the loader of {} cannot load it: {}; build it for the guest: `make guest`",
                    executable.string(), output.error.substr(0, output.error.find('\n'))));
  }
  std::vector<Library> sorted;
  sorted.reserve(found.size());
  for (const auto& [name, library] : found) sorted.push_back(library);
  return sorted;
}

}  // namespace faultline
