// SPDX-License-Identifier: GPL-2.0-only
#include "vm/cache/entry.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <fstream>
#include <string>

#include "vm/test_support.h"

namespace faultline {
namespace {
namespace fs = std::filesystem;
using nlohmann::json;

// Entries whose value is the text of one file.
class CacheEntryTest : public testing::Test {
 protected:
  [[nodiscard]] fs::path cache() const { return dir_.path() / "cache"; }
  [[nodiscard]] CacheEntry entry(const json& from = json::object()) const {
    return {cache(), {.kind = "things", .name = "one", .from = from}};
  }
  static std::optional<std::string> load(const CacheEntry& entry, const json& stamp) {
    const std::string text = read_file(entry.folder() / "text");
    if (text.size() != stamp.at("bytes").get<std::size_t>()) return std::nullopt;
    return text;
  }
  // What a maker does: two files, and the facts of its stamp.
  static json fill(const CacheEntry::Making& making, const std::string& text) {
    write_file(making.folder / "text", text);
    return {{"bytes", text.size()}};
  }
  CacheEntry::Obtained<std::string> obtain(
      const CacheEntry& entry,
      const std::function<std::optional<json>(const CacheEntry::Making&)>& make,
      bool refresh = false) {
    return entry.obtain<std::string>({.load = [&](const json& stamp) { return load(entry, stamp); },
                                      .make = make,
                                      .refresh = refresh});
  }
  CacheEntry::Obtained<std::string> obtain(const CacheEntry& entry, const std::string& text,
                                           bool refresh = false) {
    return obtain(
        entry,
        [&](const CacheEntry::Making& making) {
          again_ = making.again;
          return fill(making, text);
        },
        refresh);
  }
  static std::optional<std::string> find(const CacheEntry& entry) {
    return entry.find<std::string>([&](const json& stamp) { return load(entry, stamp); });
  }

