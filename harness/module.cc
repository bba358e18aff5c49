// SPDX-License-Identifier: GPL-2.0-only
#include "harness/module.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "cell/failure.h"
#include "harness/wire.h"

namespace faultline {
namespace {

// The table of strategies (cell/strategy.h) knows nothing of the module's header.
static_assert(static_cast<int>(ModuleRule::kWrapped) == FL_KMOD_NONE);
static_assert(static_cast<int>(ModuleRule::kSyncFault) == FL_KMOD_SYNC_FAULT);
static_assert(static_cast<int>(ModuleRule::kSyncRetry) == FL_KMOD_SYNC_RETRY);
static_assert(static_cast<int>(ModuleRule::kSyncRetryExtent) == FL_KMOD_SYNC_RETRY_EXTENT);
static_assert(static_cast<int>(ModuleRule::kDaxfile) == FL_KMOD_DAXFILE);
static_assert(static_cast<int>(ModuleRule::kSyncRetryOnce) == FL_KMOD_SYNC_RETRY_ONCE);
static_assert(static_cast<int>(ModuleRule::kSyncRetryStrict) == FL_KMOD_SYNC_RETRY_STRICT);
static_assert(kModuleDatasync == FL_KMOD_DATASYNC);
static_assert(kModuleNoCmtime == FL_KMOD_NOCMTIME);

constexpr char kDevicePath[] = "/dev/" FAULTLINE_DEVICE;

[[noreturn]] void skip(const std::string& what) {
  const int error = errno;
  throw Failure(ExitCode::kSkipped, fmt::format("{}: {}", what, std::strerror(error)));
}

// What the module's errors mean (kmod/faultline_ioctl.h).
const char* meaning(int error) {
  switch (error) {
    case EOPNOTSUPP:
      return "not a DAX file";
    case ENXIO:
      return "no MAP_SYNC mapping of the file, or the file has holes";
    case EBUSY:
      return "the file has another strategy";
    default:
      return std::strerror(error);
  }
}

}  // namespace

void add_stats(const fl_kmod_stats& one, fl_kmod_stats& sum) {
  for (const auto field :
       {&fl_kmod_stats::attempts, &fl_kmod_stats::faults, &fl_kmod_stats::syncs,
        &fl_kmod_stats::syncs_dropped, &fl_kmod_stats::retries, &fl_kmod_stats::passed_over,
        &fl_kmod_stats::not_droppable, &fl_kmod_stats::mmap_locks, &fl_kmod_stats::vma_locks,
        &fl_kmod_stats::errors, &fl_kmod_stats::retry_ns, &fl_kmod_stats::retries_timed}) {
    sum.*field += one.*field;
  }
  sum.max_retries = std::max({sum.max_retries, one.max_retries, one.open_retries});
  for (size_t i = 0; i < FL_KMOD_RETRIES; ++i) {
    sum.retries_per_fault[i] += one.retries_per_fault[i];
  }
}

StrategyModule::StrategyModule() {
  if (access(kDevicePath, F_OK) != 0) {
    const int fd = open(wire::kStrategyModule, O_RDONLY | O_CLOEXEC);
    if (fd < 0) skip(fmt::format("no strategy module: {}", wire::kStrategyModule));
    const long rc = syscall(SYS_finit_module, fd, "", 0);
    const int error = errno;
    close(fd);
    errno = error;
    if (rc != 0 && error != EEXIST) skip("the kernel refuses the strategy module");
  }
  device_ = open(kDevicePath, O_RDWR | O_CLOEXEC);
  if (device_ < 0) skip(kDevicePath);
}

StrategyModule::~StrategyModule() { close(device_); }

void StrategyModule::set(int fd, const Strategy& strategy) const {
  const fl_kmod_set set = {sizeof(fl_kmod_set), fd, static_cast<uint32_t>(strategy.module),
                           strategy.module_flags};
  if (ioctl(device_, FL_KMOD_SET, &set) != 0) {
    throw Failure(ExitCode::kRegression,
                  fmt::format("the module refuses {}: {}", strategy.id, meaning(errno)));
  }
}

void StrategyModule::reset(int fd) const {
  if (ioctl(device_, FL_KMOD_RESET, fd) != 0) {
    throw Failure(ExitCode::kRegression,
                  fmt::format("the module's counters: {}", std::strerror(errno)));
  }
}

fl_kmod_stats StrategyModule::stats(int fd) const {
  fl_kmod_stats stats{};
  stats.size = sizeof stats;
  stats.fd = fd;
  if (ioctl(device_, FL_KMOD_STATS, &stats) != 0) {
    throw Failure(ExitCode::kRegression,
                  fmt::format("the module's counters: {}", std::strerror(errno)));
  }
  return stats;
}

}  // namespace faultline
