// SPDX-License-Identifier: GPL-2.0-only
#include "vm/files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "cell/failure.h"
#include "vm/test_support.h"

namespace faultline {
namespace {
namespace fs = std::filesystem;

// Sets a variable, or removes it, for one test.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* old = std::getenv(name); old != nullptr) old_ = old;
    if (value != nullptr) {
      ::setenv(name, value, 1);
    } else {
      ::unsetenv(name);
    }
  }
  ~Variable() {
    if (old_) {
      ::setenv(name_, old_->c_str(), 1);
    } else {
      ::unsetenv(name_);
    }
  }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
  std::optional<std::string> old_;
};

// Runs `body` in a child, as an unprivileged user; the child's exit status.
template <typename Body>
int as_nobody(Body body) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (::geteuid() == 0 && (::setgid(65534) != 0 || ::setuid(65534) != 0)) ::_exit(99);
    int status = 98;
    try {
      status = body();
    } catch (...) {
      status = 97;
    }
    ::_exit(status);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int entries_in(const fs::path& dir) {
  return static_cast<int>(std::distance(fs::directory_iterator(dir), fs::directory_iterator()));
}

TEST(CacheDir, FollowsItsVariablesInOrder) {
  const Variable home("HOME", "/home/someone");
  {
    const Variable own("FAULTLINE_CACHE", "/own");
    const Variable xdg("XDG_CACHE_HOME", "/xdg");
    EXPECT_EQ(cache_dir(), "/own");
  }
  const Variable own("FAULTLINE_CACHE", nullptr);
  {
    const Variable xdg("XDG_CACHE_HOME", "/xdg");
    EXPECT_EQ(cache_dir(), "/xdg/faultline");
  }
  {
    const Variable xdg("XDG_CACHE_HOME", "relative/is/ignored");
    EXPECT_EQ(cache_dir(), "/home/someone/.cache/faultline");
  }
  const Variable xdg("XDG_CACHE_HOME", nullptr);
  EXPECT_EQ(cache_dir(), "/home/someone/.cache/faultline");
}

TEST(CacheDir, RefusesARelativeOwnPathAndAMissingHome) {
  {
    const Variable own("FAULTLINE_CACHE", "here");
    EXPECT_THROW(cache_dir(), Failure);
  }
  const Variable own("FAULTLINE_CACHE", nullptr);
  const Variable xdg("XDG_CACHE_HOME", nullptr);
  const Variable home("HOME", nullptr);
  EXPECT_THROW(cache_dir(), Failure);
}

TEST(Sha256, OfTheStandardsExample) {
  // FIPS 180-2, B.1.
  constexpr const char* kOfAbc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  EXPECT_EQ(sha256_of("abc"), kOfAbc);
  Sha256 pieces;
  pieces.update("a");
  pieces.update("bc");
  EXPECT_EQ(pieces.hex(), kOfAbc);
  const TempDir dir(fs::temp_directory_path());
  write_file(dir.path() / "abc", "abc");
  EXPECT_EQ(sha256_of_file(dir.path() / "abc"), kOfAbc);
}

TEST(AtomicFile, AppearsOnlyWhenCommittedAndReplacesTheOld) {
  const TempDir dir(fs::temp_directory_path());
  const fs::path target = dir.path() / "result";
  {
    AtomicFile file(target);
    file.write("half");
    EXPECT_FALSE(fs::exists(target));
  }
  EXPECT_EQ(entries_in(dir.path()), 0) << "the temporary must go";
  write_file(target, "old");
  {
    AtomicFile file(target);
    file.write("new");
    EXPECT_EQ(read_file(target), "old");
    file.commit();
  }
  EXPECT_EQ(read_file(target), "new");
  EXPECT_EQ(entries_in(dir.path()), 1);
}