  TempDir dir_{fs::temp_directory_path()};
  bool again_ = false;
};

TEST_F(CacheEntryTest, IsMadeOnceWithItsStamp) {
  const CacheEntry thing = entry({{"version", "1"}});
  EXPECT_EQ(find(thing), std::nullopt);
  const auto made = obtain(thing, "text");
  EXPECT_EQ(made.value, "text");
  EXPECT_TRUE(made.made_now);
  EXPECT_FALSE(again_);
  const auto kept = obtain(thing, "other");
  EXPECT_EQ(kept.value, "text");
  EXPECT_FALSE(kept.made_now);
  EXPECT_EQ(thing.folder(), cache() / "things/one");
  EXPECT_EQ(json::parse(read_file(cache() / "things/one/stamp.json")),
            (json{{"version", "1"}, {"bytes", 4}}));
  EXPECT_TRUE(fs::is_empty(cache() / "unfinished/things-one"));
}

TEST_F(CacheEntryTest, OfAnotherStampIsMadeAnew) {
  obtain(entry({{"version", "1"}}), "first");
  EXPECT_EQ(find(entry({{"version", "2"}})), std::nullopt);
  EXPECT_EQ(obtain(entry({{"version", "2"}}), "second").value, "second");
  EXPECT_EQ(find(entry({{"version", "1"}})), std::nullopt);
  EXPECT_EQ(find(entry({{"wanted", {"gcc"}}})), std::nullopt);
}

TEST_F(CacheEntryTest, OfADamagedStampOrContentIsMadeAnew) {
  obtain(entry(), "first");
  for (const char* stamp : {"", "{", "[]", "{\"bytes\": \"five\"}", "{\"bytes\": 7}"}) {
    write_file(entry().folder() / "stamp.json", stamp);
    EXPECT_EQ(find(entry()), std::nullopt) << stamp;
    EXPECT_TRUE(obtain(entry(), "second").made_now) << stamp;
    EXPECT_TRUE(again_) << stamp;
  }
  fs::remove(entry().folder() / "stamp.json");
  EXPECT_EQ(obtain(entry(), "third").value, "third");
}

TEST_F(CacheEntryTest, RefreshMakesItAnewUnlessTheMakerKeepsIt) {
  obtain(entry(), "first");
  const auto kept = obtain(
      entry(), [](const CacheEntry::Making&) { return std::optional<json>(); }, true);
  EXPECT_EQ(kept.value, "first");
  EXPECT_FALSE(kept.made_now);
  const auto made = obtain(entry(), "second", true);
  EXPECT_EQ(made.value, "second");
  EXPECT_TRUE(made.made_now);
  EXPECT_FALSE(again_);
}

TEST_F(CacheEntryTest, AMakerThatThrowsLeavesWhatWasThere) {
  obtain(entry(), "first");
  const auto fail = [](const CacheEntry::Making& making) -> std::optional<json> {
    fill(making, "half");
    throw Failure(ExitCode::kSkipped, "no such thing");
  };
  EXPECT_THROW(obtain(entry(), fail, true), Failure);
  EXPECT_EQ(find(entry()), "first");
  EXPECT_TRUE(fs::is_empty(cache() / "unfinished/things-one"));
}

// Waits for a child; its exit status, or 128 and the signal.
int status_of(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

TEST_F(CacheEntryTest, TwoProcessesThatWantItMakeItOnce) {
  const fs::path log = dir_.path() / "log";
  // The first one tells when it is at work, and goes on once the other one waits for it.
  std::array<int, 2> working{};
  std::array<int, 2> waiting{};
  ASSERT_EQ(::pipe(working.data()), 0);
  ASSERT_EQ(::pipe(waiting.data()), 0);
  char byte = 'x';
  const auto make = [&](const CacheEntry::Making& making) {
    std::ofstream(log, std::ios::app) << "made\n";
    EXPECT_EQ(::write(working[1], &byte, 1), 1);
    EXPECT_EQ(::read(waiting[0], &byte, 1), 1);
    return std::optional(fill(making, "text"));
  };
  const pid_t first = ::fork();
  if (first == 0) {
    ::alarm(60);  // so that a defect ends the test
    ::_exit(obtain(entry(), make).made_now ? 0 : 1);
  }
  ASSERT_EQ(::read(working[0], &byte, 1), 1);
  const pid_t second = ::fork();
  if (second == 0) {
    ::alarm(60);
    const CacheEntry thing = entry();
    const auto got = thing.obtain<std::string>(
        {.load = [&](const json& stamp) { return load(thing, stamp); },
         .make = make,
         .on_wait = [&] { EXPECT_EQ(::write(waiting[1], &byte, 1), 1); }});
    ::_exit(got.made_now ? 1 : 2);
  }
  EXPECT_EQ(status_of(second), 2) << "it did not take what the first has made";
  EXPECT_EQ(status_of(first), 0);
  EXPECT_FALSE(obtain(entry(), make).made_now);
  EXPECT_EQ(read_file(log), "made\n");
  for (const int fd : {working[0], working[1], waiting[0], waiting[1]}) ::close(fd);
}

TEST_F(CacheEntryTest, AMakerThatIsKilledLeavesNothingThatPassesForFinished) {
  const pid_t child = ::fork();
  if (child == 0) {
    obtain(entry(), [](const CacheEntry::Making& making) -> std::optional<json> {
      json facts = fill(making, "half");
      ::kill(::getpid(), SIGKILL);
      return facts;
    });
    ::_exit(0);
  }
  EXPECT_EQ(status_of(child), 128 + SIGKILL);
  EXPECT_EQ(find(entry()), std::nullopt);
  EXPECT_FALSE(fs::exists(entry().folder()));
  EXPECT_FALSE(fs::is_empty(cache() / "unfinished/things-one"));

  EXPECT_EQ(obtain(entry(), "whole").value, "whole");
  EXPECT_TRUE(again_);
  EXPECT_TRUE(fs::is_empty(cache() / "unfinished/things-one"));
}

TEST_F(CacheEntryTest, LeavingsOfTheSameKindGoUnlessSomebodyMakesThem) {
  const fs::path unfinished = cache() / "unfinished";
  for (const char* name : {"things-killed", "things-busy", "others-killed", "tmp-session"}) {
    make_dirs(unfinished / name / "tmp-1");
  }
  const FileLock busy(cache() / "locks/things-busy");
  obtain(entry(), "text");
  EXPECT_FALSE(again_);
  EXPECT_FALSE(fs::exists(unfinished / "things-killed"));
  for (const char* name : {"things-busy", "others-killed", "tmp-session"}) {
    EXPECT_TRUE(fs::exists(unfinished / name / "tmp-1")) << name;
  }
}

std::string message_of(const std::function<void()>& body, ExitCode code) {
  try {
    body();
  } catch (const Failure& failure) {
    EXPECT_EQ(failure.code(), code) << failure.what();
    return failure.what();
  }
  return "nothing was thrown";
}

TEST_F(CacheEntryTest, WhoseCacheCannotBeWrittenSaysWhereAndWhatToDo) {
  write_file(cache(), "a file where the cache should be");
  EXPECT_EQ(
      message_of([&] { obtain(entry(), "text"); }, ExitCode::kUsage),
      "cannot create folder " + (cache() / "locks").string() + ": Not a directory; check the path");
}

TEST_F(CacheEntryTest, WhoseCacheIsFullSaysSoAndLeavesNothing) {
  const fs::path full = full_device(dir_.path());
  if (full.empty()) GTEST_SKIP() << "no device nodes here";
  const auto make = [&](const CacheEntry::Making& making) -> std::optional<json> {
    json facts = fill(making, "half");
    fs::create_symlink(full, making.folder / "rest");
    write_file(making.folder / "rest", "no room for this");
    return facts;
  };
  const std::string message = message_of([&] { obtain(entry(), make); }, ExitCode::kVmFailed);
  EXPECT_NE(message.find("No space left on device; free some space there"), std::string::npos)
      << message;
  EXPECT_FALSE(fs::exists(entry().folder()));
  EXPECT_TRUE(fs::is_empty(cache() / "unfinished/things-one"));
}

}  // namespace
}  // namespace faultline
