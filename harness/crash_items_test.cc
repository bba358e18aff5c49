// SPDX-License-Identifier: GPL-2.0-only
// Each writer finds what it has written, on any file system when it leaves out MAP_SYNC; and sees
// what is wrong with it.
#include "harness/crash_items.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>

#include "cell/cell.h"
#include "cell/crash_writer.h"
#include "cell/failure.h"

namespace faultline {
namespace {

namespace fs = std::filesystem;

class CrashItems : public testing::Test {
 protected:
  CrashItems() {
    std::string name = (fs::temp_directory_path() / "faultline-items-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw fs::filesystem_error("mkdtemp", {});
    directory_ = name;
  }
  ~CrashItems() override { fs::remove_all(directory_); }

  CrashFindings written(const std::string& writer) {
    write_items(writer, CrashPlants(kSkipSync), 3, directory_);
    CrashFindings findings = find_items(writer, directory_);
    std::sort(findings.items.begin(), findings.items.end());
    return findings;
  }
  // One byte of a file becomes another.
  void spoil(const std::string& name, off_t at) {
    const int file = open((directory_ + "/" + name).c_str(), O_RDWR | O_CLOEXEC);
    char byte = 0;
    ASSERT_EQ(pread(file, &byte, 1, at), 1);
    byte = static_cast<char>(~byte);
    ASSERT_EQ(pwrite(file, &byte, 1, at), 1);
    close(file);
  }
  void resize(const std::string& name, off_t bytes) {
    ASSERT_EQ(truncate((directory_ + "/" + name).c_str(), bytes), 0);
  }

  std::string directory_;
};

std::vector<uint64_t> all_until(uint64_t end) {
  std::vector<uint64_t> items(end);
  for (uint64_t i = 0; i < end; ++i) items[i] = i;
  return items;
}

TEST_F(CrashItems, EachFindsAllThatItHasWritten) {
  const std::vector<std::pair<std::string, uint64_t>> sizes = {
      {"threads", 48}, {"append", 24}, {"punch", 48},      {"fallocate", 24},
      {"rename", 24},  {"dirent", 24}, {"msync_range", 72}};
  for (const auto& [writer, items] : sizes) {
    const CrashFindings findings = written(writer);
    EXPECT_EQ(findings.wrong, "") << writer;
    EXPECT_EQ(findings.items, all_until(items)) << writer;
  }
  std::vector<uint64_t> truncated = all_until(48);
  truncated.push_back(1000);
  const CrashFindings findings = written("truncate");
  EXPECT_EQ(findings.wrong, "");
  EXPECT_EQ(findings.items, truncated);
}

TEST_F(CrashItems, AMissingFileIsNamed) {
  for (const char* writer : {"threads", "append", "truncate", "punch", "fallocate", "rename",
                             "reflink", "msync_range", "pmd"}) {
    EXPECT_EQ(find_items(writer, directory_).wrong, "file: No such file or directory") << writer;
  }
  EXPECT_EQ(find_items("dirent", directory_).wrong, "") << "no entry was synced yet";
}

TEST_F(CrashItems, WhatWasNeverWrittenThereIsWrong) {
  written("threads");
  spoil("file", 3 * 4096 + 8);
  EXPECT_EQ(find_items("threads", directory_).wrong,
            "page 3 of file holds what was never written there");
  written("punch");
  spoil("file", 5 * 4096);
  EXPECT_EQ(find_items("punch", directory_).wrong,
            "page 5 of file holds what was never written there");
  written("fallocate");
  spoil("file", 7 * 4096);
  EXPECT_EQ(find_items("fallocate", directory_).wrong,
            "page 7 of file was allocated and is not zero");
  written("dirent");
  spoil("entry-9", 0);
  EXPECT_EQ(find_items("dirent", directory_).wrong, "entry-9 holds what was never written there");
  written("rename");
  spoil("file", 0);
  EXPECT_EQ(find_items("rename", directory_).wrong, "file is neither the old one nor the new one");
}

TEST_F(CrashItems, ATailThatIsBackIsWrong) {
  written("truncate");
  spoil("file", 30 * 4096);
  EXPECT_EQ(find_items("truncate", directory_).wrong, "page 30 of file was cut off and is back");
  resize("file", 40 * 4096 + 1);
  EXPECT_EQ(find_items("truncate", directory_).wrong,
            "file has 163841 bytes, to which it was never set");
}

// As after a cut between two truncations: those that the size tells, and the stores.
TEST_F(CrashItems, TheSizeTellsWhichTruncationsWere) {
  written("truncate");
  resize("file", 45 * 4096);
  const CrashFindings zeroes = find_items("truncate", directory_);
  EXPECT_EQ(zeroes.wrong, "page 24 of file holds what was never written there");
  resize("file", 24 * 4096);
  const CrashFindings findings = find_items("truncate", directory_);
  EXPECT_EQ(findings.wrong, "");
  EXPECT_EQ(findings.items.size(), 48U) << "all stores and truncations, not the growth";
}

TEST_F(CrashItems, ARecordThatIsCutOffIsNotFound) {
  written("append");
  struct stat info {};
  ASSERT_EQ(stat((directory_ + "/file").c_str(), &info), 0);
  resize("file", info.st_size - 1);
  EXPECT_EQ(find_items("append", directory_).items, all_until(23));
  spoil("file", 0);
  EXPECT_EQ(find_items("append", directory_).items.size(), 22U) << "nor is one that is spoilt";
}

TEST_F(CrashItems, WhatTheFileSystemLacksIsSkipped) {
  // tmpfs clones nothing, and neither do most others: where it works there is nothing to see.
  try {
    written("reflink");
  } catch (const Failure& failure) {
    EXPECT_EQ(failure.code(), ExitCode::kSkipped) << failure.what();
  }
}

}  // namespace
}  // namespace faultline
