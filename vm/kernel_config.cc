// SPDX-License-Identifier: GPL-2.0-only
#include "vm/kernel_config.h"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <set>
#include <sstream>
#include <utility>

#include "cell/failure.h"
#include "cell/words.h"
#include "vm/archive_handles.h"
#include "vm/bzimage.h"
#include "vm/files.h"
#include "vm/modules.h"

namespace faultline {
namespace fs = std::filesystem;
namespace {

using enum ConfigNeed;

constexpr std::size_t kColumns = 80;

// The disk of their tools (vm/packages/tools_image.cc, disk_modules()).
constexpr const char* kSessions = "sessions: shell, perf, order --fs";
constexpr const char* kScripts = "bpftrace in a session";
// 26 November 2026, 6.1.192 built with the option and without.
constexpr const char* kChecksums =
    "checksums go without the CPU's crc32: MAP_SYNC on a hole costs 2.4 times as much on ext4, 2.8 "
    "times on XFS";

// Options as Debian's kernels have them, which the kernels known by name are: CONFIG_HZ=250, no
// debugging.
constexpr ConfigRow kTable[] = {
    {.option = "X86_64",
     .value = "y",
     .why = "the guest's programs are of 64 bits",
     .with = "64BIT"},
    {.option = "BLK_DEV_INITRD",
     .value = "y",
     .why = "the guest's root file system is an initramfs"},
    {.option = "BINFMT_ELF", .value = "y", .why = "the guest's programs are ELF files"},
    {.option = "FUTEX", .value = "y", .why = "their C library waits by it"},
    {.option = "ADVISE_SYSCALLS", .value = "y", .why = "a cell chooses its pages by madvise()"},
    {.option = "PRINTK", .value = "y", .why = "a warning of the kernel's fails its cell"},
    {.option = "SERIAL_8250_CONSOLE",
     .value = "y",
     .why = "warnings and crashes are read from ttyS0",
     .with = "TTY SERIAL_8250"},
    {.option = "PROC_FS", .value = "y", .why = "the guest reads /proc/cmdline"},
    {.option = "POSIX_TIMERS", .value = "y", .why = "the cell reads its CPU time"},
    {.option = "SYSFS", .value = "y", .why = "the cell to run comes through it"},
    {.option = "DEVTMPFS", .value = "y", .why = "names /dev/pmem0"},
    // Also the device of fw_cfg is found by it (QEMU0002).
    {.option = "ACPI", .value = "y", .why = "the guest powers off at its end"},
    // The memory map's regions of pmem become resources with PCI's (arch/x86/kernel/e820.c,
    // do_mark_busy(); arch/x86/pci/i386.c, pcibios_resource_survey()); tables of ACPI need it, too.
    {.option = "PCI", .value = "y", .why = "the region of memmap= is a resource by it"},
    {.option = "FW_CFG_SYSFS", .value = "y", .why = "the cell to run comes through it"},
    {.option = "X86_IOPL_IOPERM",
     .value = "y",
     .why = "the figures leave by a port",
     .from = {5, 5}},
    {.option = "X86_PMEM_LEGACY",
     .value = "y",
     .why = "makes the region of memmap= a device",
     .with = "BLOCK BLK_DEV"},
    {.option = "LIBNVDIMM", .value = "y", .why = "the device's driver hangs on it"},
    {.option = "BLK_DEV_PMEM", .value = "y", .why = "the device, /dev/pmem0"},
    {.option = "ZONE_DEVICE",
     .value = "y",
     .why = "DAX needs struct pages of the device",
     .with = "MEMORY_HOTPLUG MEMORY_HOTREMOVE MIGRATION SPARSEMEM_VMEMMAP"},
    {.option = "DAX", .value = "y", .why = "what file systems find the device's memory by"},
    {.option = "FS_DAX", .value = "y", .why = "what is measured"},

    {.option = "EXT4_FS", .need = kWanted, .value = "y", .why = "cells on ext4"},
    {.option = "XFS_FS", .need = kWanted, .value = "y", .why = "cells on XFS"},
    {.option = "TRANSPARENT_HUGEPAGE",
     .need = kWanted,
     .value = "y",
     .why = "cells of order pmd (2 MiB)"},
    {.option = "MODULES", .need = kWanted, .value = "y", .why = "strategies of the module"},
    {.option = "BPF_SYSCALL", .need = kWanted, .value = "y", .why = "probes", .with = "BPF"},
    // libbpf tries what a kernel can do by socket filters (tools/lib/bpf/libbpf.c,
    // probe_kern_global_data()).
    {.option = "NET", .need = kWanted, .value = "y", .why = "probes"},
    {.option = "BPF_JIT", .need = kWanted, .value = "y", .why = "probes by fentry"},
    {.option = "DEBUG_INFO_BTF",
     .need = kWanted,
     .value = "y",
     .why = "probes; the build needs pahole",
     .with = "DEBUG_KERNEL DEBUG_INFO_DWARF_TOOLCHAIN_DEFAULT"},
    {.option = "PERF_EVENTS",
     .need = kWanted,
     .value = "y",
     .why = "probes, and counters of the CPU"},
    {.option = "KALLSYMS", .need = kWanted, .value = "y", .why = "probes find functions by it"},
    // depends on MODULES up to 6.9
    {.option = "KPROBES", .need = kWanted, .value = "y", .why = "probes", .with = "MODULES"},
    {.option = "BPF_EVENTS",
     .need = kWanted,
     .value = "y",
     .why = "probes on functions and tracepoints",
     .with = "KPROBE_EVENTS"},
    {.option = "FUNCTION_TRACER",
     .need = kWanted,
     .value = "y",
     .why = "probes by fentry",
     .with = "FTRACE"},
    {.option = "DYNAMIC_FTRACE", .need = kWanted, .value = "y", .why = "probes by fentry"},
    {.option = "SIGNALFD", .need = kWanted, .value = "y", .why = kSessions},
    {.option = "BINFMT_SCRIPT", .need = kWanted, .value = "y", .why = kSessions},
    {.option = "EPOLL", .need = kWanted, .value = "y", .why = kScripts},
    {.option = "EVENTFD", .need = kWanted, .value = "y", .why = kScripts},
    {.option = "VIRTIO_PCI",
     .need = kWanted,
     .value = "y",
     .why = kSessions,
     .with = "VIRTIO_MENU"},
    {.option = "VIRTIO_BLK", .need = kWanted, .value = "y", .why = kSessions},
    {.option = "SQUASHFS",
     .need = kWanted,
     .value = "y",
     .why = kSessions,
     .with = "MISC_FILESYSTEMS"},

    // The CRC of 6.14 is the library's own (lib/Kconfig, later lib/crc/Kconfig).
    {.option = "CRYPTO_CRC32C_INTEL",
     .need = kPath,
     .value = "y",
     .why = kChecksums,
     .until = {6, 14}},
    {.option = "CRC_OPTIMIZATIONS",
     .need = kPath,
     .value = "y",
     .why = kChecksums,
     .instead = "CRC32_ARCH CRYPTO_CRC32C_INTEL",
     .from = {6, 14}},
    {.option = "HZ",
     .need = kPath,
     .value = "250",
     .why = "ticks fall into the figures, 250 a second elsewhere"},
    {.option = "SMP", .need = kPath, .value = "y", .why = "locks cost less, or nothing"},
    {.option = "MEMCG",
     .need = kPath,
     .value = "y",
     .why = "page tables and inodes are charged to nobody"},
    {.option = "INIT_ON_ALLOC_DEFAULT_ON",
     .need = kPath,
     .value = "y",
     .why = "what is allocated is not zeroed first"},
    {.option = "PREEMPT_RT", .need = kPath, .value = "n", .why = "spin locks are sleeping locks"},
    {.option = "PROVE_LOCKING", .need = kPath, .value = "n", .why = "each lock is checked, dearly"},
    {.option = "DEBUG_LOCK_ALLOC", .need = kPath, .value = "n", .why = "locks carry their history"},
    {.option = "LOCK_STAT", .need = kPath, .value = "n", .why = "each lock is counted"},
    {.option = "DEBUG_ATOMIC_SLEEP",
     .need = kPath,
     .value = "n",
     .why = "each might_sleep() is checked"},
    {.option = "KASAN",
     .need = kPath,
     .value = "n",
     .why = "each access is checked; takes an eighth of the guest's RAM"},
    {.option = "KMSAN",
     .need = kPath,
     .value = "n",
     .why = "each value is traced; takes most of the guest's RAM"},
    {.option = "KCSAN",
     .need = kPath,
     .value = "n",
     .why = "accesses are checked for races, and delayed"},
    {.option = "KCOV", .need = kPath, .value = "n", .why = "each basic block is noted"},
    {.option = "GCOV_KERNEL", .need = kPath, .value = "n", .why = "each branch is counted"},
    {.option = "DEBUG_VM", .need = kPath, .value = "n", .why = "the memory's code checks itself"},
    {.option = "DEBUG_PAGEALLOC",
     .need = kPath,
     .value = "n",
     .why = "may unmap each page that is free"},
    {.option = "PAGE_TABLE_CHECK",
     .need = kPath,
     .value = "n",
     .why = "may check each entry of a page table"},
    {.option = "SLUB_DEBUG_ON",
     .need = kPath,
     .value = "n",
     .why = "each object is poisoned and checked"},
    {.option = "DEBUG_KMEMLEAK",
     .need = kPath,
     .value = "n",
     .why = "each object is noted; takes more of the guest's RAM"},
};

bool less(ConfigVersion a, ConfigVersion b) {
  return std::pair(a.major, a.minor) < std::pair(b.major, b.minor);
}

std::string value_of(const KernelConfig& config, const std::string& option) {
  const auto found = config.find(option);
  return found == config.end() ? "n" : found->second;
}

// What was found in place of what the row wants; empty if that was found.
std::string amiss(const ConfigRow& row, const KernelConfig& config, bool modules) {
  const std::string want = row.value;
  std::string found = value_of(config, row.option);
  // A number that a configuration does not hold is not known.
  if (want != "y") return found == want || found == "n" ? "" : found;
  for (const std::string& other : split_words(row.instead)) {
    if (found == "n") found = value_of(config, other);
  }
  if (found == "n") return "not set";
  return found == "m" && !modules ? "m, and there are no modules" : "";
}

std::vector<std::string> lines_for(const ConfigRow& row, const KernelConfig& config) {
  if (std::string_view(row.value) != "y" || row.need == kPath) return {};
  std::vector<std::string> lines;
  for (const std::string& other : split_words(row.with)) {
    if (value_of(config, other) == "n") lines.push_back(fmt::format("CONFIG_{}=y", other));
  }
  lines.push_back(fmt::format("CONFIG_{}=y", row.option));
  return lines;
}

// A kernel is a tenth of it.
constexpr std::size_t kMostUnpacked = std::size_t{512} << 20;

// What is packed in `bytes`, whatever packed it, as far as it can be read.
std::string unpacked(std::string_view bytes) {
  const ArchiveReader reader(archive_read_new());
  support_packed(reader.get());
  archive_read_support_filter_lzop(reader.get());
  archive_read_support_format_raw(reader.get());
  archive_entry* entry = nullptr;
  std::string out;
  if (archive_read_open_memory(reader.get(), bytes.data(), bytes.size()) != ARCHIVE_OK ||
      archive_read_next_header(reader.get(), &entry) != ARCHIVE_OK) {
    return out;
  }
  std::array<char, 1 << 16> buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  la_ssize_t count = 0;
  while ((count = archive_read_data(reader.get(), buffer.data(), buffer.size())) > 0) {
    out.append(buffer.data(), static_cast<std::size_t>(count));
    if (out.size() > kMostUnpacked) break;
  }
  return out;
}

// Between these words kernel/configs.c keeps it, gzipped.
std::string marked_config(std::string_view bytes) {
  constexpr std::string_view kBegin = "IKCFG_ST\x1f\x8b";
  constexpr std::string_view kEnd = "IKCFG_ED";
  const std::size_t begin = bytes.find(kBegin);
  const std::size_t end = begin == std::string_view::npos ? begin : bytes.find(kEnd, begin);
  if (end == std::string_view::npos) return "";
  const std::size_t from = begin + kEnd.size();
  return unpacked(bytes.substr(from, end - from));
}

// `text` in lines of `width`, all but the first behind `indent` blanks.
std::string folded(const std::string& text, std::size_t indent) {
  std::string out;
  std::size_t used = indent;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    if (used > indent && used + 1 + word.size() > kColumns) {
      out += '\n' + std::string(indent, ' ');
      used = indent;
    } else if (used > indent) {
      out += ' ';
      ++used;
    }
    out += word;
    used += word.size();
  }
  return out;
}

}  // namespace

