// SPDX-License-Identifier: GPL-2.0-only
#include "vm/packages/package.h"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

#include <array>
#include <memory>
#include <string_view>
#include <vector>

#include "cell/failure.h"
#include "vm/archive_handles.h"
#include "vm/files.h"

namespace faultline {
namespace fs = std::filesystem;

namespace {

[[noreturn]] void damaged(const fs::path& deb, std::string_view why) {
  throw Failure(ExitCode::kVmFailed,
                fmt::format("package {} is truncated or damaged ({}); nothing of it was kept, run "
                            "the command again to fetch it anew",
                            deb.filename().string(), why));
}

std::string_view error_of(archive* reader) {
  const char* text = archive_error_string(reader);
  return text != nullptr ? text : "unknown error";
}

// A package is an archive (ar) with an archive in it (tar): the outer one, which stands at its data
// member, and a buffer through which the inner one reads that member.
struct DataMember {
  archive* outer;
  std::array<char, 1 << 16> buffer;
};

la_ssize_t read_data_member(archive* inner, void* client, const void** block) {
  auto* member = static_cast<DataMember*>(client);
  *block = member->buffer.data();
  const la_ssize_t count =
      archive_read_data(member->outer, member->buffer.data(), member->buffer.size());
  if (count < 0) archive_set_error(inner, -1, "%s", archive_error_string(member->outer));
  return count;
}

// Walks the outer archive (ar) to its data member.
void find_data_member(archive* outer, const fs::path& deb) {
  bool is_package = false;
  while (true) {
    archive_entry* entry = nullptr;
    const int status = archive_read_next_header(outer, &entry);
    if (status == ARCHIVE_EOF) {
      damaged(deb, is_package ? "it has no data" : "it is not a Debian package");
    }
    if (status != ARCHIVE_OK) damaged(deb, error_of(outer));
    const char* raw_name = archive_entry_pathname(entry);
    const std::string_view name = raw_name != nullptr ? raw_name : "";
    if (name == "debian-binary") is_package = true;
    if (is_package && name.starts_with("data.tar")) return;
  }
}

void refuse_second(const fs::path& deb, const fs::path& target) {
  if (fs::symlink_status(target).type() != fs::file_type::not_found) {
    damaged(deb, fmt::format("it holds {} twice", target.filename().string()));
  }
}

void write_member(archive* inner, const fs::path& deb, const fs::path& target, unsigned mode) {
  make_dirs(target.parent_path());
  refuse_second(deb, target);
  AtomicFile file(target, mode);
  std::array<char, 1 << 16> buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  while (true) {
    const la_ssize_t count = archive_read_data(inner, buffer.data(), buffer.size());
    if (count < 0) damaged(deb, error_of(inner));
    if (count == 0) break;
    file.write({buffer.data(), static_cast<std::size_t>(count)});
  }
  file.commit(/*sync=*/false);
}

struct Link {
  std::string place;  // relative to the destination
  std::string target;
};

// Tells whether the link stays in the tree whatever else is there: its target climbs only at its
// start, no higher than the destination, and nothing above the link is itself a link.
bool stays_inside(const Link& link, const fs::path& destination) {
  fs::path above = destination;
  int depth = 0;
  for (const fs::path& component : fs::path(link.place).parent_path()) {
    above /= component;
    ++depth;
    if (fs::is_symlink(above)) return false;
  }
  if (link.target.starts_with('/')) return false;
  bool climbing = true;
  for (const fs::path& component : fs::path(link.target)) {
    if (component == "..") {
      if (!climbing || --depth < 0) return false;
    } else if (component != ".") {
      climbing = false;
    }
  }
  return true;
}

void make_link(const Link& link, const fs::path& deb, const fs::path& destination) {
  if (!stays_inside(link, destination)) {
    throw Failure(ExitCode::kVmFailed,
                  fmt::format("{} holds the link {} to {}, which leads out of its own tree; it was "
                              "refused, do not use this package",
                              deb.filename().string(), link.place, link.target));
  }
  const fs::path place = destination / link.place;
  make_dirs(place.parent_path());
  refuse_second(deb, place);
  std::error_code error;
  fs::create_symlink(link.target, place, error);
  if (error) throw_io_failure("cannot create link", place, error.value());
}

}  // namespace

std::string clean_member_path(const std::string& path, const std::string& where) {
  std::string clean;
  std::string_view rest = path;
  while (!rest.empty()) {
    const std::size_t slash = rest.find('/');
    const std::string_view component = rest.substr(0, slash);
    rest.remove_prefix(slash == std::string_view::npos ? rest.size() : slash + 1);
    if (component.empty() || component == ".") continue;
    if (component == "..") {
      throw Failure(ExitCode::kVmFailed,
                    fmt::format("{} holds the path {}, which leads out of its own tree; it was "
                                "refused, do not use this package",
                                where, path));
    }
    if (!clean.empty()) clean += '/';
    clean += component;
  }
  return clean;
}

void unpack_tar(const fs::path& archive, const fs::path& destination) {
  const ArchiveReader reader(archive_read_new());
  archive_read_support_format_tar(reader.get());
  const auto refuse = [&](struct archive* from) {
    throw Failure(ExitCode::kVmFailed,
                  fmt::format("cannot unpack into {}: {}", destination.string(), error_of(from)));
  };
  if (archive_read_open_filename(reader.get(), archive.c_str(), 1 << 16) != ARCHIVE_OK) {
    refuse(reader.get());
  }
  const ArchiveWriter writer(archive_write_disk_new());
  archive_write_disk_set_options(
      writer.get(), ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_UNLINK |
                        ARCHIVE_EXTRACT_SECURE_NODOTDOT | ARCHIVE_EXTRACT_SECURE_SYMLINKS);
  const fs::path base = fs::canonical(destination);
  while (true) {
    archive_entry* entry = nullptr;
    const int status = archive_read_next_header(reader.get(), &entry);
    if (status == ARCHIVE_EOF) return;
    if (status != ARCHIVE_OK) refuse(reader.get());
    const char* name = archive_entry_pathname(entry);
    const std::string path = clean_member_path(name != nullptr ? name : "", archive.string());
    if (path.empty()) continue;
    // A session's guest may have made devices, and programs that run as root whoever starts them.
    const bool hard_link = archive_entry_hardlink(entry) != nullptr;
    const unsigned type = archive_entry_filetype(entry);
    if (!hard_link && type != AE_IFREG && type != AE_IFDIR && type != AE_IFLNK) continue;
    archive_entry_set_perm(entry, archive_entry_perm(entry) & 0777);
    archive_entry_set_pathname(entry, (base / path).c_str());
    if (const char* hard = archive_entry_hardlink(entry); hard != nullptr) {
      archive_entry_set_hardlink(entry, (base / clean_member_path(hard, archive.string())).c_str());
    }
    if (archive_write_header(writer.get(), entry) != ARCHIVE_OK) refuse(writer.get());
    const void* block = nullptr;
    std::size_t size = 0;
    la_int64_t offset = 0;
    int read = ARCHIVE_OK;
    while ((read = archive_read_data_block(reader.get(), &block, &size, &offset)) == ARCHIVE_OK) {
      if (archive_write_data_block(writer.get(), block, size, offset) != ARCHIVE_OK) {
        refuse(writer.get());
      }
    }
    if (read != ARCHIVE_EOF) refuse(reader.get());
    if (archive_write_finish_entry(writer.get()) != ARCHIVE_OK) refuse(writer.get());
  }
}

int unpack_deb(const fs::path& deb, const fs::path& destination, const MemberFilter& filter,
               const UnpackOptions& options) {
  const ArchiveReader outer(archive_read_new());
  archive_read_support_format_ar(outer.get());
  if (archive_read_open_filename(outer.get(), deb.c_str(), 1 << 16) != ARCHIVE_OK) {
    damaged(deb, error_of(outer.get()));
  }
  find_data_member(outer.get(), deb);

  const ArchiveReader inner(archive_read_new());
  archive_read_support_format_tar(inner.get());
  support_packed(inner.get());
  const auto member = std::make_unique<DataMember>();
  member->outer = outer.get();
  if (archive_read_open(inner.get(), member.get(), nullptr, read_data_member, nullptr) !=
      ARCHIVE_OK) {
    damaged(deb, error_of(inner.get()));
  }

  std::vector<Link> links;
  int made = 0;
  while (true) {
    archive_entry* entry = nullptr;
    const int status = archive_read_next_header(inner.get(), &entry);
    if (status == ARCHIVE_EOF) break;
    if (status != ARCHIVE_OK) damaged(deb, error_of(inner.get()));
    const char* name = archive_entry_pathname(entry);
    if (name == nullptr) damaged(deb, "it has a member without a name");
    const std::string path = clean_member_path(name, deb.filename().string());
    const bool is_link = options.links && archive_entry_filetype(entry) == AE_IFLNK;
    const bool is_file =
        archive_entry_filetype(entry) == AE_IFREG && archive_entry_hardlink(entry) == nullptr;
    if (!is_link && !is_file) continue;
    const std::string place = clean_member_path(filter(path), "the member filter");
    if (place.empty()) continue;
    if (is_link) {
      const char* target = archive_entry_symlink(entry);
      if (target == nullptr) damaged(deb, "it has a link without a target");
      Link link = {place, target};
      if (options.rooted && link.target.starts_with('/')) {
        link.target = clean_member_path(link.target, deb.filename().string());
        link.target = filter(link.target);
        if (link.target.empty()) continue;
        link.target = fs::path(link.target).lexically_relative(fs::path(place).parent_path());
      }
      links.push_back(std::move(link));
      continue;
    }
    const bool executable = options.executables && (archive_entry_perm(entry) & 0111) != 0;
    write_member(inner.get(), deb, destination / place, executable ? 0755 : 0644);
    ++made;
  }
  for (const Link& link : links) make_link(link, deb, destination);
  return made + static_cast<int>(links.size());
}

}  // namespace faultline