TEST(AtomicFile, ModeIsNarrowedByTheUmask) {
  const TempDir dir(fs::temp_directory_path());
  const mode_t old = ::umask(077);
  write_file(dir.path() / "private", "", 0644);
  ::umask(old);
  struct stat status = {};
  ASSERT_EQ(::stat((dir.path() / "private").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

// Not tried on a device of the machine: with the guard broken, root would lose it.
TEST(AtomicFile, DoesNotReplaceAPipe) {
  const TempDir dir(fs::temp_directory_path());
  const fs::path pipe = dir.path() / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const int reader = ::open(pipe.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  write_file(pipe, "content");
  EXPECT_TRUE(fs::is_fifo(pipe));
  std::string received(100, '\0');
  received.resize(static_cast<std::size_t>(
      std::max<ssize_t>(0, ::read(reader, received.data(), received.size()))));
  ::close(reader);
  EXPECT_EQ(received, "content");
  EXPECT_EQ(entries_in(dir.path()), 1);
}

TEST(AtomicFile, SaysThatADeviceIsFull) {
  const TempDir dir(fs::temp_directory_path());
  const fs::path full = full_device(dir.path());
  if (full.empty()) GTEST_SKIP() << "cannot make a device node here";
  try {
    write_file(full, "content");
    FAIL() << "wrote to a full device";
  } catch (const Failure& failure) {
    EXPECT_EQ(failure.code(), ExitCode::kVmFailed);
    EXPECT_NE(std::string(failure.what()).find("full: No space left"), std::string::npos)
        << failure.what();
  }
}

TEST(AtomicFile, OnAFullDiskNamesThePathAndLeavesNothing) {
  const TempDir dir(fs::temp_directory_path());
  if (::mount("none", dir.path().c_str(), "tmpfs", 0, "size=64k") != 0) {
    GTEST_SKIP() << "cannot mount a small tmpfs: " << std::strerror(errno);
  }
  std::string message;
  try {
    write_file(dir.path() / "image", std::string(1 << 20, 'x'));
  } catch (const Failure& failure) {
    message = failure.what();
    EXPECT_EQ(failure.code(), ExitCode::kVmFailed);
  }
  const int left = entries_in(dir.path());
  ::umount(dir.path().c_str());
  EXPECT_NE(message.find((dir.path() / "image").string()), std::string::npos) << message;
  EXPECT_NE(message.find("free some space"), std::string::npos) << message;
  EXPECT_EQ(left, 0);
}

TEST(AtomicFile, WithoutPermissionIsAUsageError) {
  const TempDir dir(fs::temp_directory_path());
  ::chmod(dir.path().c_str(), 0555);
  const int status = as_nobody([&] {
    try {
      write_file(dir.path() / "result", "content");
    } catch (const Failure& failure) {
      return failure.code() == ExitCode::kUsage ? 0 : 1;
    }
    return 2;
  });
  EXPECT_EQ(status, 0);
}

TEST(AtomicFile, InAMissingFolderIsAUsageError) {
  try {
    write_file("/nonexistent/folder/result", "");
    FAIL();
  } catch (const Failure& failure) {
    EXPECT_EQ(failure.code(), ExitCode::kUsage);
  }
}

TEST(MakeDirs, RefusesAFileInTheWay) {
  const TempDir dir(fs::temp_directory_path());
  write_file(dir.path() / "file", "");
  EXPECT_THROW(make_dirs(dir.path() / "file"), Failure);
  EXPECT_THROW(make_dirs(dir.path() / "file" / "below"), Failure);
  make_dirs(dir.path() / "a" / "b");
  EXPECT_TRUE(fs::is_directory(dir.path() / "a" / "b"));
}

TEST(ReadFile, KeepsItsLimit) {
  const TempDir dir(fs::temp_directory_path());
  write_file(dir.path() / "ten", "0123456789");
  EXPECT_EQ(read_file(dir.path() / "ten", 10), "0123456789");
  EXPECT_THROW(read_file(dir.path() / "ten", 9), Failure);
  EXPECT_THROW(read_file(dir.path() / "none"), Failure);
  EXPECT_THROW(read_file(dir.path()), Failure);
}

TEST(FileLock, KeepsAnotherProcessOutUntilReleased) {
  const TempDir dir(fs::temp_directory_path());
  const fs::path file = dir.path() / "lock";
  std::optional<FileLock> lock(std::in_place, file);
  pid_t child = ::fork();
  if (child == 0) {
    // on_wait is where a second holder would block: reaching it is the proof.
    const FileLock second(file, [] { ::_exit(5); });
    ::_exit(6);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 5);

  lock.reset();
  child = ::fork();
  if (child == 0) {
    const FileLock second(file, [] { ::_exit(5); });
    ::_exit(6);
  }
  ::waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 6);
}

TEST(TempDir, IsRemovedWithItsContent) {
  const TempDir parent(fs::temp_directory_path());
  {
    const TempDir dir(parent.path() / "made", "x-");
    write_file(dir.path() / "file", "content");
    EXPECT_TRUE(fs::exists(dir.path() / "file"));
  }
  EXPECT_EQ(entries_in(parent.path() / "made"), 0);
}

TEST(TempDirs, AreInAFolderThatIsThere) {
  const TempDir parent(fs::temp_directory_path());
  {
    const Variable own("TMPDIR", parent.path().c_str());
    EXPECT_EQ(temp_dir(), parent.path());
  }
  {
    const Variable own("TMPDIR", nullptr);
    EXPECT_EQ(temp_dir(), "/tmp");
  }
  const Variable own("TMPDIR", "/nonexistent/tmp");
  EXPECT_EQ(usage_message([] { temp_dir(); }),
            "the folder of temporary files is not there: /nonexistent/tmp; set TMPDIR to one that "
            "is");
}

TEST(TempDirs, ThoseThatAreLeftAreRemoved) {
  const TempDir parent(fs::temp_directory_path());
  const TempDir alive(parent.path());
  const fs::path left = parent.path() / "tmp-left";
  const fs::path young = parent.path() / "tmp-young";
  const fs::path other = parent.path() / "other-left";
  for (const fs::path& folder : {left, young, other}) {
    fs::create_directory(folder);
    write_file(folder / "file", "x");
  }
  const auto old = fs::file_time_type::clock::now() - std::chrono::hours(2);
  for (const fs::path& folder : {alive.path(), left, other}) fs::last_write_time(folder, old);
  remove_left_temp_dirs(parent.path());
  EXPECT_TRUE(fs::exists(alive.path()));
  EXPECT_FALSE(fs::exists(left));
  EXPECT_TRUE(fs::exists(young));
  EXPECT_TRUE(fs::exists(other));
}

}  // namespace
}  // namespace faultline
