// SPDX-License-Identifier: GPL-2.0-only
#include "harness/host.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <vector>

#include "cell/failure.h"
#include "cell/row.h"
#include "harness/clock.h"
#include "harness/counters.h"
#include "harness/files.h"
#include "harness/init.h"
#include "harness/mapping.h"
#include "harness/module.h"
#include "harness/probe.h"
#include "harness/row.h"
#include "harness/run.h"
#include "harness/superblock.h"
#include "harness/wire.h"

namespace faultline {
namespace {

// mountinfo writes blanks and backslashes as \OOO (fs/proc_namespace.c, mangle()).
std::string unescaped(const std::string& word) {
  std::string text;
  for (size_t i = 0; i < word.size(); ++i) {
    if (word[i] == '\\' && i + 3 < word.size()) {
      text += static_cast<char>(std::stoi(word.substr(i + 1, 3), nullptr, 8));
      i += 3;
    } else {
      text += word[i];
    }
  }
  return text;
}

// The fast_commit feature of a mounted ext4. What mountinfo shows does not tell.
bool fast_commit_of(const MountEntry& mount, std::string& remark) {
  std::string name;
  std::istringstream event(read_file("/sys/dev/block/" + mount.device + "/uevent"));
  for (std::string line; std::getline(event, line);) {
    if (line.starts_with("DEVNAME=")) name = line.substr(8);
  }
  const std::set<std::string> features = features_on("/dev/" + name, mount.type);
  if (features.empty()) {
    remark = fmt::format(
        "taken for ext4 without fast_commit: no superblock of ext4 can be read from {}{}",
        mount.source, geteuid() == 0 ? "" : " (root can)");
  }
  return features.contains("fast_commit");
}

class FrameWriter {
 public:
  explicit FrameWriter(int fd) : fd_(fd) {}
  void send_frame(std::string_view type, const nlohmann::json& payload) const {
    send_bytes(type, payload.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  }
  void send_bytes(std::string_view type, std::string_view payload) const {
    const std::string frame = wire::encode(type, payload);
    for (size_t at = 0; at < frame.size();) {
      const ssize_t n = write(fd_, frame.data() + at, frame.size() - at);
      if (n < 0 && errno == EINTR) continue;
      // Whoever reads frames sees that one is missing.
      if (n <= 0) return;
      at += static_cast<size_t>(n);
    }
  }

 private:
  int fd_;
};

Row run_here(const Place& place, const std::string& cell_file, ProbeSets& probes,
             std::string& samples) {
  const nlohmann::json json = nlohmann::json::parse(read_file(cell_file), nullptr, false);
  if (json.is_discarded()) {
    throw Failure(ExitCode::kUsage, fmt::format("{} holds no cell", cell_file));
  }
  const Cell cell = cell_from_json(json);
  const Workload* workload = find_workload(cell.workload);
  const Strategy* strategy = find_strategy(cell.strategy);
  if (workload == nullptr || strategy == nullptr || cell.fs != place.fs->id || cell.virtual_time) {
    throw Failure(ExitCode::kUsage, fmt::format("cell {} does not fit {}, which is {}", cell.name(),
                                                place.directory, place.fs->id));
  }
  const Surroundings around{.place = host_place(place)};
  if (const std::string skip = why_not(cell, {.file_systems = {place.fs, 1}}, around);
      !skip.empty()) {
    return empty_row(cell, kStatusSkipped, skip);
  }
  probes.set_for(
      {.probes = cell.probes, .module = strategy->needs_module(), .sampling = cell.samples});
  // Memory is locked as in a guest, so that no fault on program or libraries falls into a
  // measurement.
  mlockall(MCL_CURRENT);
  Counters counters;
  return run_cell(cell,
                  {.fs = *place.fs,
                   .strategy = *strategy,
                   .workload = *workload,
                   .code = code_of(*workload),
                   .directory = place.directory,
                   .probes = probes,
                   .counters = &counters},
                  &samples);
}

}  // namespace

std::optional<MountEntry> find_mount(const std::string& mountinfo, uint64_t id) {
  std::istringstream lines(mountinfo);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream in(line);
    std::vector<std::string> words;
    for (std::string word; in >> word;) words.push_back(word);
    // ID PARENT DEVICE ROOT WHERE OPTIONS [TAG...] - TYPE SOURCE OPTIONS
    size_t dash = 6;
    while (dash < words.size() && words[dash] != "-") ++dash;
    if (dash + 3 >= words.size() || words[0] != std::to_string(id)) continue;
    MountEntry entry;
    entry.id = id;
    entry.device = words[2];
    entry.where = unescaped(words[4]);
    // The file system's own begin with rw or ro once more.
    entry.options = words[5];
    if (const size_t comma = words[dash + 3].find(','); comma != std::string::npos) {
      entry.options += words[dash + 3].substr(comma);
    }
    entry.type = words[dash + 1];
    entry.source = unescaped(words[dash + 2]);
    return entry;
  }
  return std::nullopt;
}

Place inspect(const std::string& directory) {
  Place place;
  place.directory = directory;
  struct statx st {};
  if (statx(AT_FDCWD, directory.c_str(), 0, STATX_MNT_ID, &st) != 0) {
    throw Failure(ExitCode::kUsage, fmt::format("{}: {}", directory, std::strerror(errno)));
  }
  const auto mount = find_mount(read_file("/proc/self/mountinfo"), st.stx_mnt_id);
  if ((st.stx_mask & STATX_MNT_ID) == 0 || !mount) {
    throw Failure(ExitCode::kUsage,
                  fmt::format("{}: /proc/self/mountinfo does not tell its mount; the kernel is too "
                              "old (5.8 has it), or /proc is not there",
                              directory));
  }
  place.mount = *mount;
  try {
    const TestFile file(directory + "/inspect", kPageSize, State::kHole, false);
    place.dax = file.is_dax();
    void* at = mmap(nullptr, kPageSize, PROT_READ | PROT_WRITE, MAP_SHARED_VALIDATE | MAP_SYNC,
                    file.fd(), 0);
    if (at == MAP_FAILED) {
      place.map_sync = std::strerror(errno);
    } else {
      munmap(at, kPageSize);
    }
  } catch (const Failure& failure) {
    throw Failure(ExitCode::kUsage, failure.what());
  }
  const bool fast_commit = place.mount.type == "ext4" && fast_commit_of(place.mount, place.remark);
  place.fs = &host_file_system(place.mount.type, place.dax, fast_commit);
  return place;
}

std::string refusal(const Place& place) {
  if (place.dax) return "";
  return fmt::format(
      "not on DAX: files there go through the page cache ({} of {} on {}; statx shows no "
      "STATX_ATTR_DAX, MAP_SYNC: {}); mount a pmem device with -o dax, or give "
      "--allow-page-cache to measure it so",
      place.mount.type, place.mount.source, place.mount.where,
      place.map_sync.empty() ? "granted" : place.map_sync);
}

HostPlace host_place(const Place& place) {
  return {.where = place.mount.where,
          .map_sync = place.map_sync,
          .module_loaded = access("/dev/" FAULTLINE_DEVICE, F_OK) == 0};
}

int host_main(const std::string& directory, const std::string& cell_file, int frames) {
  const FrameWriter writer(frames);
  std::string stage = "ready";
  const auto fail = [&](ExitCode code, const char* message) {
    writer.send_frame(
        wire::kFail,
        {{"stage", stage}, {"message", message}, {"exit_code", static_cast<int>(code)}});
    return static_cast<int>(code);
  };
  try {
    writer.send_frame(wire::kHello, hello_payload(read_ticks()));
    const Place place = inspect(directory);
    nlohmann::json ready = {
        {"mkfs", ""},
        {"mount", fmt::format("mount -t {} -o {} {} {}", place.mount.type, place.mount.options,
                              place.mount.source, place.mount.where)},
        {"tool_version", ""},
        {"fs", place.fs->id},
        {"type", place.mount.type},
        {"where", place.mount.where},
        {"dax", place.dax},
        {"fast_commit", place.fs->fast_commit},
        {"map_sync", place.map_sync},
        {"module_loaded", host_place(place).module_loaded},
        {"refusal", refusal(place)},
        {"remark", place.remark}};
    // Others fault on this machine too (`true`): those of the cell alone count.
    if (cell_file.empty()) {
      ready["probes"] = ProbeSets(*place.fs, true).report();
      writer.send_frame(wire::kReady, ready);
    } else {
      commit_once(directory);
      writer.send_frame(wire::kReady, ready);
      stage = "cell";
      ProbeSets probes(*place.fs, true, ProbeSets::Loading::kWhenAsked);
      std::string samples;
      const Row row = run_here(place, cell_file, probes, samples);
      if (!samples.empty()) writer.send_bytes(wire::kSamples, samples);
      writer.send_frame(wire::kResult, json_of(row));
    }
    writer.send_frame(wire::kDone, nlohmann::json::object());
    return 0;
  } catch (const Failure& failure) {
    return fail(failure.code(), failure.what());
  } catch (const std::exception& e) {
    return fail(ExitCode::kRegression, e.what());
  }
}

}  // namespace faultline
