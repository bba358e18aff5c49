// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/checked_reads.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "campaign/testing.h"
#include "cell/failure.h"

namespace faultline {
namespace {

// 16 pages of a file, and a program that reads some of it.
struct Image {
  Scratch scratch = {};
  std::filesystem::path file = scratch / "image";
  Image() { std::ofstream(file) << std::string(16 * 4096, 'x'); }
  [[nodiscard]] CheckedReads ran(const std::string& script) const {
    return check_seeing_reads({"/usr/bin/python3", "-c", script, file.string()}, file);
  }
};

TEST(CheckedReads, SeesPositionedReadsOfTheImageAlone) {
  const Image image;
  const CheckedReads seen = image.ran(
      "import os, sys\n"
      "fd = os.open(sys.argv[1], os.O_RDONLY)\n"
      "os.pread(fd, 100, 4096)\n"
      "os.pread(fd, 9999, 15 * 4096)\n"
      "other = os.open(sys.executable, os.O_RDONLY)\n"
      "os.pread(other, 50, 77)\n"
      "print('said')\n"
      "sys.exit(3)\n");
  EXPECT_EQ(seen.status, 3);
  EXPECT_EQ(seen.output, "said\n");
  EXPECT_FALSE(seen.all);
  EXPECT_EQ(seen.reads,
            (std::vector<std::pair<std::uint64_t, std::uint64_t>>{{4096, 100}, {15 * 4096, 4096}}));
}

TEST(CheckedReads, FollowsThreadsAndChildren) {
  const Image image;
  const CheckedReads seen = image.ran(
      "import os, sys, threading\n"
      "fd = os.open(sys.argv[1], os.O_RDONLY)\n"
      "one = threading.Thread(target=lambda: os.pread(fd, 1, 1))\n"
      "one.start(); one.join()\n"
      "if os.fork() == 0:\n"
      "  os.pread(fd, 2, 2)\n"
      "  os._exit(9)\n"
      "os.wait()\n");
  EXPECT_EQ(seen.status, 0) << seen.output;
  EXPECT_EQ(seen.reads, (std::vector<std::pair<std::uint64_t, std::uint64_t>>{{1, 1}, {2, 2}}));
}

TEST(CheckedReads, WhatCannotBeToldMayBeAll) {
  const Image image;
  EXPECT_TRUE(image
                  .ran("import os, sys\n"
                       "os.read(os.open(sys.argv[1], os.O_RDONLY), 10)\n")
                  .all);
  EXPECT_TRUE(image
                  .ran("import os, sys, mmap\n"
                       "mmap.mmap(os.open(sys.argv[1], os.O_RDONLY), 4096, mmap.MAP_SHARED, "
                       "mmap.PROT_READ)\n")
                  .all);
}

TEST(CheckedReads, SpeaksNoLanguageOfTheUsers) {
  const Image image;
  EXPECT_EQ(image.ran("import os; print(os.environ['LC_ALL'])").output, "C\n");
}

TEST(CheckedReads, ASignalIsAStatus) {
  const Image image;
  EXPECT_EQ(image.ran("import os; os.kill(os.getpid(), 9)").status, 137);
}

TEST(CheckedReads, AProgramThatIsNotThereIsNamed) {
  const Image image;
  EXPECT_THROW(check_seeing_reads({"no-such-program", image.file.string()}, image.file), Failure);
}

}  // namespace
}  // namespace faultline