std::span<const ConfigRow> config_table() { return kTable; }

KernelConfig parse_config(std::string_view text) {
  constexpr std::string_view kPrefix = "CONFIG_";
  KernelConfig config;
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    const std::size_t equals = line.find('=');
    if (!line.starts_with(kPrefix) || equals == std::string::npos) continue;
    config[line.substr(kPrefix.size(), equals - kPrefix.size())] = line.substr(equals + 1);
  }
  return config;
}

std::string release_of_config(std::string_view text) {
  std::istringstream lines{std::string(text.substr(0, 1 << 12))};
  for (std::string line; std::getline(lines, line);) {
    const std::size_t end = line.find(" Kernel Configuration");
    const std::size_t begin = line.find("# Linux/");
    if (begin != 0 || end == std::string::npos) continue;
    return line.substr(line.rfind(' ', end - 1) + 1, end - line.rfind(' ', end - 1) - 1);
  }
  return "";
}

std::vector<ConfigFinding> check_config(const KernelConfig& config, const std::string& release,
                                        bool modules) {
  ConfigVersion version;
  const bool known = std::sscanf(release.c_str(), "%d.%d", &version.major, &version.minor) == 2;
  std::vector<ConfigFinding> findings;
  for (const ConfigRow& row : kTable) {
    if (known && less(version, row.from)) continue;
    if (row.until.major != 0 && (!known || !less(version, row.until))) continue;
    const std::string found = amiss(row, config, modules);
    if (found.empty()) continue;
    findings.push_back({.option = row.option,
                        .need = row.need,
                        .found = found,
                        .why = row.why,
                        .lines = lines_for(row, config)});
  }
  return findings;
}

