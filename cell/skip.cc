// SPDX-License-Identifier: GPL-2.0-only
#include "cell/skip.h"

#include <fmt/format.h>

#include <cstdio>
#include <utility>

namespace faultline {
namespace {

// All that a rule looks at.
struct Case {
  const Cell& cell;
  const FileSystem& fs;
  const Strategy& strategy;
  const Workload& workload;
  const TouchRow* touch;  // nullptr: none, or nobody's
  const Surroundings& around;
};

const FileSystem* file_system_of(const Cell& cell, const Sources& sources) {
  for (const FileSystem& fs : sources.file_systems) {
    if (cell.fs == fs.id) return &fs;
  }
  return nullptr;
}

const TouchRow* touch_of(const Cell& cell, const Sources& sources) {
  for (const TouchRow& touch : sources.touches) {
    if (cell.workload == touch.workload && cell.touch == touch.id) return &touch;
  }
  return nullptr;
}

// Under -icount, QEMU 7.2: 6.1 stops at "Booting SMP configuration". The second vCPU spins in
// cpu_init(), in wait_for_master_cpu(), and the first in do_boot_cpu()'s loop around schedule()
// while jiffies go on (arch/x86/kernel/smpboot.c, rewritten in v6.5). Without icount it boots.
constexpr std::pair<int, int> kTwoVcpus = {6, 12};
// fs/xfs/xfs_super.c, xfs_fs_fill_super(): "DAX and reflink cannot be used together!" to v5.19.
constexpr std::pair<int, int> kReflinkWithDax = {6, 0};

// A release that names no version is older than all.
bool is_at_least(const std::pair<int, int>& version, const std::string& release) {
  int major = 0;
  int minor = 0;
  return std::sscanf(release.c_str(), "%d.%d", &major, &minor) == 2 &&
         std::pair(major, minor) >= version;
}

// Each returns the reason, or nothing. They are asked in this order.
using Rule = std::string (*)(const Case& of);
constexpr Rule kRules[] = {
    // The strategy's own.
    [](const Case& of) -> std::string {
      if (!of.strategy.only_written || of.cell.state == State::kWritten) return "";
      return fmt::format("{} writes every block beforehand: there is no {} state", of.strategy.id,
                         id_of(of.cell.state));
    },
    [](const Case& of) -> std::string {
      if (!of.strategy.no_holes || of.cell.state != State::kHole) return "";
      return fmt::format("{} allocates every block beforehand: there is no hole state",
                         of.strategy.id);
    },
    [](const Case& of) -> std::string {
      if (!of.strategy.no_holes || of.cell.state != State::kShared) return "";
      return fmt::format("{} keeps the block map as it is: there is no shared state",
                         of.strategy.id);
    },
    // The file system's; of a row that says nothing of its features it is tried.
    [](const Case& of) -> std::string {
      if (of.cell.state != State::kShared || *of.fs.features == '\0' ||
          of.fs.has_feature("reflink")) {
        return "";
      }
      return fmt::format("{} has no reflink: there is no shared state", of.fs.id);
    },
    [](const Case& of) -> std::string {
      if (!of.strategy.map_sync || of.fs.map_sync) return "";
      return of.fs.dax
                 ? fmt::format("{} needs MAP_SYNC, which {} does not grant", of.strategy.id,
                               of.fs.id)
                 : fmt::format("{} needs MAP_SYNC, which only a DAX mapping has", of.strategy.id);
    },
    [](const Case& of) -> std::string {
      if (of.cell.order != Order::kPmd || of.fs.dax) return "";
      return "the page cache of this file system maps no pmd";
    },
    [](const Case& of) -> std::string {
      return of.cell.order == Order::kPmd && !of.strategy.mapped ? "pwrite maps nothing" : "";
    },
    // The workload's.
    [](const Case& of) -> std::string {
      if (!of.workload.rewrite || of.cell.state == State::kWritten) return "";
      return fmt::format("{} touches pages that were written before: there is no {} state",
                         of.workload.id, id_of(of.cell.state));
    },
    [](const Case& of) -> std::string {
      if (!of.workload.many_files || of.cell.order == Order::kPte) return "";
      return fmt::format("{} has files of 4 KiB", of.workload.id);
    },
    [](const Case& of) -> std::string {
      if (of.workload.contest == Contest::kNone || of.strategy.mapped) return "";
      return fmt::format("{} maps nothing: it takes no fault", of.strategy.id);
    },
    [](const Case& of) -> std::string {
      if (of.workload.contest == Contest::kNone || of.cell.order == Order::kPte) return "";
      return fmt::format("{} touches 4 KiB pages", of.workload.id);
    },
    [](const Case& of) -> std::string {
      if (of.workload.contest == Contest::kNone || of.cell.threads == 1) return "";
      return fmt::format("{} has one thread that faults", of.workload.id);
    },
    [](const Case& of) -> std::string {
      if (of.workload.contest == Contest::kNone) return "";
      const bool concurrent = of.cell.setting == Setting::kConcurrent;
      if (of.cell.virtual_time && concurrent) return "needs --accel tcg or kvm";
      if (!of.cell.virtual_time && !concurrent) return "needs --accel tcg-icount";
      return "";
    },
    [](const Case& of) -> std::string {
      if (of.touch == nullptr || !of.touch->state || *of.touch->state == of.cell.state) return "";
      return fmt::format("touch {} is one of {} blocks", of.touch->id, id_of(*of.touch->state));
    },
    [](const Case& of) -> std::string {
      // The touch is tried on a file system whose row says nothing of its features.
      if (of.touch == nullptr || !of.touch->reflink || *of.fs.features == '\0' ||
          of.fs.has_feature("reflink")) {
        return "";
      }
      return fmt::format("touch {} needs reflink, which {} does not have", of.touch->id, of.fs.id);
    },
    // The machine's, where there is no VM.
    [](const Case& of) -> std::string {
      if (!of.around.place || !of.workload.vm_only) return "";
      return fmt::format("{} brings the kernel down", of.workload.id);
    },
    [](const Case& of) -> std::string {
      if (!of.around.place || of.touch == nullptr || !of.touch->whole_fs) return "";
      return fmt::format("touch {} stops the whole file system, others' files too", of.touch->id);
    },
    [](const Case& of) -> std::string {
      if (!of.around.place || !of.strategy.map_sync || of.around.place->map_sync.empty()) return "";
      return fmt::format("{} needs MAP_SYNC, which {} refuses: {}", of.strategy.id,
                         of.around.place->where, of.around.place->map_sync);
    },
    [](const Case& of) -> std::string {
      if (!of.around.place || !of.strategy.needs_module() || of.around.place->module_loaded) {
        return "";
      }
      return fmt::format(
          "{} needs the strategy module, which is not loaded: `make kmod`, then as root `insmod "
          "build/kmod/faultline.ko`",
          of.strategy.id);
    },
    // The guest's kernel's.
    [](const Case& of) -> std::string {
      if (!of.around.lacks.contains(of.fs.module)) return "";
      return without_module(of.around.release, of.fs.module);
    },
    [](const Case& of) -> std::string {
      if (of.around.release.empty() || !of.fs.dax || !of.fs.has_feature("reflink") ||
          is_at_least(kReflinkWithDax, of.around.release)) {
        return "";
      }
      return fmt::format("{} mounts no XFS that has both reflink and DAX; 6.0 and later do",
                         of.around.release);
    },
    [](const Case& of) -> std::string {
      if (of.around.release.empty() || !of.cell.is_contest() ||
          of.cell.setting != Setting::kDeterministic2 ||
          is_at_least(kTwoVcpus, of.around.release)) {
        return "";
      }
      return fmt::format(
          "{} does not start a second vCPU under -icount: the first waits in do_boot_cpu() "
          "for the second, which waits in wait_for_master_cpu(); 6.12 and later boot otherwise",
          of.around.release);
    },
};

}  // namespace

std::string without_module(const std::string& release, const std::string& module) {
  return fmt::format("{} has no {}, neither built in nor as a module", release, module);
}

std::string why_not(const Cell& cell, const Sources& sources, const Surroundings& around) {
  const Case of{.cell = cell,
                .fs = *file_system_of(cell, sources),
                .strategy = *find_strategy(cell.strategy),
                .workload = *sources.workload(cell.workload),
                .touch = touch_of(cell, sources),
                .around = around};
  for (const Rule rule : kRules) {
    if (std::string reason = rule(of); !reason.empty()) return reason;
  }
  return "";
}

}  // namespace faultline
