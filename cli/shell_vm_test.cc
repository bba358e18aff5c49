// SPDX-License-Identifier: GPL-2.0-only
// faultline shell with real guests: by a terminal of the test's own, and one command at a time. The
// scripts are tried on the default kernel, or on those that FAULTLINE_TEST_KERNELS lists.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <utmp.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <regex>
#include <sstream>

#include "campaign/machine.h"
#include "campaign/testing.h"
#include "vm/kernels.h"
#include "vm/packages/tools_image.h"

namespace faultline {
namespace {

using std::chrono::steady_clock;

constexpr int kBootS = 90;

// Kernel and tools are fetched before the first test: how long that takes is the network's, and no
// test's deadline is for it.
class FetchedBefore : public testing::Environment {
 public:
  void SetUp() override {
    make_dirs(cache_dir());
    for (const FetchedKernel& kernel : obtain_kernels("bookworm", "", cache_dir(), print_line)) {
      fetch_tools_image(tools_suite(kernel), cache_dir(), print_line);
    }
  }
};
[[maybe_unused]] testing::Environment* const fetched_before =
    testing::AddGlobalTestEnvironment(new FetchedBefore);
constexpr int kAnswerS = 60;

// The command in a terminal of 80 columns, as a person has it.
class Terminal {
 public:
  explicit Terminal(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), FAULTLINE_COMMAND);
    std::vector<char*> argv;
    for (std::string& word : arguments) argv.push_back(word.data());
    argv.push_back(nullptr);
    winsize window{24, 80, 0, 0};
    EXPECT_EQ(openpty(&master_, &slave_, nullptr, nullptr, &window), 0);
    tcgetattr(slave_, &before_);
    pid_ = fork();
    if (pid_ == 0) {
      close(master_);
      login_tty(slave_);
      execv(argv.front(), argv.data());
      _exit(127);
    }
  }
  ~Terminal() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    hang_up();
    close(slave_);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  void type(const std::string& text) const {
    EXPECT_EQ(write(master_, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  // Reads on until `text` has come after what was waited for before.
  bool comes(const std::string& text, int seconds = kAnswerS) {
    const auto end = steady_clock::now() + std::chrono::seconds(seconds);
    while (seen_.find(text, from_) == std::string::npos) {
      pollfd wait{master_, POLLIN, 0};
      if (steady_clock::now() > end) return false;
      if (poll(&wait, 1, 200) <= 0) continue;
      char buffer[4096];
      const ssize_t n = read(master_, buffer, sizeof buffer);
      if (n <= 0) return seen_.find(text, from_) != std::string::npos;
      seen_.append(buffer, static_cast<size_t>(n));
    }
    from_ = seen_.find(text, from_) + text.size();
    return true;
  }
  void resize(unsigned short rows, unsigned short columns) const {
    winsize window{rows, columns, 0, 0};
    ioctl(master_, TIOCSWINSZ, &window);
  }
  // What nobody reads would keep the command from ending.
  void drain() {
    pollfd wait{master_, POLLIN, 0};
    while (master_ >= 0 && poll(&wait, 1, 0) > 0) {
      char buffer[4096];
      const ssize_t n = read(master_, buffer, sizeof buffer);
      if (n <= 0) return;
      seen_.append(buffer, static_cast<size_t>(n));
    }
  }
  void hang_up() {
    if (master_ >= 0) close(std::exchange(master_, -1));
  }
  // -1: it runs still after `seconds`; 128 + signal: a signal ended it.
  int ends(int seconds = 30) {
    const auto end = steady_clock::now() + std::chrono::seconds(seconds);
    int status = 0;
    while (waitpid(pid_, &status, WNOHANG) == 0) {
      if (steady_clock::now() > end) return -1;
      drain();
      usleep(20'000);
    }
    drain();
    pid_ = -1;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  }
  [[nodiscard]] bool modes_are_as_before() const {
    termios now{};
    tcgetattr(slave_, &now);
    return now.c_lflag == before_.c_lflag && now.c_iflag == before_.c_iflag &&
           now.c_oflag == before_.c_oflag && now.c_cflag == before_.c_cflag;
  }
  [[nodiscard]] bool is_raw() const {
    termios now{};
    tcgetattr(slave_, &now);
    return (now.c_lflag & (ICANON | ECHO | ISIG)) == 0;
  }
  // The guests below the command, which starts other programs as well, and a QEMU that tells its
  // version.
  [[nodiscard]] std::string guests() const {
    return run_command({"pgrep", "-P", fmt::format("{}", pid_), "-f", "--", " -kernel "}).out;
  }
  [[nodiscard]] const std::string& seen() const { return seen_; }

 private:
  int master_ = -1;
  int slave_ = -1;
  pid_t pid_ = -1;
  termios before_{};
  std::string seen_;
  size_t from_ = 0;
};

bool alive(const std::string& pid) {
  return !pid.empty() && kill(static_cast<pid_t>(std::stol(pid)), 0) == 0;
}

// Gone within two seconds.
bool goes(const std::string& pid) {
  for (int i = 0; i < 100 && alive(pid); ++i) usleep(20'000);
  return !alive(pid);
}

TEST(Shell, APersonInATerminal) {
  const Scratch scratch;
  std::ofstream(scratch / "hello") << "brought in\n";
  Terminal terminal({"shell", "--fs", "ext4", "--in", scratch / "hello", "--out", scratch / "got"});
  const auto start = steady_clock::now();
  ASSERT_TRUE(terminal.comes("faultline ~ # ", kBootS)) << terminal.seen();
  const double seconds = std::chrono::duration<double>(steady_clock::now() - start).count();
  RecordProperty("seconds_to_prompt", fmt::format("{:.1f}", seconds));
  EXPECT_TRUE(terminal.is_raw());
  const std::string qemu = terminal.guests();
  EXPECT_TRUE(alive(qemu));
  // The message of the day fits the terminal.
  std::istringstream lines(terminal.seen());
  for (std::string line; std::getline(lines, line);) {
    if (line.ends_with('\r')) line.pop_back();
    EXPECT_LE(line.size(), 80U) << line;
  }

  terminal.type("cat /in/hello; stty size; ls /mnt\r");
  EXPECT_TRUE(terminal.comes("brought in\r\n24 80\r\next4\r\n")) << terminal.seen();
  terminal.resize(30, 100);
  usleep(300'000);
  terminal.type("stty size\r");
  EXPECT_TRUE(terminal.comes("30 100\r\n")) << terminal.seen();

  // Ctrl-C is the command's, in the guest.
  terminal.type("sleep 1000\r");
  EXPECT_TRUE(terminal.comes("sleep 1000"));
  usleep(500'000);
  terminal.type("\x03");
  EXPECT_TRUE(terminal.comes("faultline ~ # ")) << terminal.seen();
  terminal.type("echo rc=$?\r");
  EXPECT_TRUE(terminal.comes("rc=130")) << terminal.seen();

  // In the background, by job control.
  terminal.type("faultline-cell --touches 23 >/out/cell & wait; echo 'done' >> /out/cell\r");
  EXPECT_TRUE(terminal.comes("Done")) << terminal.seen();
  terminal.type("exit 3\r");
  EXPECT_EQ(terminal.ends(), 3) << terminal.seen();
  EXPECT_TRUE(terminal.modes_are_as_before());
  EXPECT_TRUE(goes(qemu));
  const std::string cell = read_file(scratch / "got/cell");
  EXPECT_NE(cell.find("touches 23   faults 23   order pte"), std::string::npos) << cell;
  EXPECT_TRUE(cell.ends_with("done\n"));
}

TEST(Shell, AGuestThatPanicsLeavesTheTerminalAsItWas) {
  Terminal terminal({"shell", "--fs", "ext4", "--", "sh", "-c",
                     "echo going; read x; echo c >/proc/sysrq-trigger"});
  ASSERT_TRUE(terminal.comes("going", kBootS)) << terminal.seen();
  EXPECT_TRUE(terminal.is_raw());
  const std::string qemu = terminal.guests();
  terminal.type("\r");
  EXPECT_EQ(terminal.ends(), 69) << terminal.seen();
  EXPECT_NE(terminal.seen().find("kernel panic"), std::string::npos) << terminal.seen();
  EXPECT_TRUE(terminal.modes_are_as_before());
  EXPECT_TRUE(goes(qemu));
}

TEST(Shell, AGuestThatHangsIsLeftByThreeEscapes) {
  Terminal terminal({"shell", "--fs", "ext4", "--", "sh", "-c", "echo stuck; kill -STOP $$"});
  ASSERT_TRUE(terminal.comes("stuck", kBootS)) << terminal.seen();
  const std::string qemu = terminal.guests();
  terminal.type("\x1d\x1d\x1d");
  EXPECT_EQ(terminal.ends(), 69) << terminal.seen();
  EXPECT_TRUE(terminal.modes_are_as_before());
  EXPECT_TRUE(goes(qemu));
}

TEST(Shell, ATerminalThatIsClosedEndsTheGuest) {
  Terminal terminal({"shell", "--fs", "ext4"});
  std::string qemu;
  for (int i = 0; i < 1000 && qemu.empty(); ++i) {
    usleep(20'000);
    qemu = terminal.guests();
  }
  ASSERT_TRUE(alive(qemu)) << terminal.seen();
  terminal.hang_up();
  EXPECT_NE(terminal.ends(), -1);
  EXPECT_TRUE(goes(qemu));
}

TEST(Shell, OneCommandIsAsOneOfTheHost) {
  const Scratch scratch;
  std::ofstream(scratch / "in.txt") << "one\ntwo\n";
  const CommandOutput told = run_command(
      {"sh", "-c",
       fmt::format("'{}' shell --quiet --fs xfs --out '{}' -- sh -c 'tr a-z A-Z; echo err >&2; "
                   "grep -c dax /proc/mounts; seq 100000 > /out/seq; exit 7' < '{}'",
                   FAULTLINE_COMMAND, scratch / "got", scratch / "in.txt")});
  EXPECT_EQ(told.status, 7) << told.error;
  EXPECT_EQ(told.out, "ONE\nTWO\n1\n");
  EXPECT_EQ(told.error, "err\n");
  EXPECT_EQ(std::filesystem::file_size(scratch / "got/seq"), 588895U);
}

TEST(Shell, WhatCannotBeIsSaid) {
  CommandOutput output = faultline_command({"shell", "--fs", "ext5", "--", "true"});
  EXPECT_EQ(output.status, 2);
  EXPECT_NE(output.error.find("--fs: nothing is called 'ext5'"), std::string::npos);
  output = faultline_command({"shell", "--kernel", "bookworm,7.3", "--fs", "a,a", "--", "true"});
  EXPECT_EQ(output.status, 2);
}

// The figures of a map that stats() filled: count and average.
struct Stats {
  double count = 0;
  double mean = 0;
};
Stats stats_of(const std::string& text, const std::string& map) {
  std::smatch match;
  const std::regex line("@" + map + ": count ([0-9]+), average ([0-9]+)");
  if (!std::regex_search(text, match, line)) return {};
  return {std::stod(match[1]), std::stod(match[2])};
}

// Each script over the same cell as the probes, in one guest; what they print, by their names.
constexpr const char* kEachScript = R"(
cell='faultline-cell --warmup 0 --touches 200'
$cell --fs ext4 --json > /out/twin
$cell --fs ext4 --probes --json > /out/probes
$cell --fs ext4-fc --probes --json > /out/probes-fc
for name in fault sync commit sync_who sync_wait mmap_lock; do
  $name.bt -c "$cell --fs ext4 --json" > /out/$name 2>&1
done
commit.bt -c "$cell --fs xfs --json" > /out/commit-xfs 2>&1
fast_commit.bt -c "$cell --fs ext4-fc --json" > /out/fast_commit 2>&1
pte_or_pmd.bt -c "$cell --fs ext4 --json" > /out/pte 2>&1
pte_or_pmd.bt -c 'faultline-cell --warmup 0 --touches 8 --fs xfs --order pmd' > /out/pmd 2>&1
true
)";

// Where a synced fault's instructions go, of two strategies and of the one against the other.
TEST(Perf, RecordsWhatFaultsRunAndWhatServesThem) {
  const Scratch scratch;
  // A sample comes by the clock: of 64 faults that sync nothing hardly one may be in a fault.
  const auto perf = [&](std::vector<std::string> more) {
    std::vector<std::string> arguments = {"perf",      "--quiet", "--fs",  "ext4",
                                          "--touches", "512",     "--out", scratch / "perf"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return faultline_command(arguments);
  };
  const auto folded = [&](const std::string& strategy) {
    return scratch / ("perf/bookworm-ext4-" + strategy + "-first_touch-hole.folded");
  };
  const CommandOutput synced = perf({"--strategy", "map_sync"});
  ASSERT_EQ(synced.status, 0) << synced.error;
  const std::string stacks = read_file(folded("map_sync"));
  EXPECT_NE(stacks.find("fault;asm_exc_page_fault;exc_page_fault;"), std::string::npos);
  EXPECT_NE(stacks.find("ext4_dax_huge_fault"), std::string::npos);
  EXPECT_NE(stacks.find("jbd2;jbd2_journal_commit_transaction"), std::string::npos);
  EXPECT_EQ(stacks.find("perf;"), std::string::npos) << "perf's own";

  const CommandOutput floor =
      perf({"--strategy", "volatile", "--diff", folded("map_sync"), "--json"});
  ASSERT_EQ(floor.status, 0) << floor.error;
  EXPECT_NE(read_file(folded("volatile")).find("ext4_dax_huge_fault"), std::string::npos);
  const nlohmann::json written = nlohmann::json::parse(floor.out);
  ASSERT_EQ(written.size(), 1U);
  EXPECT_NE(read_file(written[0]["svg"].get<std::string>()).find("<svg"), std::string::npos);
  EXPECT_NE(read_file(written[0]["diff"].get<std::string>()).find("against"), std::string::npos);

  // A command that was interrupted goes on when it is given again: what is there is kept.
  const auto remembered = [&](const std::vector<std::string>& more) {
    const CommandOutput output = perf(more);
    EXPECT_EQ(output.status, 0) << output.error;
    return nlohmann::json::parse(output.out).at(0).at("remembered").get<bool>();
  };
  EXPECT_FALSE(written[0]["remembered"]);
  EXPECT_TRUE(remembered({"--strategy", "volatile", "--json"}));
  EXPECT_FALSE(remembered({"--strategy", "volatile", "--json", "--period", "3000"}));
  EXPECT_FALSE(remembered({"--strategy", "volatile", "--json", "--period", "3000", "--force"}));

  const CommandOutput none = perf({"--strategy", "volatile", "--diff", scratch / "nothing"});
  EXPECT_EQ(none.status, 2);
  EXPECT_NE(none.error.find("no such file"), std::string::npos) << none.error;
  EXPECT_EQ(perf({"--strategy", "no_such"}).status, 2);
}

TEST(Scripts, AgreeWithTheProbes) {
  for (const std::string& kernel : test_kernel_ids()) {
    SCOPED_TRACE(kernel);
    const Scratch scratch;
    std::ofstream(scratch / "each") << kEachScript;
    const CommandOutput output =
        faultline_command({"shell", "--quiet", "--kernel", kernel, "--in", scratch / "each",
                           "--out", scratch / "got", "--", "sh", "/in/each"});
    ASSERT_EQ(output.status, 0) << output.error;
    const auto got = [&](const std::string& name) { return read_file(scratch / ("got/" + name)); };
    const auto row_in = [&](const std::string& name) {
      std::istringstream lines(got(name));
      for (std::string line; std::getline(lines, line);) {
        if (line.starts_with('{')) return nlohmann::json::parse(line, nullptr, false);
      }
      return nlohmann::json();
    };
    const nlohmann::json twin = row_in("twin");
    const nlohmann::json probes = row_in("probes");
    ASSERT_EQ(probes.value("status", ""), "ok") << got("probes");

    // Count: the same. Mean: both are longer than what they measure by at most what they themselves
    // add to a fault, which the twin tells.
    const double probe_tax = probes["per_fault"].get<double>() - twin["per_fault"].get<double>();
    for (const char* name : {"fault", "sync"}) {
      SCOPED_TRACE(name);
      const Stats script = stats_of(got(name), name);
      const nlohmann::json traced = row_in(name);
      ASSERT_TRUE(traced.is_object()) << got(name);
      const double script_tax = traced["per_fault"].get<double>() - twin["per_fault"].get<double>();
      const nlohmann::json& probe = probes["probe"][name];
      EXPECT_EQ(script.count, 200);
      EXPECT_EQ(probe["count"], 200);
      EXPECT_NEAR(script.mean, probe["mean"].get<double>(), probe_tax + script_tax) << got(name);
      EXPECT_NE(got(name).find("@" + std::string(name) + "_ns:"), std::string::npos);
    }
    // The script saw the file's preparation too, which is one fsync.
    EXPECT_EQ(probes["commits"], 200);
    const Stats commit = stats_of(got("commit"), "commit");
    EXPECT_EQ(commit.count, 201) << got("commit");
    EXPECT_GT(commit.mean, 0.5 * probes["probe"]["commit"]["mean"].get<double>());
    EXPECT_LT(commit.mean, 1.5 * probes["probe"]["commit"]["mean"].get<double>());
    EXPECT_EQ(stats_of(got("commit-xfs"), "commit").count, 201) << got("commit-xfs");
    const double fast = row_in("probes-fc")["fast_commits"].get<double>();
    EXPECT_NEAR(stats_of(got("fast_commit"), "fast_commit").count, fast + 1, 1);

    EXPECT_TRUE(std::regex_search(got("sync_who"),
                                  std::regex(R"(@by_fault\[ext4, faultline-cell, [0-9]+\]: 200)")))
        << got("sync_who");
    EXPECT_TRUE(std::regex_search(got("sync_who"),
                                  std::regex(R"(@by_call\[ext4, faultline-cell, [0-9]+\]: 1\n)")))
        << got("sync_who");
    EXPECT_EQ(stats_of(got("sync_wait"), "sync").count, 200) << got("sync_wait");
    EXPECT_GE(stats_of(got("sync_wait"), "waited").count, 200);
    EXPECT_NE(got("sync_wait").find("jbd2_log_wait_commit"), std::string::npos);
    if (kernel == "bullseye") {
      EXPECT_NE(got("mmap_lock").find("tracepoint not found: mmap_lock"), std::string::npos);
    } else {
      EXPECT_GE(stats_of(got("mmap_lock"), R"(hold\[faultline-cell, 0\])").count, 200)
          << got("mmap_lock");
    }
    EXPECT_NE(got("pte").find("@mapped[pte, pmd not tried]: 200"), std::string::npos) << got("pte");
    EXPECT_NE(got("pmd").find("@mapped[pmd]: 8"), std::string::npos) << got("pmd");
  }
}

}  // namespace
}  // namespace faultline
