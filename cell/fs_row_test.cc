// SPDX-License-Identifier: GPL-2.0-only
#include "cell/fs_row.h"

#include <gtest/gtest.h>

#include "cell/file_system.h"
#include "cell/plan.h"
#include "cell/schema.h"
#include "cell/testing.h"

namespace faultline {
namespace {

using nlohmann::json;

constexpr char kNova[] = R"({
 "id": "nova", "summary": "NOVA", "type": "NOVA", "mkfs": null, "options": "init",
 "options_again": "", "fsck": null, "module": "nova.ko", "module_parameters": "measure_timing=0",
 "map": "nova_iomap_begin", "map_sync": true})";

// What is added is there for the whole process.
class FsRow : public testing::Test {
 protected:
  void TearDown() override { forget_added_file_systems(); }
  static std::string refusal(const std::string& text) {
    return message_of(ExitCode::kUsage, [&] { parse_fs_row(text, "rows/my.json"); });
  }
  // With one field of the example another.
  static std::string refusal_of(const char* field, const json& value) {
    json row = json::parse(kNova);
    row[field] = value;
    return refusal(row.dump());
  }
};

TEST_F(FsRow, IsWhatItsFileSays) {
  const FileSystemRow row = parse_fs_row(kNova, "rows/my.json");
  EXPECT_EQ(row.id, "nova");
  EXPECT_EQ(row.summary, "NOVA");
  EXPECT_EQ(row.type, "NOVA");
  EXPECT_EQ(row.mkfs, "");
  EXPECT_EQ(row.options, "init");
  ASSERT_TRUE(row.options_again);
  EXPECT_EQ(*row.options_again, "");
  EXPECT_EQ(row.fsck, "");
  EXPECT_EQ(row.module, "rows/nova.ko");
  EXPECT_EQ(row.module_parameters, "measure_timing=0");
  EXPECT_EQ(row.map, "nova_iomap_begin");
  EXPECT_TRUE(row.map_sync);
}

TEST_F(FsRow, TakesTheLeastAndPathsByItsFolder) {
  const FileSystemRow least =
      parse_fs_row(R"({"id": "my-fs", "type": "myfs", "options": ""})", "my.json");
  EXPECT_EQ(least.summary, "myfs, as --fs-row describes it");
  EXPECT_FALSE(least.options_again);
  EXPECT_EQ(least.module, "");
  EXPECT_TRUE(least.map_sync);
  const FileSystemRow row = parse_fs_row(
      R"({"id": "my-fs", "type": "myfs", "options": "dax", "mkfs": "tools/mkfs.my -q",
          "fsck": "/opt/fsck.my -n", "module": "my-fs.ko.xz", "map_sync": false})",
      "my.json");
  EXPECT_EQ(row.mkfs, "tools/mkfs.my -q");
  EXPECT_EQ(mkfs_of(row), "mkfs.my -q");
  EXPECT_EQ(program_of(row.mkfs), "mkfs.my");
  EXPECT_EQ(row.fsck, "/opt/fsck.my -n");
  EXPECT_EQ(row.module, "./my-fs.ko.xz");
  EXPECT_EQ(module_of(row), "my_fs");
  EXPECT_FALSE(row.map_sync);
  // Names of what is known are no paths.
  const FileSystemRow known = parse_fs_row(
      R"({"id": "my", "type": "ext4", "options": "dax", "mkfs": "mkfs.ext4 -q", "module": "ext4"})",
      "rows/my.json");
  EXPECT_EQ(known.mkfs, "mkfs.ext4 -q");
  EXPECT_EQ(known.module, "ext4");
}

TEST_F(FsRow, AWrongOneIsOneLineThatNamesFileAndField) {
  EXPECT_EQ(refusal("not JSON"),
            "--fs-row rows/my.json: is no JSON object; docs/own-filesystem.md shows one");
  EXPECT_EQ(refusal("[]"),
            "--fs-row rows/my.json: is no JSON object; docs/own-filesystem.md shows one");
  EXPECT_EQ(refusal(R"({"type": "NOVA", "options": ""})"),
            "--fs-row rows/my.json: id is missing: lower case letters, digits and _.+-, as --fs is "
            "to name it");
  EXPECT_EQ(refusal(R"({"id": "nova", "type": "NOVA"})"),
            "--fs-row rows/my.json: options is missing: mount options, by commas");
  EXPECT_EQ(refusal_of("option", ""),
            "--fs-row rows/my.json: its fields: nothing is called 'option'; did you mean options "
            "or options_again?");
  EXPECT_EQ(refusal_of("id", "NOVA"),
            "--fs-row rows/my.json: id takes lower case letters, digits and _.+-, as --fs is to "
            "name it, and not \"NOVA\"");
  EXPECT_EQ(refusal_of("type", nullptr),
            "--fs-row rows/my.json: type takes the type for mount(2), as /proc/filesystems has "
            "it, and not null");
  EXPECT_EQ(refusal_of("mkfs", ""),
            "--fs-row rows/my.json: mkfs takes a command line, to which the device is appended, "
            "or null, and not \"\"");
  EXPECT_EQ(refusal_of("options_again", 3),
            "--fs-row rows/my.json: options_again takes mount options, by commas, or null: the "
            "same, and not 3");
  EXPECT_EQ(refusal_of("map_sync", "yes"),
            "--fs-row rows/my.json: map_sync takes true or false, and not \"yes\"");
  EXPECT_EQ(refusal_of("map", "a b"),
            "--fs-row rows/my.json: map takes a function of the kernel's, or null, and not "
            "\"a b\"");
  EXPECT_EQ(refusal_of("module", "build/nova"),
            "--fs-row rows/my.json: module takes a module's name, FILE.ko, or null, and not "
            "\"build/nova\"");
  EXPECT_EQ(refusal_of("module", nullptr),
            "--fs-row rows/my.json: module_parameters: of no module; name it by module");
}

