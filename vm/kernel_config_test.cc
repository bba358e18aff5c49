// SPDX-License-Identifier: GPL-2.0-only
#include "vm/kernel_config.h"

#include <archive.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "vm/bzimage.h"
#include "vm/files.h"
#include "vm/own_kernel.h"
#include "vm/test_support.h"

namespace faultline {
namespace {
namespace fs = std::filesystem;

// All that the table wants of 6.1, as Debian 12's kernel has it.
constexpr const char* kWhole = R"(#
# Automatically generated file; DO NOT EDIT.
# Linux/x86 6.1.187 Kernel Configuration
#
CONFIG_64BIT=y
CONFIG_X86_64=y
CONFIG_SMP=y
CONFIG_MEMCG=y
CONFIG_HZ=250
CONFIG_BLK_DEV_INITRD=y
CONFIG_BINFMT_ELF=y
CONFIG_FUTEX=y
CONFIG_ADVISE_SYSCALLS=y
CONFIG_PRINTK=y
CONFIG_TTY=y
CONFIG_SERIAL_8250=y
CONFIG_SERIAL_8250_CONSOLE=y
CONFIG_PROC_FS=y
CONFIG_POSIX_TIMERS=y
CONFIG_SIGNALFD=y
CONFIG_EPOLL=y
CONFIG_EVENTFD=y
CONFIG_BINFMT_SCRIPT=y
CONFIG_VIRTIO_PCI=y
CONFIG_VIRTIO_BLK=y
CONFIG_SQUASHFS=y
CONFIG_NET=y
CONFIG_SYSFS=y
CONFIG_DEVTMPFS=y
CONFIG_ACPI=y
CONFIG_PCI=y
CONFIG_FW_CFG_SYSFS=m
CONFIG_X86_IOPL_IOPERM=y
CONFIG_X86_PMEM_LEGACY=m
CONFIG_LIBNVDIMM=m
CONFIG_BLK_DEV_PMEM=m
CONFIG_ZONE_DEVICE=y
CONFIG_DAX=y
CONFIG_FS_DAX=y
CONFIG_EXT4_FS=y
CONFIG_XFS_FS=m
CONFIG_TRANSPARENT_HUGEPAGE=y
CONFIG_MODULES=y
CONFIG_BPF_SYSCALL=y
CONFIG_BPF_JIT=y
CONFIG_DEBUG_INFO_BTF=y
CONFIG_PERF_EVENTS=y
CONFIG_KALLSYMS=y
CONFIG_KPROBES=y
CONFIG_BPF_EVENTS=y
CONFIG_FUNCTION_TRACER=y
CONFIG_DYNAMIC_FTRACE=y
CONFIG_CRYPTO_CRC32C_INTEL=m
CONFIG_INIT_ON_ALLOC_DEFAULT_ON=y
# CONFIG_KASAN is not set
CONFIG_LOCALVERSION=""
)";

KernelConfig whole() { return parse_config(kWhole); }

std::vector<std::string> names(const std::vector<ConfigFinding>& findings) {
  std::vector<std::string> all;
  for (const ConfigFinding& finding : findings) {
    all.push_back(std::string(id_of(finding.need)) + " " + finding.option + " " + finding.found);
  }
  return all;
}
using Names = std::vector<std::string>;

TEST(Config, IsRead) {
  const KernelConfig config =
      parse_config("# CONFIG_A is not set\nCONFIG_B=y\r\nCONFIG_HZ=250\nCONFIG_V=\"a=b\"\nCONFIG_");
  EXPECT_EQ(config, (KernelConfig{{"B", "y"}, {"HZ", "250"}, {"V", "\"a=b\""}}));
  EXPECT_EQ(release_of_config(kWhole), "6.1.187");
  EXPECT_EQ(release_of_config("# Linux/x86_64 5.10.0-rc1 Kernel Configuration\n"), "5.10.0-rc1");
  EXPECT_EQ(release_of_config("CONFIG_B=y\n"), "");
}

TEST(Config, OfDebiansKernelLacksNothing) {
  EXPECT_EQ(names(check_config(whole(), "6.1.0-56-cloud-amd64", true)), Names{});
}

TEST(Config, NamesWhatIsMissing) {
  KernelConfig config = whole();
  config.erase("X86_IOPL_IOPERM");
  config.erase("BPF_SYSCALL");
  config.erase("CRYPTO_CRC32C_INTEL");
  const auto findings = check_config(config, "6.1.192", true);
  EXPECT_EQ(names(findings), (Names{"needed X86_IOPL_IOPERM not set", "wanted BPF_SYSCALL not set",
                                    "path CRYPTO_CRC32C_INTEL not set"}));
  EXPECT_EQ(options_of(findings, ConfigNeed::kNeeded), "CONFIG_X86_IOPL_IOPERM");
  EXPECT_EQ(options_of(findings, ConfigNeed::kWanted), "CONFIG_BPF_SYSCALL");
  EXPECT_EQ(config_fragment(findings),
            (Names{"CONFIG_X86_IOPL_IOPERM=y", "CONFIG_BPF=y", "CONFIG_BPF_SYSCALL=y"}));
  EXPECT_EQ(path_notes(findings),
            (Names{"CONFIG_CRYPTO_CRC32C_INTEL is not set: checksums go without the CPU's crc32: "
                   "MAP_SYNC on a hole costs 2.4 times as much on ext4, 2.8 times on XFS"}));
}

TEST(Config, AModuleThatCannotBeHadIsMissing) {
  EXPECT_EQ(names(check_config(whole(), "6.1.192", false)),
            (Names{"needed FW_CFG_SYSFS m, and there are no modules",
                   "needed X86_PMEM_LEGACY m, and there are no modules",
                   "needed LIBNVDIMM m, and there are no modules",
                   "needed BLK_DEV_PMEM m, and there are no modules",
                   "wanted XFS_FS m, and there are no modules",
                   "path CRYPTO_CRC32C_INTEL m, and there are no modules"}));
}

TEST(Config, OfAnotherPathIsTold) {
  KernelConfig config = whole();
  config["HZ"] = "1000";
  config["KASAN"] = "y";
  config.erase("SMP");
  const auto findings = check_config(config, "6.1.192", true);
  EXPECT_EQ(names(findings), (Names{"path HZ 1000", "path SMP not set", "path KASAN y"}));
  EXPECT_EQ(path_notes(findings).at(2),
            "CONFIG_KASAN is y: each access is checked; takes an eighth of the guest's RAM");
  // None of them is put right by a line more.
  EXPECT_EQ(config_fragment(findings), Names{});
}

// The option was another one from 6.14 on, and was not yet there before 5.5.
TEST(Config, OptionsAreThoseOfTheRelease) {
  KernelConfig config = whole();
  config.erase("X86_IOPL_IOPERM");
  EXPECT_EQ(names(check_config(config, "5.4.0", true)), Names{});
  EXPECT_EQ(names(check_config(config, "5.5.0", true)), Names{"needed X86_IOPL_IOPERM not set"});
  config = whole();
  config.erase("CRYPTO_CRC32C_INTEL");
  EXPECT_EQ(names(check_config(config, "6.13.9", true)), Names{"path CRYPTO_CRC32C_INTEL not set"});
  EXPECT_EQ(names(check_config(config, "7.3.4", true)), Names{"path CRC_OPTIMIZATIONS not set"});
  config["CRC32_ARCH"] = "y";
  EXPECT_EQ(names(check_config(config, "7.3.4", true)), Names{});
}

TEST(Config, WhatAnOptionHangsOnIsInTheFragmentOnce) {
  KernelConfig config = whole();
  for (const char* option :
       {"ZONE_DEVICE", "SERIAL_8250_CONSOLE", "SERIAL_8250", "KPROBES", "MODULES"}) {
    config.erase(option);
  }
  config["MEMORY_HOTPLUG"] = "y";
  config["MIGRATION"] = "y";
  EXPECT_EQ(config_fragment(check_config(config, "6.1.192", true)),
            (Names{"CONFIG_SERIAL_8250=y", "CONFIG_SERIAL_8250_CONSOLE=y",
                   "CONFIG_MEMORY_HOTREMOVE=y", "CONFIG_SPARSEMEM_VMEMMAP=y",
                   "CONFIG_ZONE_DEVICE=y", "CONFIG_MODULES=y", "CONFIG_KPROBES=y"}));
}

TEST(Config, IsReportedInEightyColumns) {
  // Nothing is set: every row of the table is printed.
  KernelConfig config = {{"HZ", "1000"}};
  for (const ConfigRow& row : config_table()) {
    if (std::string(row.value) == "n") config[row.option] = "y";
  }
  std::istringstream lines(config_report(check_config(config, "6.1.192", true)));
  std::size_t count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    EXPECT_LE(line.size(), 80U) << line;
  }
  EXPECT_GT(count, 50U);

