// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/crash_report.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>

#include "campaign/crash_campaign.h"
#include "campaign/pmem_testing.h"
#include "campaign/testing.h"

namespace faultline {
namespace {

CrashReport a_report() {
  return {.type = "ext4",
          .kernel = "6.1.0-56-cloud-amd64 (linux-image-6.1.0-56-cloud-amd64 6.1.192-2)",
          .made = "mke2fs -q -t ext4 -O has_journal,extent,metadata_csum (1.47.0); dax=always",
          .written = "MAP_SYNC; the fault syncs, the application writes back cache lines",
          .promise = "data and size, after the store",
          .model = kModelPx86,
          .check = "e2fsck -f -n",
          .command =
              "faultline crashtest --kernel bookworm --fs ext4 --strategy map_sync --state "
              "hole --model px86 --points 20 --seed 0 --point 5 --image 2 --out point-5",
          .instant = 1234,
          .image = "point-5.img",
          .image_bytes = 512 << 20,
          .wrong = {"page 6: zeroes instead of version 1", "size 0 instead of 4096"},
          .says = {"EXT4-fs (pmem0): error loading journal"},
          .mounts = true,
          .size = 28672,
          .mtime = 5000000007,
          .lost = {{.index = 6, .version = 1}}};
}

TEST(CrashReport, IsAMailOf72Columns) {
  const std::string text = crash_report_text(a_report());
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 72U) << line;
  EXPECT_TRUE(text.starts_with("Subject: ext4: after a power cut: page 6: zeroes instead of "))
      << text;
  for (const char* part :
       {"6.1.192-2", "It mounts. What is wrong:\n  page 6: zeroes", "  size 0 instead of 4096\n",
        "The kernel says:\n  EXT4-fs (pmem0): error loading journal\n",
        "  gunzip -k point-5.img.gz; mkdir m\n  mount -t ext4 -o loop point-5.img m\n",
        "  od -A d -t x8 -j 24576 -N 4096 m/crash | head\n", "  e2fsck -f -n point-5.img\n",
        "--seed 0 --point 5 --image 2 "}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
  CrashReport unmounted = a_report();
  unmounted.mounts = false;
  EXPECT_NE(crash_report_text(unmounted).find("It does not mount."), std::string::npos);
}

// The command stands in several lines that a shell takes for one.
TEST(CrashReport, ItsCommandCanBePasted) {
  const CrashReport report = a_report();
  const std::string text = crash_report_text(report);
  std::string pasted = text.substr(text.find("  faultline crashtest"));
  for (std::size_t at = 0; (at = pasted.find("\\\n")) != std::string::npos;) pasted.erase(at, 2);
  std::istringstream words(pasted);
  std::string joined;
  for (std::string word; words >> word;) joined += (joined.empty() ? "" : " ") + word;
  EXPECT_EQ(joined, report.command);
}

TEST(CrashReport, ALongListOfOptionsIsBrokenBehindCommas) {
  CrashReport report = a_report();
  report.made = "mkfs.xfs -m";
  for (int i = 0; i < 20; ++i) report.made += fmt::format("{}option{}=1", i == 0 ? " " : ",", i);
  std::string text = crash_report_text(report);
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 72U) << line;
  for (std::size_t at = 0; (at = text.find(",\n             ")) != std::string::npos;) {
    text.erase(at + 1, 14);
  }
  EXPECT_NE(text.find(report.made.substr(report.made.find("option0"))), std::string::npos) << text;
}

TEST(CrashReport, AListIsCutShort) {
  CrashReport report = a_report();
  report.wrong.assign(20, "page 1: zeroes instead of version 1");
  EXPECT_NE(crash_report_text(report).find("  and 12 more\n"), std::string::npos);
}

TEST(CrashReport, TheScriptIsOneThatAShellReads) {
  const Scratch scratch;
  const std::string script = scratch / "point.sh";
  write_file(script, crash_report_script(a_report()));
  EXPECT_EQ(run_command({"sh", "-n", script}).status, 0);
  EXPECT_EQ(run_command({"shellcheck", script}).status, 0)
      << run_command({"shellcheck", script}).out;
  const std::string text = read_file(script);
  EXPECT_NE(text.find("mount -t ext4 -o loop point-5.img \"$m\" ||"), std::string::npos) << text;
  EXPECT_NE(text.find("[ \"$size\" -ge 28672 ]"), std::string::npos);
  EXPECT_NE(text.find("[ \"$mtime\" -ge 5000000007 ]"), std::string::npos);
  // Of page 6 with version 1, computed from cell/crash_page.h's formula by another program.
  EXPECT_NE(
      text.find("\npage 6 df2086a39124c600d5bb0a7276846ac45c13060e4019f9318304380385f6047f\n"),
      std::string::npos)
      << text;
  EXPECT_TRUE(text.ends_with("damaged'\nexit $bad\n")) << text;
}

// A script that looks at nothing of what was lost does not say that all is there.
TEST(CrashReport, TheScriptSaysWhatItCannotLookAt) {
  CrashReport report = a_report();
  report.elsewhere = {"item 3, which was promised, is not found", "it's broken"};
  const std::string text = crash_report_script(report);
  const Scratch scratch;
  const std::string end = scratch / "end.sh";
  write_file(end, "bad=0\n" + text.substr(text.find("if [ $bad -eq 0 ]")));
  const CommandOutput said = run_command({"sh", end});
  EXPECT_EQ(said.status, 77);
  EXPECT_EQ(said.out,
            "What was lost is nothing that this script looks at:\n"
            "  item 3, which was promised, is not found\n  it's broken\n");
  write_file(end, "bad=1\n" + text.substr(text.find("if [ $bad -eq 0 ]")));
  EXPECT_EQ(run_command({"sh", end}).status, 1);
  EXPECT_EQ(run_command({"shellcheck", "-s", "sh", end}).status, 0);
}

TEST(CrashReport, TheImageIsThePmem) {
  PmemImage image;
  image.apply(store(3 * 4096 + 16, 0x1122334455667788));
  const Scratch scratch;
  const std::string packed = scratch / "a.gz";
  write_packed_image(image, 5 * 4096, packed);
  ASSERT_EQ(run_command({"gunzip", packed}).status, 0);
  const std::string bytes = read_file(scratch / "a");
  ASSERT_EQ(bytes.size(), 5U * 4096);
  std::uint64_t value = 0;
  std::memcpy(&value, bytes.data() + 3 * 4096 + 16, sizeof value);
  EXPECT_EQ(value, 0x1122334455667788U);
  EXPECT_EQ(std::count(bytes.begin(), bytes.end(), '\0'), 5 * 4096 - 8);
}

}  // namespace
}  // namespace faultline
