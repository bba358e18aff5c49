// SPDX-License-Identifier: GPL-2.0-only
#include "cell/crash_writer.h"

#include <gtest/gtest.h>

#include "cell/failure.h"
#include "cell/strategy.h"

namespace faultline {
namespace {

TEST(CrashWriters, EachSaysWhatItPromisesAndWhoSaysSo) {
  for (const CrashWriter& writer : crash_writers()) {
    EXPECT_EQ(find_crash_writer(writer.id), &writer);
    EXPECT_NE(*writer.summary, '\0') << writer.id;
    EXPECT_NE(*writer.promise, '\0') << writer.id;
    EXPECT_NE(*writer.source, '\0') << writer.id;
    const std::string strategy = writer.strategy;
    if (!strategy.empty()) {
      EXPECT_NE(find_strategy(strategy.substr(0, strategy.find(':'))), nullptr) << strategy;
    }
  }
  EXPECT_EQ(find_crash_writer(kProgramWriter), nullptr);
}

TEST(CrashWriters, AreNamedInALineOrAll) {
  const auto two = crash_writers_named("rename,append,rename");
  ASSERT_EQ(two.size(), 2U);
  EXPECT_STREQ(two[0]->id, "rename");
  EXPECT_STREQ(two[1]->id, "append");
  EXPECT_EQ(crash_writers_named("all").size(), crash_writers().size());
  try {
    crash_writers_named("pages,renam");
    FAIL() << "taken";
  } catch (const Failure& failure) {
    EXPECT_EQ(failure.code(), ExitCode::kUsage);
    EXPECT_STREQ(failure.what(), "--write: nothing is called 'renam'; did you mean rename?");
  }
}

}  // namespace
}  // namespace faultline
