// SPDX-License-Identifier: GPL-2.0-only
#include "vm/modules.h"

#include <archive.h>
#include <archive_entry.h>
#include <gtest/gtest.h>

#include <string>

#include "cell/failure.h"
#include "vm/files.h"
#include "vm/test_support.h"

namespace faultline {
namespace {
namespace fs = std::filesystem;
using Words = std::vector<std::string>;

// The names in order; "?" follows one that is not required.
std::string names_of(const std::vector<ModuleToLoad>& modules) {
  std::string text;
  for (const ModuleToLoad& module : modules) {
    text += (text.empty() ? "" : " ") + module.name + (module.required ? "" : "?");
  }
  return text;
}

// A modules folder as a package brings it: modules, what the build says of them, no index.
class ModulesFolder : public testing::Test {
 protected:
  void add(const std::string& file, const std::vector<std::string>& info,
           const std::vector<std::string>& exports = {},
           const std::vector<std::string>& imports = {}) {
    make_dirs((root() / file).parent_path());
    write_file(root() / file, fake_module(info, exports, imports));
  }
  // What the guests of this project load, as Linux 6.1 has it.
  void add_example() {
    add("kernel/drivers/nvdimm/libnvdimm.ko", {}, {"nvdimm_bus_register"});
    add("kernel/drivers/nvdimm/nd_btt.ko", {}, {"nvdimm_namespace_attach_btt"},
        {"nvdimm_bus_register"});
    add("kernel/drivers/nvdimm/nd_pmem.ko", {}, {},
        {"nvdimm_namespace_attach_btt", "nvdimm_bus_register"});
    add("kernel/drivers/nvdimm/nd_e820.ko", {}, {}, {"nvdimm_bus_register"});
    add("kernel/fs/xfs/xfs.ko", {"alias=fs-xfs"}, {}, {"crc32c"});
    add("kernel/lib/libcrc32c.ko", {"softdep=pre: crc32c"}, {"crc32c"});
    add("kernel/arch/x86/crypto/crc32c-intel.ko",
        {"alias=crc32c", "alias=crypto-crc32c", "alias=cpu:type:x86*"});
    write_file(root() / "modules.builtin", "kernel/fs/ext4/ext4.ko\nkernel/fs/jbd2/jbd2.ko\n");
  }
  std::string order_of(const std::vector<WantedModule>& wanted) {
    return names_of(load_order(root(), wanted));
  }
  std::string message_of(const std::vector<WantedModule>& wanted) {
    try {
      order_of(wanted);
    } catch (const Failure& failure) {
      EXPECT_EQ(failure.code(), ExitCode::kUsage);
      return failure.what();
    }
    return "";
  }
  [[nodiscard]] fs::path root() const { return dir_.path() / "9.9-test"; }