  config = whole();
  config.erase("XFS_FS");
  config.erase("CRYPTO_CRC32C_INTEL");
  EXPECT_EQ(config_report(check_config(config, "6.1.192", true)),
            "wanted: these go without\n"
            "  CONFIG_XFS_FS is not set: cells on XFS\n"
            "another path than on Debian's kernels: figures differ from theirs\n"
            "  CONFIG_CRYPTO_CRC32C_INTEL is not set: checksums go without the CPU's crc32:\n"
            "    MAP_SYNC on a hole costs 2.4 times as much on ext4, 2.8 times on XFS\n"
            "to append to .config, before `make olddefconfig`:\n"
            "CONFIG_XFS_FS=y\n");
  EXPECT_EQ(config_report({}), "");
}

TEST(Config, EachOptionStandsInTheTableOnce) {
  std::set<std::string> seen;
  ConfigNeed last = ConfigNeed::kNeeded;
  for (const ConfigRow& row : config_table()) {
    EXPECT_TRUE(seen.insert(row.option).second) << row.option;
    EXPECT_GE(row.need, last) << row.option << ": needed ones first, then wanted ones";
    last = row.need;
    EXPECT_NE(std::string(row.value), "") << row.option;
    EXPECT_NE(std::string(row.why), "") << row.option;
  }
}

