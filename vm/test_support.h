// SPDX-License-Identifier: GPL-2.0-only
// Small artificial packages, modules and kernels for the tests of this folder.
#pragma once

#include <archive.h>
#include <archive_entry.h>
#include <elf.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

namespace faultline {

struct Member {
  std::string path;
  std::string content;
  std::string link = {};  // a symbolic link to there
  unsigned mode = 0644;
};

inline std::string pack(int (*set_format)(archive*), int (*add_filter)(archive*),
                        const std::vector<Member>& members) {
  std::string bytes(8 << 20, '\0');
  std::size_t used = 0;
  archive* writer = archive_write_new();
  set_format(writer);
  add_filter(writer);
  archive_write_set_bytes_in_last_block(writer, 1);
  archive_write_open_memory(writer, bytes.data(), bytes.size(), &used);
  for (const Member& member : members) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, member.path.c_str());
    archive_entry_set_filetype(entry, member.link.empty() ? AE_IFREG : AE_IFLNK);
    archive_entry_set_perm(entry, member.mode);
    archive_entry_set_size(entry, static_cast<la_int64_t>(member.content.size()));
    if (!member.link.empty()) archive_entry_set_symlink(entry, member.link.c_str());
    archive_write_header(writer, entry);
    archive_write_data(writer, member.content.data(), member.content.size());
    archive_entry_free(entry);
  }
  archive_write_close(writer);
  archive_write_free(writer);
  bytes.resize(used);
  return bytes;
}

inline std::string deb_of(const std::vector<Member>& members,
                          int (*filter)(archive*) = archive_write_add_filter_xz) {
  const std::string data = pack(archive_write_set_format_pax_restricted, filter, members);
  return pack(archive_write_set_format_ar_svr4, archive_write_add_filter_none,
              {{"debian-binary", "2.0\n"}, {"control.tar.xz", "not read"}, {"data.tar.xz", data}});
}

// A file that is a module as far as its .modinfo goes, with these "key=value" strings.
inline std::string fake_module(const std::vector<std::string>& strings) {
  std::string info;
  for (const std::string& text : strings) info += text + '\0';
  const std::string names("\0.modinfo\0.shstrtab\0", 20);

  Elf64_Ehdr header = {};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_machine = EM_X86_64;
  header.e_type = ET_REL;
  header.e_shnum = 3;
  header.e_shstrndx = 2;
  header.e_shentsize = sizeof(Elf64_Shdr);
  header.e_shoff = sizeof(header) + info.size() + names.size();
  Elf64_Shdr sections[3] = {};
  sections[1].sh_name = 1;
  sections[1].sh_offset = sizeof(header);
  sections[1].sh_size = info.size();
  sections[2].sh_name = 10;
  sections[2].sh_offset = sizeof(header) + info.size();
  sections[2].sh_size = names.size();

  std::string bytes(reinterpret_cast<const char*>(&header), sizeof(header));
  bytes += info + names;
  bytes.append(reinterpret_cast<const char*>(sections), sizeof(sections));
  return bytes;
}

// A file that is a bzImage as far as its header goes.
inline std::string fake_bzimage(const std::string& version) {
  std::string bytes(0x4000, '\0');
  bytes[0x1fe] = '\x55';
  bytes[0x1ff] = '\xaa';
  bytes.replace(0x202, 4, "HdrS");
  bytes[0x20e] = '\x00';
  bytes[0x20f] = '\x30';
  bytes.replace(0x3200, version.size(), version);
  return bytes;
}

// A device that is always full. As root a node of our own inside `dir`, because a test of the guard
// against replacing devices must not be able to harm the machine's; empty if there can be none.
inline std::filesystem::path full_device(const std::filesystem::path& dir) {
  if (::geteuid() != 0) return "/dev/full";
  std::filesystem::path node = dir / "full";
  if (::mknod(node.c_str(), S_IFCHR | 0600, makedev(1, 7)) != 0) return {};
  return node;
}

}  // namespace faultline
