// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/asked.h"

#include <gtest/gtest.h>

#include "campaign/testing.h"
#include "vm/files.h"

namespace faultline {
namespace {

// Of one revision, or of none that is known, there may be many builds.
TEST(AskedKey, IsOfWhatWasBuilt) {
  const Scratch scratch;
  for (const char* file : {"command", "guest", "bzImage"}) write_file(scratch / file, file);
  const AskedBuild build{.command = scratch / "command",
                         .guest = scratch / "guest",
                         .kernel = scratch / "bzImage",
                         .package = ""};
  const nlohmann::json options = {{"cell", "ext4/volatile"}, {"seeds", "1"}};
  const std::string key = asked_key(options, build);
  EXPECT_EQ(asked_key(options, build), key);
  EXPECT_NE(asked_key({{"cell", "ext4/volatile"}, {"seeds", "2"}}, build), key);
  for (const char* file : {"command", "guest", "bzImage"}) {
    write_file(scratch / file, "built again");
    EXPECT_NE(asked_key(options, build), key) << file;
    write_file(scratch / file, file);
    EXPECT_EQ(asked_key(options, build), key);
  }
  AskedBuild newer = build;
  newer.package = "6.1.192-2";
  EXPECT_NE(asked_key(options, newer), key);
}

}  // namespace
}  // namespace faultline
