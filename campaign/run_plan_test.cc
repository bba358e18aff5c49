// SPDX-License-Identifier: GPL-2.0-only
#include <gtest/gtest.h>

#include "campaign/run_campaign.h"
#include "cell/file_system.h"
#include "vm/kernel_config.h"

namespace faultline {
namespace {

TEST(RunPlan, TakesAsLongAsItsLivesAndBootsOverTheWorkers) {
  EXPECT_DOUBLE_EQ(about_seconds(50, 2, 2), 33);
  EXPECT_DOUBLE_EQ(about_seconds(450, 0, 1), 450);
  EXPECT_DOUBLE_EQ(about_seconds(0, 0, 0), 0);
}

TEST(RunPlan, IsToldInALineAndALinePerReason) {
  EXPECT_EQ(plan_text({.cells = 12,
                       .lives = 120,
                       .boots = 2,
                       .workers = 2,
                       .skipped = {{"b", 3}, {"a", 1}},
                       .seconds = 35}),
            "12 cells, 120 lives; at most 2 boots; 2 side by side: about 0:35\nskipped 1: a\n"
            "skipped 3: b\n");
  EXPECT_EQ(plan_text({.cells = 1, .lives = 1, .boots = 1, .workers = 1, .seconds = 8}),
            "1 cell, 1 life; at most 1 boot; 1 side by side: about 0:08\n");
}

// A file system without a row is one whose absence `kernels check` passes over.
TEST(Config, KnowsTheOptionOfEachFileSystemByDefault) {
  for (const FileSystem& fs : file_systems()) {
    if (!fs.by_default) continue;
    std::string option = fs.module;
    for (char& c : option) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    bool known = false;
    for (const ConfigRow& row : config_table()) known |= option + "_FS" == row.option;
    EXPECT_TRUE(known) << option;
  }
}

}  // namespace
}  // namespace faultline
