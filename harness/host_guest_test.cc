// SPDX-License-Identifier: GPL-2.0-only
// `faultline run --on host` where the guest is the host: process 1 of a guest whose image holds the
// command. What must come of it stands in cli/host_vm_test.cc.
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "cell/failure.h"
#include "cell/sample_file.h"
#include "harness/clock.h"
#include "harness/init.h"
#include "harness/subprocess.h"
#include "harness/wire.h"

namespace faultline {
namespace {

constexpr char kCommand[] = "/usr/bin/faultline";

// Name, size and content's checksum of everything under `place`.
nlohmann::json listing(const std::string& place) {
  nlohmann::json list = nlohmann::json::object();
  for (const auto& entry : std::filesystem::recursive_directory_iterator(place)) {
    std::string content;
    if (entry.is_regular_file()) {
      std::ifstream in(entry.path(), std::ios::binary);
      content.assign(std::istreambuf_iterator<char>(in), {});
    }
    list[entry.path().string()] = {content.size(), wire::checksum(content)};
  }
  return list;
}

// The kind of each record of the run's side file, in order.
nlohmann::json sampled_kinds() {
  nlohmann::json kinds = nlohmann::json::array();
  std::ifstream in(std::string("/tmp/out/") + kSamplesName, std::ios::binary);
  for (SampleRecord sample; in.read(reinterpret_cast<char*>(&sample), sizeof sample);) {
    kinds.push_back(sample.kind);
  }
  return kinds;
}

nlohmann::json run_tool_with(const std::vector<std::string>& more) {
  std::vector<std::string> command = {kCommand, "run",      "--on",       "host",  "--force",
                                      "--out",  "/tmp/out", "--no-table", "--dir", kMountPoint};
  command.insert(command.end(), more.begin(), more.end());
  const CommandResult ended = run_command(command);
  std::ifstream in("/tmp/out/result.json");
  return {{"exit", ended.exit_code},
          {"output", ended.output},
          {"kinds", sampled_kinds()},
          {"result", nlohmann::json::parse(in, nullptr, false)}};
}

void serve(const FileSystem& fs) {
  try {
    const Mounted mounted = make_and_mount(fs, kPmemDevice, kMountPoint);
    std::ofstream(std::string(kMountPoint) + "/precious") << "do not touch";
    send_frame(wire::kReady, {{"mkfs", mounted.mkfs_line}, {"ticks", read_ticks()}});
    const nlohmann::json before = listing(kMountPoint);
    nlohmann::json without = run_tool_with(
        {"--strategy", "map_sync,sync_fault", "--state", "hole", "--touches", "23", "--samples"});
    const int module = open(wire::kStrategyModule, O_RDONLY | O_CLOEXEC);
    const bool loaded = syscall(SYS_finit_module, module, "", 0) == 0;
    nlohmann::json with = run_tool_with(
        {"--strategy", "volatile,fsync:8,sync_fault", "--state", "unwritten", "--touches", "23"});
    send_frame(wire::kResult, {{"before", before},
                               {"after", listing(kMountPoint)},
                               {"without_module", without},
                               {"module_loaded", loaded},
                               {"with_module", with}});
  } catch (const std::exception& e) {
    send_failure("ready", Failure(ExitCode::kRegression, e.what()));
  }
}

}  // namespace
}  // namespace faultline

int main() {
  if (getpid() != 1) {
    std::fprintf(stderr, "host_guest_test is a guest's process 1; host_vm_test runs it\n");
    return 77;
  }
  faultline::run_guest(faultline::serve);
}
