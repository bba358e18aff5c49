// SPDX-License-Identifier: GPL-2.0-only
#include "harness/filesystem.h"

#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "cell/failure.h"
#include "cell/words.h"
#include "harness/clock.h"
#include "harness/subprocess.h"
#include "harness/superblock.h"

namespace faultline {

Mounted make_and_mount(const FileSystem& fs, const std::string& device, const std::string& where) {
  Mounted mounted;
  // One that a mount formats needs no tool.
  if (*fs.mkfs != '\0') {
    mounted.tool_version = first_line(run_command({fs.tool, "-V"}).output);
    mounted.mkfs_line = fmt::format("{} {}", fs.mkfs, device);
    const CommandResult made = run_command(split_words(mounted.mkfs_line));
    if (made.exit_code != 0) {
      throw Failure(ExitCode::kVmFailed, fmt::format("{}: exit {}: {}", fs.tool, made.exit_code,
                                                     first_line(made.output)));
    }
  }
  mounted.made_ticks = read_ticks();
  mounted.features = features_on(device, fs.type);
  const std::vector<std::string> row = split_list(fs.features);
  if (!row.empty() && mounted.features != std::set<std::string>(row.begin(), row.end())) {
    throw Failure(ExitCode::kVmFailed,
                  fmt::format("{} made a file system with {}, where the row of {} asks for {}",
                              fs.tool, fmt::join(mounted.features, ","), fs.id, fs.features));
  }
  mounted.mount_line = fmt::format("mount -t {}{}{} {} {}", fs.type, *fs.options ? " -o " : "",
                                   fs.options, device, where);
  if (mkdir(where.c_str(), 0755) != 0 && errno != EEXIST) {
    throw Failure(ExitCode::kVmFailed, fmt::format("mkdir {}: {}", where, std::strerror(errno)));
  }
  if (mount(device.c_str(), where.c_str(), fs.type, 0, fs.options) != 0) {
    throw Failure(ExitCode::kVmFailed, fmt::format("{}: {}; the kernel's log says why",
                                                   mounted.mount_line, std::strerror(errno)));
  }
  return mounted;
}

}  // namespace faultline
