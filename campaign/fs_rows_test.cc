// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/fs_rows.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "cell/file_system.h"
#include "vm/files.h"
#include "vm/test_support.h"

namespace faultline {
namespace {

namespace fs = std::filesystem;

class FsRows : public testing::Test {
 protected:
  void TearDown() override { forget_added_file_systems(); }
  [[nodiscard]] std::string at(const std::string& name) const {
    return (dir_.path() / name).string();
  }
  // Writes a row of these fields beside what the others need, and adds it.
  void add(nlohmann::json row) {
    row.update({{"type", "NOVA"}, {"options", "init"}});
    write_file(at("row.json"), row.dump());
    add_fs_row(at("row.json"));
  }
  std::string refusal(const nlohmann::json& row) {
    return usage_message([&] { add(row); });
  }

  TempDir dir_{fs::temp_directory_path()};
};

TEST_F(FsRows, WithoutAnyAnImageIsAsItWas) {
  const GivenParts parts = given_parts("6.6.32");
  EXPECT_TRUE(parts.files.empty());
  EXPECT_TRUE(parts.modules.empty());
  EXPECT_TRUE(parts.needs.empty());
  EXPECT_TRUE(parts.executables.empty());
}

TEST_F(FsRows, RowModuleAndToolGoIntoTheImage) {
  write_file(at("nova.ko"), fake_module({"vermagic=6.6.32 SMP", "depends=libcrc32c"}));
  write_file(at("mkfs.nova"), "");
  fs::permissions(at("mkfs.nova"), fs::perms::owner_all);
  add({{"id", "nova"}, {"module", "nova.ko"}, {"mkfs", "./mkfs.nova -q"}, {"summary", "NOVA"}});
  const GivenParts parts = given_parts("6.6.32");
  EXPECT_EQ(parts.needs, std::vector<std::string>{"libcrc32c"});
  ASSERT_EQ(parts.modules.size(), 1U);
  EXPECT_EQ(parts.modules[0].name, "nova");
  EXPECT_TRUE(fs::equivalent(parts.modules[0].file, at("nova.ko")));
  EXPECT_TRUE(parts.modules[0].required);
  ASSERT_EQ(parts.executables.size(), 1U);
  EXPECT_EQ(parts.executables[0].path, "/usr/sbin/mkfs.nova");
  EXPECT_TRUE(fs::equivalent(parts.executables[0].source, at("mkfs.nova")));
  ASSERT_EQ(parts.files.size(), 1U);
  EXPECT_EQ(parts.files[0].path, "/etc/faultline/fs-rows.json");
  // Nothing of where it lies on this machine: the image's bytes steer the guest's time.
  EXPECT_EQ(nlohmann::json::parse(*parts.files[0].content), nlohmann::json::parse(R"([{
    "id": "nova", "summary": "NOVA", "type": "NOVA", "mkfs": "mkfs.nova -q", "options": "init",
    "options_again": null, "module": "nova", "module_parameters": "", "map": null,
    "map_sync": true}])"));
}

TEST_F(FsRows, WhatIsBuiltInOrTheKernelsOwnBringsNothingButTheRow) {
  add({{"id", "nova"}, {"module", "nova"}});
  const GivenParts parts = given_parts("6.6.32");
  EXPECT_TRUE(parts.modules.empty());
  EXPECT_TRUE(parts.executables.empty());
  EXPECT_EQ(parts.files.size(), 1U);
}

TEST_F(FsRows, WhatIsNotThereIsRefusedByFileAndField) {
  EXPECT_EQ(usage_message([&] { add_fs_row(at("none.json")); }),
            "--fs-row " + at("none.json") + ": no such file");
  const std::string row = "--fs-row " + at("row.json");
  EXPECT_EQ(refusal({{"id", "nova"}, {"mkfs", "./mkfs.nova -q"}}),
            row + ": mkfs: no file " + at("./mkfs.nova"));
  EXPECT_EQ(refusal({{"id", "nova"}, {"fsck", "./fsck.nova"}}),
            row + ": fsck: no file " + at("./fsck.nova"));
  EXPECT_EQ(refusal({{"id", "nova"}, {"module", "nova.ko"}}),
            row + ": module: no file " + at("nova.ko"));
  write_file(at("mkfs.nova"), "");
  EXPECT_EQ(refusal({{"id", "nova"}, {"mkfs", "./mkfs.nova"}}),
            row + ": mkfs: " + at("./mkfs.nova") + " is no program; chmod +x it");
  EXPECT_EQ(find_file_system("nova"), nullptr);
}

TEST_F(FsRows, ABareNameIsAProgramOfTheGuestsTools) {
  fs::create_directories(at("root/usr/sbin"));
  write_file(at("root/usr/sbin/mkfs.ext4"), "");
  const GuestRoot guest = {.root = at("root")};
  add({{"id", "one"}, {"mkfs", "mkfs.ext4 -q"}, {"fsck", nullptr}});
  check_given_tools(guest);
  add({{"id", "two"}, {"mkfs", "mkfs.ext4 -q"}, {"fsck", "fsck.two -n"}});
  EXPECT_EQ(usage_message([&] { check_given_tools(guest); }),
            "--fs-row " + at("row.json") +
                ": fsck: neither e2fsprogs nor xfsprogs has fsck.two; give the path of yours");
}

TEST_F(FsRows, AModuleOfAnotherKernelDoesNotFit) {
  write_file(at("nova.ko"), fake_module({"vermagic=6.6.32 SMP", "depends="}));
  add({{"id", "nova"}, {"module", "nova.ko"}});
  EXPECT_NE(usage_message([] {
              given_parts("6.1.0");
            }).find("was built for kernel 6.6.32, and this one is 6.1.0"),
            std::string::npos);
}

}  // namespace
}  // namespace faultline
