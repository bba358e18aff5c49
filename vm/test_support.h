// SPDX-License-Identifier: GPL-2.0-only
// Small artificial packages, modules and kernels for the tests of this folder.
#pragma once

#include <archive.h>
#include <archive_entry.h>
#include <elf.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "cell/failure.h"

namespace faultline {

// The words of the Failure(kUsage) that `body` throws; empty if it throws none.
template <typename Body>
std::string usage_message(Body body) {
  try {
    body();
  } catch (const Failure& failure) {
    EXPECT_EQ(failure.code(), ExitCode::kUsage) << failure.what();
    return failure.what();
  }
  return "";
}

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

// A file that is a module as far as kmod looks: these "key=value" strings, the symbols that it
// gives to other modules, and those that it takes from them.
inline std::string fake_module(const std::vector<std::string>& strings,
                               const std::vector<std::string>& exports = {},
                               const std::vector<std::string>& imports = {}) {
  struct Section {
    std::string name;
    unsigned type;
    std::string bytes;
  };
  Section info = {".modinfo", SHT_PROGBITS, ""};
  for (const std::string& text : strings) info.bytes += text + '\0';
  Section exported = {"__ksymtab_strings", SHT_PROGBITS, ""};
  for (const std::string& name : exports) exported.bytes += name + '\0';
  Section symbols = {".symtab", SHT_SYMTAB, std::string(sizeof(Elf64_Sym), '\0')};
  Section names = {".strtab", SHT_STRTAB, std::string(1, '\0')};
  for (const std::string& name : imports) {
    Elf64_Sym symbol = {};
    symbol.st_name = static_cast<Elf64_Word>(names.bytes.size());
    symbol.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_NOTYPE);
    symbols.bytes.append(reinterpret_cast<const char*>(&symbol), sizeof(symbol));
    names.bytes += name + '\0';
  }
  const std::string section_names = std::string(1, '\0') + ".modinfo" + '\0' + "__ksymtab_strings" +
                                    '\0' + ".symtab" + '\0' + ".strtab" + '\0' + ".shstrtab" + '\0';
  const std::vector<Section> sections = {
      {"", SHT_NULL, ""}, info, exported, symbols, names, {".shstrtab", SHT_STRTAB, section_names}};
  constexpr unsigned kStrtab = 4;

  Elf64_Ehdr header = {};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_version = EV_CURRENT;
  header.e_machine = EM_X86_64;
  header.e_type = ET_REL;
  header.e_ehsize = sizeof(header);
  header.e_shnum = static_cast<Elf64_Half>(sections.size());
  header.e_shstrndx = static_cast<Elf64_Half>(sections.size() - 1);
  header.e_shentsize = sizeof(Elf64_Shdr);
  std::string content;
  std::string table;
  for (const Section& section : sections) {
    Elf64_Shdr row = {};
    if (section.type != SHT_NULL) {
      row.sh_name = static_cast<Elf64_Word>(section_names.find('\0' + section.name + '\0') + 1);
      row.sh_type = section.type;
      row.sh_offset = sizeof(header) + content.size();
      row.sh_size = section.bytes.size();
      row.sh_addralign = 1;
    }
    if (section.type == SHT_SYMTAB) {
      row.sh_link = kStrtab;
      row.sh_entsize = sizeof(Elf64_Sym);
    }
    content += section.bytes;
    table.append(reinterpret_cast<const char*>(&row), sizeof(row));
  }
  header.e_shoff = sizeof(header) + content.size();
  return std::string(reinterpret_cast<const char*>(&header), sizeof(header)) + content + table;
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

// The same with a packed kernel in it.
inline std::string fake_bzimage(const std::string& version, const std::string& payload) {
  std::string bytes = fake_bzimage(version);
  bytes[0x1f1] = 0x1f;  // with the boot sector 0x4000 bytes, all so far
  bytes[0x206] = 0x0f;
  bytes[0x207] = 0x02;
  bytes[0x248] = 0x10;
  for (unsigned i = 0; i < 4; ++i) {
    bytes[0x24c + i] = static_cast<char>(payload.size() >> (8 * i) & 0xff);
  }
  return bytes + std::string(0x10, '\0') + payload;
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
