// SPDX-License-Identifier: GPL-2.0-only
#include "vm/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "vm/files.h"

namespace faultline {
namespace {

using std::chrono::milliseconds;

std::string output_of(Process& process) {
  std::string text;
  for (;;) {
    pollfd entry{process.output_fd(), POLLIN, 0};
    ::poll(&entry, 1, 5000);
    std::array<char, 256> buffer{};
    const ssize_t n = ::read(process.output_fd(), buffer.data(), buffer.size());
    if (n <= 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(n));
  }
}

bool alive(pid_t pid) {
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  if (!std::getline(stat, text)) return false;
  return text.at(text.rfind(')') + 2) != 'Z';
}

bool gone_soon(pid_t pid) {
  for (int i = 0; i < 200 && alive(pid); ++i) std::this_thread::sleep_for(milliseconds(10));
  return !alive(pid);
}

TEST(Process, OutputAndStatus) {
  Process process({"sh", "-c", "echo out; echo err >&2; exit 3"}, {});
  EXPECT_EQ(output_of(process), "out\nerr\n");
  const auto status = process.wait_exit(milliseconds(5000));
  ASSERT_TRUE(status);
  EXPECT_EQ(status->code, 3);
  EXPECT_EQ(status->signal, 0);
}

TEST(Process, ASignalIsTold) {
  Process process({"sh", "-c", "kill -9 $$"}, {});
  const auto status = process.wait_exit(milliseconds(5000));
  ASSERT_TRUE(status);
  EXPECT_EQ(status->signal, SIGKILL);
}

TEST(Process, NotFound) {
  try {
    const Process process({"no-such-program-here"}, {});
    FAIL();
  } catch (const SpawnFailure& failure) {
    EXPECT_EQ(failure.error(), ENOENT);
    EXPECT_EQ(failure.code(), ExitCode::kUsage);
  }
}

TEST(Process, ArgumentsGoThroughUntouched) {
  Process process({"printf", "%s|", "a b", "$HOME", "c'd\"", ""}, {});
  EXPECT_EQ(output_of(process), "a b|$HOME|c'd\"||");
}

TEST(Process, InheritsWhatItIsGivenAndNothingElse) {
  const Fd first = memory_file("one");
  const Fd second = memory_file("two");
  const int leaked = ::dup(first.get());  // without close-on-exec
  ::lseek(first.get(), 0, SEEK_SET);
  ::lseek(second.get(), 0, SEEK_SET);
  Process process({"sh", "-c", "cat <&3; cat <&4; ls /proc/$$/fd | tr '\\n' ' '"},
                  {first.get(), second.get()});
  EXPECT_EQ(output_of(process), "onetwo0 1 2 3 4 ");
  ::close(leaked);
}

TEST(Process, DescriptorsMayBeGivenInAnyOrder) {
  // 3 and 4 are wanted by the child in the other order.
  const Fd low = memory_file("low");
  const Fd high = memory_file("high");
  ::lseek(low.get(), 0, SEEK_SET);
  ::lseek(high.get(), 0, SEEK_SET);
  Process process({"sh", "-c", "cat <&3; cat <&4"}, {high.get(), low.get()});
  EXPECT_EQ(output_of(process), "highlow");
}

TEST(Process, StopKillsWhatIgnoresSigterm) {
  Process process({"sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.01; done"}, {});
  pollfd entry{process.output_fd(), POLLIN, 0};
  ASSERT_EQ(::poll(&entry, 1, 5000), 1);
  EXPECT_EQ(process.stop(milliseconds(100)).signal, SIGKILL);
}

TEST(Process, DiesWithItsOwner) {
  pid_t pid = -1;
  {
    const Process process({"sleep", "1000"}, {});
    pid = process.pid();
    EXPECT_TRUE(alive(pid));
    EXPECT_EQ(::getpgid(pid), pid);
  }
  EXPECT_FALSE(alive(pid));
}

TEST(Process, DiesWithUsWhateverKillsUs) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  const pid_t us = ::fork();
  if (us == 0) {
    const Process process({"sleep", "1000"}, {});
    const pid_t pid = process.pid();
    if (::write(ends[1], &pid, sizeof pid) < 0) ::_exit(1);
    for (;;) ::pause();
  }
  pid_t pid = -1;
  ASSERT_EQ(::read(ends[0], &pid, sizeof pid), static_cast<ssize_t>(sizeof pid));
  EXPECT_TRUE(alive(pid));
  ::kill(us, SIGKILL);
  ::waitpid(us, nullptr, 0);
  EXPECT_TRUE(gone_soon(pid));
  ::close(ends[0]);
  ::close(ends[1]);
}

// The folder's own path would not fit a socket's address.
TEST(PathThrough, IsShortWhereTheFoldersIsLong) {
  const TempDir top(std::filesystem::temp_directory_path());
  const std::filesystem::path deep = top.path() / std::string(100, 'a') / std::string(100, 'b');
  make_dirs(deep);
  const Fd folder(::open(deep.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  const std::string path = path_through(folder, "tty");
  sockaddr_un address{};
  ASSERT_LT(path.size(), sizeof address.sun_path);
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, path.size());
  const auto* at = reinterpret_cast<const sockaddr*>(&address);
  const Fd server(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(server.get(), at, sizeof address), 0);
  ASSERT_EQ(::listen(server.get(), 1), 0);
  EXPECT_TRUE(std::filesystem::exists(deep / "tty"));
  const Fd client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(client.get(), at, sizeof address), 0);
}

TEST(MemoryFile, IsReadWholeWhateverItsOffset) {
  const std::string text(100'000, 'x');
  const Fd file = memory_file(text);
  EXPECT_EQ(content_of(file), text);
}

TEST(MemoryFile, OfOneThatIsTooLongTheEndIsRead) {
  const std::string text = std::string(100'000, 'x') + "the end";
  const Fd file = memory_file(text);
  EXPECT_EQ(content_of(file, 9), "xxthe end");
  EXPECT_EQ(content_of(file, text.size()), text);
}

}  // namespace
}  // namespace faultline