  TempDir dir_{fs::temp_directory_path()};
};

TEST(ModuleName, DropsFolderAndSuffix) {
  EXPECT_EQ(module_name("kernel/drivers/nvdimm/nd-pmem.ko"), "nd_pmem");
  EXPECT_EQ(module_name("xfs.ko.xz"), "xfs");
  EXPECT_EQ(module_name("xfs.ko.zst"), "xfs");
  EXPECT_EQ(module_name("xfs.ko.gz"), "xfs");
  EXPECT_EQ(module_name("crc32c-intel"), "crc32c_intel");
}

TEST_F(ModulesFolder, WhatIsNeededComesFirstAndEachOnce) {
  add_example();
  EXPECT_EQ(order_of({{"nd_pmem"}, {"nd_e820"}, {"nd_btt"}}), "libnvdimm nd_btt nd_pmem nd_e820");
}

TEST_F(ModulesFolder, SoftdepsComeFirstThroughTheirAliases) {
  add_example();
  EXPECT_EQ(order_of({{"xfs"}}), "crc32c_intel? libcrc32c xfs");
}

TEST_F(ModulesFolder, AnAliasIsAWish) {
  add_example();
  EXPECT_EQ(order_of({{"crc32c"}}), "crc32c_intel?");
}

TEST_F(ModulesFolder, GivesTheFiles) {
  add_example();
  const auto modules = load_order(root(), {{"nd-e820"}});
  ASSERT_EQ(modules.size(), 2U);
  EXPECT_EQ(modules[1].file, root() / "kernel/drivers/nvdimm/nd_e820.ko");
}

TEST_F(ModulesFolder, BuiltInOnesAreLeftOut) {
  add_example();
  EXPECT_EQ(order_of({{"ext4"}, {"jbd2"}}), "");
}

TEST_F(ModulesFolder, AnOptionalOneMayBeAbsentARequiredOneNot) {
  add_example();
  EXPECT_EQ(order_of({{"absent", true}, {"nd_btt", true}}), "libnvdimm? nd_btt?");
  const std::string message = message_of({{"absent"}});
  EXPECT_NE(message.find("kernel 9.9-test has no module absent"), std::string::npos) << message;
}

TEST_F(ModulesFolder, WhatMayBeLackingIsToldAndElseRequired) {
  add_example();
  EXPECT_EQ(order_of({{.name = "xfs", .lacking = true}}), order_of({{"xfs"}}));
  std::set<std::string> lacks;
  const std::vector<ModuleToLoad> order = load_order(
      root(), {{.name = "absent", .lacking = true}, {.name = "xfs", .lacking = true}}, &lacks);
  EXPECT_EQ(order.size(), 3U);
  EXPECT_EQ(lacks, std::set<std::string>{"absent"});
}

TEST_F(ModulesFolder, WithoutAFolderAllIsBuiltIn) {
  EXPECT_TRUE(load_order("", {{"nd_pmem"}, {"xfs"}}).empty());
}

TEST_F(ModulesFolder, AWishLaterOnMakesAllThatItNeedsRequired) {
  add_example();
  EXPECT_EQ(order_of({{"nd_pmem", true}, {"nd_btt"}}), "libnvdimm nd_btt nd_pmem?");
  EXPECT_EQ(order_of({{"nd_btt", true}, {"nd_pmem"}}), "libnvdimm nd_btt nd_pmem");
}

TEST_F(ModulesFolder, ASoftdepThatNeedsItsAskerComesAfterIt) {
  add("kernel/a.ko", {"softdep=pre: b"}, {"a"});
  add("kernel/b.ko", {}, {}, {"a"});
  EXPECT_EQ(order_of({{"a"}}), "a b?");
  EXPECT_EQ(order_of({{"b"}}), "a b");
}

TEST_F(ModulesFolder, SoftdepsOfEachOtherEnd) {
  add("kernel/a.ko", {"softdep=pre: b"});
  add("kernel/b.ko", {"softdep=pre: a"});
  EXPECT_EQ(order_of({{"a"}}), "b? a");
}

TEST_F(ModulesFolder, HardCirclesAreRefused) {
  add("kernel/a.ko", {}, {"a"}, {"b"});
  add("kernel/b.ko", {}, {"b"}, {"a"});
  EXPECT_NE(message_of({{"a"}}).find("depmod cannot index"), std::string::npos);
}

TEST_F(ModulesFolder, AFileOfTheIndexThatIsGoneIsNamed) {
  add_example();
  write_module_index(root());
  fs::remove(root() / "kernel/drivers/nvdimm/libnvdimm.ko");
  EXPECT_EQ(message_of({{"nd_btt"}}),
            "modprobe cannot tell all that module nd_btt needs: path=" +
                (root() / "kernel/drivers/nvdimm/libnvdimm.ko").string() +
                " error=No such file or directory; the modules are incomplete, install them again");
}

TEST_F(ModulesFolder, IsIndexedAsideAndLeftAsItIs) {
  add_example();
  // A stale index that is not depmod's whole one counts for nothing; the sources are not followed.
  write_file(root() / "modules.dep", "kernel/fs/xfs/xfs.ko: kernel/gone.ko\n");
  fs::create_symlink("/nonexistent", root() / "build");
  EXPECT_EQ(order_of({{"xfs"}}), "crc32c_intel? libcrc32c xfs");
  EXPECT_EQ(read_file(root() / "modules.dep"), "kernel/fs/xfs/xfs.ko: kernel/gone.ko\n");
  EXPECT_FALSE(fs::exists(root() / "modules.dep.bin"));
}

TEST_F(ModulesFolder, IsIndexedToTheSameOrder) {
  add_example();
  const std::string before = order_of({{"xfs"}, {"nd_pmem"}});
  write_module_index(root());
  EXPECT_NE(
      read_file(root() / "modules.dep").find("kernel/fs/xfs/xfs.ko: kernel/lib/libcrc32c.ko\n"),
      std::string::npos);
  EXPECT_EQ(order_of({{"xfs"}, {"nd_pmem"}}), before);
  EXPECT_EQ(before, "crc32c_intel? libcrc32c xfs libnvdimm nd_btt nd_pmem");

  // What is indexed is read from the index and not looked through again.
  add("kernel/late.ko", {});
  write_module_index(root());
  EXPECT_NE(message_of({{"late"}}).find("has no module late"), std::string::npos);
}

TEST_F(ModulesFolder, TheReleaseIsTheFoldersName) {
  add_example();
  for (const fs::path& given : {root(), root() / ""}) {
    try {
      load_order(given, {{"absent"}});
      FAIL();
    } catch (const Failure& failure) {
      EXPECT_NE(std::string(failure.what()).find("kernel 9.9-test has no"), std::string::npos)
          << failure.what();
    }
  }
}

TEST_F(ModulesFolder, MayHaveAnyNameAndBeRelative) {
  add_example();
  fs::rename(root(), dir_.path() / "my modules");
  const fs::path before = fs::current_path();
  fs::current_path(dir_.path());
  EXPECT_EQ(names_of(load_order("my modules", {{"xfs"}})), "crc32c_intel? libcrc32c xfs");
  fs::current_path(before);
}

TEST_F(ModulesFolder, WithoutModulesIsRefused) {
  EXPECT_THROW(load_order(root(), {}), Failure);
  make_dirs(root());
  EXPECT_NE(message_of({}).find("no modules in"), std::string::npos);
}

TEST_F(ModulesFolder, AModuleOfTheUsersIsOfOneKernelAndSaysWhatItNeeds) {
  add("mine/nova.ko", {"vermagic=6.6.32 SMP mod_unload ", "depends=libcrc32c,crypto-user"});
  EXPECT_EQ(needs_of_module(root() / "mine/nova.ko", "6.6.32"),
            (Words{"libcrc32c", "crypto_user"}));
  add("mine/alone.ko", {"vermagic=6.6.32 SMP", "depends="});
  EXPECT_EQ(needs_of_module(root() / "mine/alone.ko", "6.6.32"), Words{});
  EXPECT_EQ(usage_message([&] { needs_of_module(root() / "mine/nova.ko", "6.6.3"); }),
            "module " + (root() / "mine/nova.ko").string() +
                " was built for kernel 6.6.32, and this one is 6.6.3; build it against the "
                "tree of this one");
  add("mine/bare.ko", {"license=GPL"});
  EXPECT_NE(usage_message([&] {
              needs_of_module(root() / "mine/bare.ko", "6.6.32");
            }).find("was built for kernel (none: no vermagic), and this one is 6.6.32"),
            std::string::npos);
  write_file(root() / "mine/text.ko", "text");
  EXPECT_NE(usage_message([&] {
              needs_of_module(root() / "mine/text.ko", "6.6.32");
            }).find("is no kernel module"),
            std::string::npos);
}

TEST_F(ModulesFolder, AFieldOfAModuleIsItsOwn) {
  add("kernel/a.ko", {"vermagic=9.9-test SMP", "alias=b", "alias=c"});
  EXPECT_EQ(module_field(root() / "kernel/a.ko", "vermagic"), Words{"9.9-test SMP"});
  EXPECT_EQ(module_field(root() / "kernel/a.ko", "alias"), (Words{"b", "c"}));
  EXPECT_EQ(module_field(root() / "kernel/a.ko", "license"), Words{});
  for (const char* text : {"", "no module"}) {
    write_file(root() / "kernel/b.ko", text);
    EXPECT_THROW(module_field(root() / "kernel/b.ko", "alias"), Failure) << text;
  }
}

std::string compressed(const std::string& bytes, int (*filter)(archive*)) {
  std::string packed(bytes.size() + 4096, '\0');
  std::size_t used = 0;
  archive* writer = archive_write_new();
  archive_write_set_format_raw(writer);
  filter(writer);
  archive_write_set_bytes_in_last_block(writer, 1);
  archive_write_open_memory(writer, packed.data(), packed.size(), &used);
  archive_entry* entry = archive_entry_new();
  archive_entry_set_filetype(entry, AE_IFREG);
  archive_write_header(writer, entry);
  archive_write_data(writer, bytes.data(), bytes.size());
  archive_entry_free(entry);
  archive_write_close(writer);
  archive_write_free(writer);
  packed.resize(used);
  return packed;
}

TEST(ReadModule, DecompressesEveryKind) {
  const TempDir dir(fs::temp_directory_path());
  const std::string module = fake_module({"name=xfs"});
  write_file(dir.path() / "a.ko", module);
  write_file(dir.path() / "a.ko.xz", compressed(module, archive_write_add_filter_xz));
  write_file(dir.path() / "a.ko.zst", compressed(module, archive_write_add_filter_zstd));
  write_file(dir.path() / "a.ko.gz", compressed(module, archive_write_add_filter_gzip));
  for (const char* name : {"a.ko", "a.ko.xz", "a.ko.zst", "a.ko.gz"}) {
    EXPECT_EQ(read_module(dir.path() / name), module) << name;
  }
}

TEST(ReadModule, RefusesCutOrForeignFiles) {
  const TempDir dir(fs::temp_directory_path());
  const std::string packed = compressed(fake_module({"name=xfs"}), archive_write_add_filter_xz);
  write_file(dir.path() / "cut.ko.xz", packed.substr(0, packed.size() / 2));
  write_file(dir.path() / "empty.ko", "");
  write_file(dir.path() / "text.ko", "not a module");
  for (const char* name : {"cut.ko.xz", "empty.ko", "text.ko", "absent.ko"}) {
    EXPECT_THROW(read_module(dir.path() / name), Failure) << name;
  }
}

}  // namespace
}  // namespace faultline
