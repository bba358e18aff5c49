// SPDX-License-Identifier: GPL-2.0-only
#include "harness/counters.h"

#include <fmt/format.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

namespace faultline {
namespace {

constexpr uint64_t kDtlbLoadMisses = PERF_COUNT_HW_CACHE_DTLB | (PERF_COUNT_HW_CACHE_OP_READ << 8) |
                                     (PERF_COUNT_HW_CACHE_RESULT_MISS << 16);

constexpr CounterRow kKernelCounters[] = {
    {.id = "instructions",
     .type = PERF_TYPE_HARDWARE,
     .config = PERF_COUNT_HW_INSTRUCTIONS,
     .kernel_only = true},
    {.id = "cycles",
     .type = PERF_TYPE_HARDWARE,
     .config = PERF_COUNT_HW_CPU_CYCLES,
     .kernel_only = true},
    {.id = "dtlb_load_misses",
     .type = PERF_TYPE_HW_CACHE,
     .config = kDtlbLoadMisses,
     .kernel_only = true},
};

std::string paranoid() {
  std::ifstream in("/proc/sys/kernel/perf_event_paranoid");
  std::string value;
  in >> value;
  return value;
}

// What read(2) gives of an event: each is read alone, for the kernel refuses PERF_FORMAT_GROUP of
// events that threads inherit (kernel/events/core.c, perf_event_alloc()).
struct Reading {
  uint64_t value;
  uint64_t enabled;
  uint64_t running;
};

}  // namespace

std::span<const CounterRow> kernel_counters() { return kKernelCounters; }

std::string why_no_counter(const char* id, int error, const std::string& paranoid) {
  switch (error) {
    case EACCES:
    case EPERM:
      return fmt::format(
          "{}: not permitted (perf_event_paranoid is {}); root, CAP_PERFMON or a value of 1 may",
          id, paranoid.empty() ? "absent" : paranoid);
    case ENOENT:
    case ENODEV:
    case EOPNOTSUPP:
      return fmt::format("{}: this CPU, or its hypervisor, has no such counter", id);
    case ENOSYS:
      return fmt::format("{}: this kernel has no perf events", id);
    default:
      return fmt::format("{}: {}", id, std::strerror(error));
  }
}

Counters::~Counters() { close_all(); }

void Counters::close_all() {
  for (const Open& event : open_) close(event.fd);
  open_.clear();
}

void Counters::start() {
  close_all();
  reason_.clear();
  for (const CounterRow& row : rows_) {
    perf_event_attr attr{};
    attr.size = sizeof attr;
    attr.type = row.type;
    attr.config = row.config;
    attr.disabled = open_.empty() ? 1 : 0;  // the others count when their leader does
    attr.inherit = 1;
    attr.exclude_user = row.kernel_only ? 1 : 0;
    attr.exclude_hv = 1;
    attr.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING;
    const int leader = open_.empty() ? -1 : open_.front().fd;
    const long fd = syscall(SYS_perf_event_open, &attr, 0, -1, leader, PERF_FLAG_FD_CLOEXEC);
    if (fd < 0) {
      reason_ += (reason_.empty() ? "" : "; ") + why_no_counter(row.id, errno, paranoid());
    } else {
      open_.push_back({&row, static_cast<int>(fd)});
    }
  }
  if (!open_.empty()) ioctl(open_.front().fd, PERF_EVENT_IOC_ENABLE, PERF_IOC_FLAG_GROUP);
}

CountersRead Counters::stop() {
  if (!open_.empty()) ioctl(open_.front().fd, PERF_EVENT_IOC_DISABLE, PERF_IOC_FLAG_GROUP);
  CountersRead told;
  for (const Open& event : open_) {
    Reading reading{};
    if (read(event.fd, &reading, sizeof reading) != sizeof reading) {
      reason_ += (reason_.empty() ? "" : "; ") + why_no_counter(event.row->id, errno, paranoid());
    } else if (reading.running < reading.enabled || reading.running == 0) {
      // An estimate is no count.
      reason_ +=
          fmt::format("{}{}: on the CPU for {} of {} ns, others use the counters",
                      reason_.empty() ? "" : "; ", event.row->id, reading.running, reading.enabled);
    } else {
      told.counts[event.row->id] = reading.value;
    }
  }
  told.reason = reason_;
  close_all();
  return told;
}

}  // namespace faultline
