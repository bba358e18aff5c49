// SPDX-License-Identifier: GPL-2.0-only
#include "vm/modules.h"

#include <archive.h>
#include <archive_entry.h>
#include <gtest/gtest.h>

#include <string>

#include "harness/failure.h"
#include "vm/files.h"
#include "vm/test_support.h"

namespace faultline {
namespace {
namespace fs = std::filesystem;
using Words = std::vector<std::string>;

constexpr const char* kDep =
    "kernel/drivers/nvdimm/nd_pmem.ko: kernel/drivers/nvdimm/nd_btt.ko "
    "kernel/drivers/nvdimm/libnvdimm.ko\n"
    "kernel/drivers/nvdimm/nd_btt.ko: kernel/drivers/nvdimm/libnvdimm.ko\n"
    "kernel/drivers/nvdimm/libnvdimm.ko:\n"
    "kernel/drivers/nvdimm/nd_e820.ko.xz: kernel/drivers/nvdimm/libnvdimm.ko\n"
    "kernel/fs/xfs/xfs.ko: kernel/lib/libcrc32c.ko\n"
    "kernel/lib/libcrc32c.ko:\n"
    "kernel/arch/x86/crypto/crc32c-intel.ko:\n";

ModuleIndex example() {
  ModuleIndex index;
  parse_modules_dep(kDep, index);
  parse_modules_builtin("kernel/fs/ext4/ext4.ko\nkernel/fs/jbd2/jbd2.ko\n", index);
  parse_modules_softdep("# comment\nsoftdep libcrc32c pre: crc32c\n", index);
  parse_modules_alias(
      "alias crc32c crc32c_intel\nalias crypto-crc32c crc32c_intel\nalias pci:v0000* other\n",
      index);
  return index;
}

// The names in order; "?" follows one that is not required.
std::string names_of(const std::vector<ModuleToLoad>& modules) {
  std::string text;
  for (const ModuleToLoad& module : modules) {
    text += (text.empty() ? "" : " ") + module.name + (module.required ? "" : "?");
  }
  return text;
}

std::string order_of(const ModuleIndex& index, const std::vector<WantedModule>& wanted) {
  return names_of(load_order(index, "/m", wanted, "9.9-test"));
}

std::string message_of(const ModuleIndex& index, const std::vector<WantedModule>& wanted) {
  try {
    order_of(index, wanted);
  } catch (const Failure& failure) {
    EXPECT_EQ(failure.code(), ExitCode::kUsage);
    return failure.what();
  }
  return "";
}

TEST(ModuleName, DropsFolderAndSuffix) {
  EXPECT_EQ(module_name("kernel/drivers/nvdimm/nd-pmem.ko"), "nd_pmem");
  EXPECT_EQ(module_name("xfs.ko.xz"), "xfs");
  EXPECT_EQ(module_name("xfs.ko.zst"), "xfs");
  EXPECT_EQ(module_name("xfs.ko.gz"), "xfs");
  EXPECT_EQ(module_name("crc32c-intel"), "crc32c_intel");
}

TEST(LoadOrder, PutsWhatIsNeededFirstAndEachOnce) {
  EXPECT_EQ(order_of(example(), {{"nd_pmem"}, {"nd_e820"}, {"nd_btt"}}),
            "libnvdimm nd_btt nd_pmem nd_e820");
}

TEST(LoadOrder, PutsSoftdepsFirstThroughTheirAliases) {
  EXPECT_EQ(order_of(example(), {{"xfs"}}), "crc32c_intel? libcrc32c xfs");
}

TEST(LoadOrder, TakesAnAliasAsAWish) {
  EXPECT_EQ(order_of(example(), {{"crc32c"}}), "crc32c_intel?");
}

TEST(LoadOrder, GivesTheFiles) {
  const auto modules = load_order(example(), "/m", {{"nd-e820"}}, "9.9-test");
  ASSERT_EQ(modules.size(), 2U);
  EXPECT_EQ(modules[1].file, "/m/kernel/drivers/nvdimm/nd_e820.ko.xz");
}

TEST(LoadOrder, SkipsBuiltInOnes) { EXPECT_EQ(order_of(example(), {{"ext4"}, {"jbd2"}}), ""); }

TEST(LoadOrder, AnOptionalOneMayBeAbsentARequiredOneNot) {
  EXPECT_EQ(order_of(example(), {{"absent", true}, {"nd_btt", true}}), "libnvdimm? nd_btt?");
  const std::string message = message_of(example(), {{"absent"}});
  EXPECT_NE(message.find("kernel 9.9-test has no module absent"), std::string::npos) << message;
}

TEST(LoadOrder, AWishLaterOnMakesAllThatItNeedsRequired) {
  EXPECT_EQ(order_of(example(), {{"nd_pmem", true}, {"nd_btt"}}), "libnvdimm nd_btt nd_pmem?");
  EXPECT_EQ(order_of(example(), {{"nd_btt", true}, {"nd_pmem"}}), "libnvdimm nd_btt nd_pmem");
}

TEST(LoadOrder, ASoftdepThatNeedsItsAskerComesToNothing) {
  ModuleIndex index;
  parse_modules_dep("a.ko:\nb.ko: a.ko\n", index);
  parse_modules_softdep("softdep a pre: b\n", index);
  EXPECT_EQ(order_of(index, {{"a"}}), "a");
  EXPECT_EQ(order_of(index, {{"b"}}), "a b");
}

TEST(LoadOrder, SoftdepsOfEachOtherEnd) {
  ModuleIndex index;
  parse_modules_dep("a.ko:\nb.ko:\n", index);
  parse_modules_softdep("softdep a pre: b\nsoftdep b pre: a\n", index);
  EXPECT_EQ(order_of(index, {{"a"}}), "b? a");
}

TEST(LoadOrder, RefusesHardCircles) {
  ModuleIndex index;
  parse_modules_dep("a.ko: b.ko\nb.ko: a.ko\n", index);
  EXPECT_NE(message_of(index, {{"a"}}).find("in a circle"), std::string::npos);
}

TEST(LoadOrder, NamesWhatAModuleNeedsInVain) {
  ModuleIndex index;
  parse_modules_dep("a.ko: gone.ko\n", index);
  EXPECT_NE(message_of(index, {{"a"}}).find("no module gone, which a needs"), std::string::npos);
}

TEST(Softdep, TakesOnlyWhatComesBefore) {
  ModuleIndex index;
  parse_modules_dep("a.ko:\n", index);
  parse_modules_softdep("softdep a post: x pre: b c-d post: y\nsoftdep unknown pre: z\n", index);
  EXPECT_EQ(index.modules.at("a").likes, (Words{"b", "c_d"}));
}

TEST(ModuleStrings, ReadsAModulesOwnWords) {
  EXPECT_EQ(module_strings(fake_module({"name=xfs", "depends=a,b"}), "x"),
            (Words{"name=xfs", "depends=a,b"}));
}

TEST(ModuleStrings, RefusesWhatIsNoModule) {
  const std::string module = fake_module({"name=xfs"});
  EXPECT_THROW(module_strings("", "x"), Failure);
  EXPECT_THROW(module_strings("text", "x"), Failure);
  // No cut may be read over its end; the sanitizers watch.
  for (std::size_t size = 0; size < module.size(); ++size) {
    EXPECT_THROW(module_strings(module.substr(0, size), "x"), Failure) << size;
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

// What a Debian package holds: modules, and no modules.dep.
class UnindexedModules : public testing::Test {
 protected:
  void SetUp() override {
    make_dirs(root() / "kernel" / "lib");
    make_dirs(root() / "kernel" / "fs");
    write_file(root() / "kernel" / "fs" / "xfs.ko",
               fake_module({"alias=fs-xfs", "depends=libcrc32c", "name=xfs"}));
    write_file(root() / "kernel" / "lib" / "libcrc32c.ko",
               fake_module({"softdep=pre: crc32c", "depends=", "name=libcrc32c"}));
    write_file(root() / "kernel" / "lib" / "crc32c-intel.ko",
               fake_module({"alias=crc32c", "alias=cpu:type:x86*", "depends=ext4"}));
    write_file(root() / "modules.builtin", "kernel/fs/ext4.ko\n");
  }
  [[nodiscard]] fs::path root() const { return dir_.path() / "9.9-test"; }

  TempDir dir_{fs::temp_directory_path()};
};

TEST_F(UnindexedModules, AreReadThemselves) {
  EXPECT_EQ(names_of(load_order(root(), {{"xfs"}, {"ext4"}})), "crc32c_intel? libcrc32c xfs");
  EXPECT_FALSE(fs::exists(root() / "modules.dep"));
}

TEST_F(UnindexedModules, AreIndexedToTheSameOrder) {
  const auto before = names_of(load_order(root(), {{"xfs"}}));
  write_module_index(root());
  EXPECT_EQ(read_file(root() / "modules.dep"),
            "kernel/lib/crc32c-intel.ko:\nkernel/lib/libcrc32c.ko:\n"
            "kernel/fs/xfs.ko: kernel/lib/libcrc32c.ko\n");
  EXPECT_EQ(names_of(load_order(root(), {{"xfs"}})), before);
}

TEST_F(UnindexedModules, TheReleaseIsTheFoldersName) {
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

TEST(ModuleIndex, RefusesAFolderWithoutModules) {
  const TempDir dir(fs::temp_directory_path());
  EXPECT_THROW(read_module_index(dir.path()), Failure);
  EXPECT_THROW(read_module_index(dir.path() / "absent"), Failure);
}

}  // namespace
}  // namespace faultline