std::string packed(int (*filter)(archive*), const std::string& bytes) {
  return pack(archive_write_set_format_raw, filter, {{"vmlinux", bytes}});
}

std::string with_ikconfig(const std::string& config) {
  return "\x7f"
         "ELF code IKCFG_ST, a word IKCFG_ST" +
         packed(archive_write_add_filter_gzip, config) + "IKCFG_ED more code";
}

TEST(EmbeddedConfig, IsFoundHoweverTheKernelIsPacked) {
  for (const auto filter : {archive_write_add_filter_gzip, archive_write_add_filter_xz,
                            archive_write_add_filter_zstd, archive_write_add_filter_bzip2}) {
    // The kernel's build appends the size.
    std::string payload = packed(filter, with_ikconfig("CONFIG_EMBEDDED=y\n"));
    if (filter != archive_write_add_filter_gzip) payload += std::string("\x40\x00\x01\x00", 4);
    const std::string image = fake_bzimage("6.9.0 (me) #1", payload);
    EXPECT_EQ(bzimage_payload(image), payload);
    EXPECT_EQ(embedded_config(image), "CONFIG_EMBEDDED=y\n");
  }
  EXPECT_EQ(embedded_config(with_ikconfig("CONFIG_MODULE=y\n")), "CONFIG_MODULE=y\n");
  EXPECT_EQ(embedded_config(fake_bzimage("6.9.0", packed(archive_write_add_filter_xz, "no"))), "");
  EXPECT_EQ(embedded_config(fake_bzimage("6.9.0")), "");
  EXPECT_EQ(embedded_config(""), "");
}

TEST(EmbeddedConfig, GoesBeforeAFileBesideTheImage) {
  const TempDir dir(fs::temp_directory_path());
  const fs::path image = dir.path() / "bzImage";
  write_file(dir.path() / "config-6.9.0", "CONFIG_BESIDE=y\n");
  write_file(image, fake_bzimage("6.9.0 (me) #1"));
  EXPECT_EQ(config_of(kernel_from_path(image, "")).text, "CONFIG_BESIDE=y\n");
  EXPECT_EQ(config_of(kernel_from_path(image, "")).where, dir.path() / "config-6.9.0");
  write_file(image, fake_bzimage("6.9.0 (me) #1", packed(archive_write_add_filter_gzip,
                                                         with_ikconfig("CONFIG_INSIDE=y\n"))));
  EXPECT_EQ(config_of(kernel_from_path(image, "")).text, "CONFIG_INSIDE=y\n");
  EXPECT_EQ(config_of(kernel_from_path(image, "")).where, image.string() + " (CONFIG_IKCONFIG)");
}

// CONFIG_IKCONFIG=m
TEST(EmbeddedConfig, MayBeAModule) {
  const TempDir dir(fs::temp_directory_path());
  const fs::path module = dir.path() / "kernel/kernel/configs.ko";
  make_dirs(module.parent_path());
  write_file(module, with_ikconfig("CONFIG_MODULE=y\n"));
  write_file(dir.path() / "bzImage", fake_bzimage("6.9.0 (me) #1"));
  write_file(dir.path() / "config", "CONFIG_BESIDE=y\n");
  FetchedKernel kernel = kernel_from_path(dir.path() / "bzImage", "");
  EXPECT_EQ(config_of(kernel).text, "CONFIG_BESIDE=y\n");
  kernel.modules_dir = dir.path();
  EXPECT_EQ(config_of(kernel).text, "CONFIG_MODULE=y\n");
  EXPECT_EQ(config_of(kernel).where, module.string());
}

TEST(ConfigPlaces, AreInOneOrder) {
  const auto places_of = [](const fs::path& vmlinuz, const fs::path& modules) {
    std::vector<std::string> found;
    for (const ConfigPlace& place : config_places(vmlinuz, "6.9.0", modules)) {
      found.push_back((place.embedded ? "in " : "") + place.file.string());
    }
    return found;
  };
  EXPECT_EQ(places_of("/k/bzImage", ""),
            (std::vector<std::string>{"in /k/bzImage", "/k/config-6.9.0", "/k/config", "/k/.config",
                                      "/boot/config-6.9.0"}));
  EXPECT_EQ(places_of("/t/arch/x86/boot/bzImage", "/m"),
            (std::vector<std::string>{
                "in /t/arch/x86/boot/bzImage", "in /m/kernel/kernel/configs.ko",
                "in /m/kernel/kernel/configs.ko.xz", "in /m/kernel/kernel/configs.ko.zst",
                "in /m/kernel/kernel/configs.ko.gz", "/t/arch/x86/boot/config-6.9.0",
                "/t/arch/x86/boot/config", "/t/arch/x86/boot/.config", "/t/.config", "/m/config",
                "/m/build/.config", "/boot/config-6.9.0"}));
}

TEST(EmbeddedConfig, MayBeNowhere) {
  const TempDir dir(fs::temp_directory_path());
  write_file(dir.path() / "bzImage", fake_bzimage("6.9.0 (me) #1"));
  EXPECT_EQ(config_of(kernel_from_path(dir.path() / "bzImage", "")).where, "");
}

}  // namespace
}  // namespace faultline
