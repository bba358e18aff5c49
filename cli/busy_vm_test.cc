// SPDX-License-Identifier: GPL-2.0-only
// Figures beside a QEMU whose main loop never sleeps (harness/wait.h).
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <set>
#include <thread>

#include "campaign/testing.h"
#include "cell/words.h"
#include "vm/packages/guest_qemu.h"

namespace faultline {
namespace {

namespace fs = std::filesystem;

// Each QEMU's second monitor, asked without a pause, so that QEMU's main loop is awake whenever the
// guest's CPU halts: what a loaded host does now and then.
class BusyMonitors {
 public:
  explicit BusyMonitors(const std::string& dir) : dir_(dir), thread_([this] { watch(); }) {}
  ~BusyMonitors() {
    stop_ = true;
    thread_.join();
    for (std::thread& one : each_) one.join();
  }
  BusyMonitors(const BusyMonitors&) = delete;
  BusyMonitors& operator=(const BusyMonitors&) = delete;
  [[nodiscard]] uint64_t asked() const { return asked_; }

 private:
  void watch() {
    while (!stop_) {
      for (const fs::directory_entry& entry : fs::directory_iterator(dir_)) {
        if (seen_.insert(entry.path()).second) {
          each_.emplace_back([this, path = entry.path().string()] { ask(path); });
        }
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }
  void ask(const std::string& path) {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    path.copy(static_cast<char*>(at.sun_path), sizeof at.sun_path - 1);
    const auto say = [&](const std::string& line) {
      std::array<char, 4096> answer{};
      return ::send(fd, line.data(), line.size(), MSG_NOSIGNAL) > 0 &&
             ::recv(fd, answer.data(), answer.size(), 0) > 0;
    };
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0) {
      bool open = say("{\"execute\":\"qmp_capabilities\"}\n");
      while (open && !stop_) {
        open = say("{\"execute\":\"query-status\"}\n");
        ++asked_;
        std::this_thread::sleep_for(std::chrono::microseconds(50));
      }
    }
    ::close(fd);
  }
  std::string dir_;
  std::atomic<bool> stop_ = false;
  std::atomic<uint64_t> asked_ = 0;
  std::set<fs::path> seen_;
  std::vector<std::thread> each_;
  std::thread thread_;
};

// Of each saved state in a cache, the ticks at which the steps of its making had ended, and the
// hash of its memory.
std::set<std::string> states_in(const fs::path& cache) {
  std::set<std::string> out;
  for (const fs::directory_entry& entry : fs::directory_iterator(cache / "states")) {
    if (!entry.is_directory()) continue;
    const nlohmann::json about = nlohmann::json::parse(read_file(entry.path() / "about.json"));
    const std::string ready = about.at("ready");
    out.insert(fmt::format("{} {}", nlohmann::json::parse(ready).at("steps").dump(),
                           about.at("sha256").at("memory").dump()));
  }
  return out;
}

// One selection measured twice, with states of its own each time: on a QEMU as it is, and on one
// that accounts for each halt late, so that the clock goes wrong by every single one. Of two
// contests one differed while any halt was left between its parties' beginning and its start; of 36
// plain cells 24 did, by 2 to 150 instructions, while one halted between its restore and its
// measurement. That shows in some rows only, the count of halts each time. Of other kernels than
// the default one by FAULTLINE_TEST_KERNELS.
TEST(RealRun, AQemuThatIsKeptBusyChangesNoFigure) {
  const std::size_t count = test_kernel_ids().size();
  const Scratch scratch;
  const std::string monitors = scratch / "monitors";
  const std::string halted = scratch / "halted";
  make_dirs(monitors);
  const std::string program = scratch / "qemu";
  const auto make_program = [&](const std::string& preload, const std::string& more) {
    write_file(program, fmt::format("#!/bin/sh\n{} exec {} \"$@\" {}\n", preload,
                                    guest_qemu(cache_dir()).program.string(), more));
    fs::permissions(program, fs::perms::owner_all);
  };
  const auto run = [&](const std::string& out) {
    const std::string cache = scratch / (out + "-cache");
    make_dirs(cache);
    for (const fs::directory_entry& entry : fs::directory_iterator(cache_dir())) {
      const std::string name = entry.path().filename();
      if (name == "states" || name == "unfinished" || name == "locks") continue;
      fs::create_directory_symlink(entry.path(), fs::path(cache) / name);
    }
    const CommandOutput output =
        faultline_command({"run",         "--out",
                           scratch / out, "--no-table",
                           "--kernel",    test_kernels(),
                           "--fs",        "xfs",
                           "--workload",  "dos,paced,first_touch",
                           "--state",     "written",
                           "--strategy",  "map_sync,sync_retry",
                           "--touch",     "utimens",
                           "--attackers", "1",
                           "--setting",   "deterministic",
                           "--probes",    "off",
                           "--seeds",     "1"},
                          {"env", "FAULTLINE_CACHE=" + cache, "FAULTLINE_QEMU=" + program});
    EXPECT_EQ(output.status, 0) << output.error;
  };
  make_program("", "");
  run("quiet");
  const std::set<std::string> quiet = states_in(scratch / "quiet-cache");
  EXPECT_EQ(quiet.size(), 2 * count);
  {
    make_program("FAULTLINE_HALTED=" + halted + " LD_PRELOAD=" FAULTLINE_SLOW_HALT,
                 fmt::format("-plugin {} -qmp unix:{}/$$,server=on,wait=off", FAULTLINE_SLOW_HALT,
                             monitors));
    const BusyMonitors busy(monitors);
    run("busy");
    EXPECT_GT(busy.asked(), 1000U);
  }
  EXPECT_EQ(fs::file_size(halted), quiet.size()) << "halts, of which the parks are to be all";
  EXPECT_EQ(quiet, states_in(scratch / "busy-cache"));
  const CommandOutput same =
      faultline_command({"identical", scratch / "quiet", scratch / "busy", "--json"});
  EXPECT_EQ(same.status, 0) << same.out;
  EXPECT_EQ(nlohmann::json::parse(same.out, nullptr, false).value("compared", std::size_t{0}),
            6 * count);
}

}  // namespace
}  // namespace faultline