std::string options_of(const std::vector<ConfigFinding>& findings, ConfigNeed need) {
  std::vector<std::string> names;
  for (const ConfigFinding& finding : findings) {
    if (finding.need == need) names.push_back("CONFIG_" + finding.option);
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

std::vector<std::string> config_fragment(const std::vector<ConfigFinding>& findings) {
  std::vector<std::string> all;
  for (const ConfigFinding& finding : findings) {
    for (const std::string& line : finding.lines) {
      if (std::find(all.begin(), all.end(), line) == all.end()) all.push_back(line);
    }
  }
  return all;
}

std::vector<std::string> path_notes(const std::vector<ConfigFinding>& findings) {
  std::vector<std::string> notes;
  for (const ConfigFinding& finding : findings) {
    if (finding.need != kPath) continue;
    notes.push_back(fmt::format("CONFIG_{} is {}: {}", finding.option, finding.found, finding.why));
  }
  return notes;
}

std::string config_report(const std::vector<ConfigFinding>& findings) {
  constexpr std::size_t kIndent = 4;
  std::string out;
  const auto part = [&](ConfigNeed need, const std::string& title) {
    bool begun = false;
    for (const ConfigFinding& finding : findings) {
      if (finding.need != need) continue;
      if (!begun) out += title + '\n';
      begun = true;
      out += "  " +
             folded(fmt::format("CONFIG_{} is {}: {}", finding.option, finding.found, finding.why),
                    kIndent) +
             '\n';
    }
  };
  part(kNeeded, "needed: no guest can run");
  part(kWanted, "wanted: these go without");
  part(kPath, "another path than on Debian's kernels: figures differ from theirs");
  const std::vector<std::string> lines = config_fragment(findings);
  if (!lines.empty()) {
    out += fmt::format("to append to .config, before `make olddefconfig`:\n{}\n",
                       fmt::join(lines, "\n"));
  }
  return out;
}

std::string embedded_config(std::string_view bytes) {
  if (bytes.starts_with("\x7f"
                        "ELF"))
    return marked_config(bytes);
  std::string_view payload = bzimage_payload(bytes);
  // The kernel's build appends the size where the format does not end in it; libarchive gives
  // nothing of the last piece then (scripts/Makefile.lib, size_append).
  if (!payload.starts_with("\x1f\x8b") && payload.size() > 4) payload.remove_suffix(4);
  return marked_config(unpacked(payload));
}

std::vector<ConfigPlace> config_places(const fs::path& vmlinuz, const std::string& release,
                                       const fs::path& modules_dir) {
  std::vector<ConfigPlace> places = {{.file = vmlinuz, .embedded = true}};
  // CONFIG_IKCONFIG=m
  for (const char* suffix : {"", ".xz", ".zst", ".gz"}) {
    if (modules_dir.empty()) break;
    places.push_back({.file = modules_dir / fmt::format("kernel/kernel/configs.ko{}", suffix),
                      .embedded = true});
  }
  const fs::path beside = vmlinuz.parent_path();
  for (const std::string& name :
       {"config-" + release, std::string("config"), std::string(".config")}) {
    places.push_back({.file = beside / name});
  }
  const fs::path in_tree = fs::absolute(vmlinuz).lexically_normal().parent_path();
  if (in_tree.string().ends_with("/arch/x86/boot")) {
    places.push_back({.file = in_tree.parent_path().parent_path().parent_path() / ".config"});
  }
  if (!modules_dir.empty()) {
    places.push_back({.file = modules_dir / "config"});
    places.push_back({.file = modules_dir / "build" / ".config"});
  }
  places.push_back({.file = "/boot/config-" + release});
  return places;
}

FoundConfig config_of(const FetchedKernel& kernel) {
  std::error_code ignored;
  for (const ConfigPlace& place :
       config_places(kernel.vmlinuz, kernel.release, kernel.modules_dir)) {
    const bool image = place.file == kernel.vmlinuz;
    if (!place.embedded || (!image && !fs::is_regular_file(place.file, ignored))) continue;
    FoundConfig found{
        .text = embedded_config(image ? read_file(place.file) : read_module(place.file)),
        .where = place.file.string() + (image ? " (CONFIG_IKCONFIG)" : "")};
    if (!found.text.empty()) return found;
  }
  if (kernel.config.empty()) return {};
  return {.text = read_file(kernel.config), .where = kernel.config.string()};
}

}  // namespace faultline