TEST_F(FsRow, AnIdIsNoOtherWordOfACellsName) {
  EXPECT_EQ(refusal_of("id", "ext4"),
            "--fs-row rows/my.json: id: ext4 is another file system's; give another");
  EXPECT_EQ(refusal_of("id", "hole"),
            "--fs-row rows/my.json: id: hole is a word of --state in a cell's name; give another");
  EXPECT_EQ(refusal_of("id", "t7"),
            "--fs-row rows/my.json: id: t7 is a word of --threads in a cell's name; give another");
  EXPECT_EQ(parse_fs_row(R"({"id": "t7fs", "type": "a", "options": ""})", "a").id, "t7fs");
}

TEST_F(FsRow, TheGuestReadsWhatTheHostTellsIt) {
  const json told = fs_row_for_guest(parse_fs_row(kNova, "rows/my.json"));
  EXPECT_EQ(told, json::parse(R"({
    "id": "nova", "summary": "NOVA", "type": "NOVA", "mkfs": null, "options": "init",
    "options_again": "", "module": "nova", "module_parameters": "measure_timing=0",
    "map": "nova_iomap_begin", "map_sync": true})"));
  const FileSystemRow read = parse_fs_row(told.dump(), "/etc/faultline/fs-rows.json");
  EXPECT_EQ(fs_row_for_guest(read), told);
  EXPECT_EQ(module_of(read), "nova");
}

TEST_F(FsRow, OnceAddedItIsInTablesAndPlans) {
  const std::size_t before = file_systems().size();
  EXPECT_EQ(find_file_system("nova"), nullptr);
  const FileSystem& fs = add_file_system(parse_fs_row(kNova, "rows/my.json"));
  EXPECT_EQ(file_systems().size(), before + 1);
  EXPECT_EQ(find_file_system("nova"), &fs);
  EXPECT_EQ(&file_systems().back(), &fs);
  EXPECT_STREQ(fs.type, "NOVA");
  EXPECT_STREQ(fs.mkfs, "");
  EXPECT_STREQ(fs.tool, "");
  EXPECT_STREQ(fs.module, "nova");
  EXPECT_STREQ(fs.module_parameters, "measure_timing=0");
  EXPECT_STREQ(fs.options, "init");
  EXPECT_STREQ(fs.options_of_later_mounts(), "");
  EXPECT_STREQ(fs.map, "nova_iomap_begin");
  EXPECT_STREQ(fs.check, "");
  EXPECT_TRUE(fs.dax);
  EXPECT_FALSE(fs.by_default);
  EXPECT_EQ(fs.journal, Journal::kNone);
  ASSERT_NE(fs.given, nullptr);
  EXPECT_EQ(fs.given->module, "rows/nova.ko");
  // One of the table is mounted again as it was before.
  EXPECT_STREQ(find_file_system("ext4")->options_of_later_mounts(), "dax");
  EXPECT_EQ(find_file_system("ext4")->given, nullptr);

  EXPECT_EQ(tables_json()["fs"].back()["id"], "nova");
  EXPECT_EQ(tables_json()["fs"].back()["journal"], "none");
  const auto plan = plan_cells({.patterns = {{"fs", {"nov*"}},
                                             {"strategy", {"map_sync", "fsync:8"}},
                                             {"state", {"hole", "written"}}}});
  ASSERT_EQ(plan.size(), 4U);
  EXPECT_EQ(plan[0].cell.fs, "nova");
  for (const PlannedCell& planned : plan) EXPECT_EQ(planned.skip, "");
  // Nothing that names no file system takes it.
  for (const PlannedCell& planned : plan_cells({})) EXPECT_NE(planned.cell.fs, "nova");
  EXPECT_NE(message_of(ExitCode::kUsage,
                       [] {
                         plan_cells({.patterns = {{"fs", {"novq"}}}});
                       })
                .find("did you mean nova?"),
            std::string::npos);
  // A second of that id.
  EXPECT_EQ(refusal(kNova),
            "--fs-row rows/my.json: id: nova is another file system's; give another");
}

TEST_F(FsRow, WithoutMapSyncItsCellsAreSkipped) {
  json row = json::parse(kNova);
  row["map_sync"] = false;
  add_file_system(parse_fs_row(row.dump(), "my.json"));
  const auto plan =
      plan_cells({.patterns = {{"fs", {"nova"}}, {"strategy", {"map_sync"}}, {"state", {"hole"}}}});
  ASSERT_EQ(plan.size(), 1U);
  EXPECT_EQ(plan[0].skip, "map_sync needs MAP_SYNC, which nova does not grant");
}

TEST_F(FsRow, ThereIsRoomForSome) {
  FileSystemRow row = parse_fs_row(kNova, "my.json");
  const FileSystem& first = add_file_system(row);
  for (std::size_t i = 1; i < kMostAdded; ++i) {
    row.id = "more-" + std::to_string(i);
    add_file_system(row);
  }
  EXPECT_EQ(find_file_system("nova"), &first) << "it stays where it is";
  EXPECT_STREQ(first.id, "nova");
  EXPECT_EQ(message_of(ExitCode::kUsage, [&] { add_file_system(row); }),
            "too many file systems added");
}

}  // namespace
}  // namespace faultline
