// SPDX-License-Identifier: GPL-2.0-only
#include "harness/attach.h"

#include "harness/journal.h"

namespace faultline {
namespace {

// The strategy module's handler, around the file system's (kmod/faultline.c).
constexpr Hooks kModuleFaultHooks = {{{.function = "fl_kmod_fault", .arguments = 3}}};

// The variants that FL_FAULT() in bpf/fault.bpf.h makes.
std::string fault_suffix(const ProbeChoice& choice) {
  std::string suffix;
  if (sees(choice.probes, kSeesPhases)) suffix += "_marked";
  if (choice.sampling) return suffix + "_recorded";
  return choice.one_process ? suffix + "_filtered" : suffix;
}

void add_fault(std::vector<Point>& points, const ProbeChoice& choice, const FileSystem& fs) {
  const std::string suffix = fault_suffix(choice);
  const auto add = [&](const char* id, const char* program, const char* tracepoint,
                       bool required = false) {
    points.push_back(raw_tracepoint(id, program + suffix, {tracepoint}, required));
  };
  if (fs.dax && !choice.module) {
    add("fault.end", "dax_pte_fault_done", "dax_pte_fault_done", true);
    add("fault.end_pmd", "dax_pmd_fault_done", "dax_pmd_fault_done");
    add("sync.end", "dax_insert_pfn_mkwrite", "dax_insert_pfn_mkwrite");
  } else {
    Point end{.id = "fault.end", .required = true};
    for (const Means means : {Means::kFexit, Means::kKretprobe}) {
      for (const Hook& hook : choice.module ? kModuleFaultHooks : fs.fault) {
        if (hook.function == nullptr) continue;
        end.ways.push_back(
            {"handler" + suffix + "_" + means_name(means), means, {hook.function}, hook.arguments});
      }
    }
    points.push_back(end);
    if (fs.dax) {
      add("fault.attempt_pmd", "pmd_attempt", "dax_pmd_fault_done");
      add("fault.attempt", "pte_attempt", "dax_pte_fault_done");
      add("sync.end", "sync_end", "dax_insert_pfn_mkwrite");
    }
  }
  add("fault.begin", "page_fault_user", "page_fault_user", true);
}

void add_phases(std::vector<Point>& points, const ProbeChoice& choice, const FileSystem& fs) {
  const std::string suffix = choice.sampling ? "_recorded" : "";
  // A function that a phase ends in and another begins after, both by its entry and its return.
  const auto pair = [&](const std::string& phase, const std::string& program,
                        const std::vector<std::string>& names) {
    add_pair(points, "phase." + phase + "_begin", "phase." + phase, program + "_enter" + suffix,
             program + "_leave" + suffix, names);
  };
  // mm/memory.c, four arguments 5.10 to 7.3.
  points.push_back(return_point("phase.handle_stop", "fault_leave" + suffix, {"handle_mm_fault"}));
  points.back().required = true;
  pair("mtime", "mtime", {"file_update_time"});
  points.push_back(raw_tracepoint("phase.handle_start", "dax_fault_begins" + suffix,
                                  {"dax_pte_fault", "dax_pmd_fault"}));
  if (fs.map != nullptr) {
    Point map = return_point("phase.map", "map_leave" + suffix, {fs.map});
    if (fs.map_tracepoints[0] != nullptr) {
      map.ways.insert(map.ways.begin() + 1,
                      {"map_ends" + suffix,
                       Means::kRawTracepoint,
                       {fs.map_tracepoints.begin(), fs.map_tracepoints.end()}});
    }
    points.push_back(map);
  }
  pair("zero", "zero", {"blkdev_issue_zeroout"});
  pair("sync", "sync", {"vfs_fsync_range"});
  for (const WaitPhase& wait : waits_of(fs.journal)) pair(wait.phase, wait.phase, wait.functions);
  pair("flush", "flush", {"blkdev_issue_flush"});
}

void add_locks(std::vector<Point>& points) {
  // include/trace/events/mmap_lock.h, since v5.11.
  points.push_back(
      raw_tracepoint("mmap_lock.release", "mmap_lock_released", {"mmap_lock_released"}));
  points.push_back(raw_tracepoint("mmap_lock.have", "mmap_lock_acquire_returned",
                                  {"mmap_lock_acquire_returned"}));
  points.push_back(
      raw_tracepoint("mmap_lock.ask", "mmap_lock_start_locking", {"mmap_lock_start_locking"}));
  // Before, by the semaphore's own functions (include/linux/mmap_lock.h, v5.10).
  struct Semaphore {
    const char* id;
    const char* program;
    Means means;
    const char* function;
  };
  for (const Semaphore& sem : {
           Semaphore{"mmap_read.have", "sem_read_had", Means::kFexit, "down_read"},
           Semaphore{"mmap_read.try", "sem_read_tried", Means::kFexit, "down_read_trylock"},
           Semaphore{"mmap_read.ask", "sem_read_ask", Means::kFentry, "down_read"},
           Semaphore{"mmap_read.release", "sem_read_release", Means::kFentry, "up_read"},
           Semaphore{"mmap_write.have", "sem_write_had", Means::kFexit, "down_write_killable"},
           Semaphore{"mmap_write.ask", "sem_write_ask", Means::kFentry, "down_write_killable"},
           Semaphore{"mmap_write.downgrade", "sem_downgrade", Means::kFentry, "downgrade_write"},
           Semaphore{"mmap_write.release", "sem_write_release", Means::kFentry, "up_write"},
       }) {
    points.push_back({sem.id, {{sem.program, sem.means, {sem.function}}}, "mmap_lock.ask"});
  }
  // lock_vma_under_rcu(), mm/memory.c, since v6.4.
  points.push_back(return_point("vma_lock.release", "vma_release", {"handle_mm_fault"}));
  add_pair(points, "vma_lock.ask", "vma_lock.have", "vma_ask", "vma_had", {"lock_vma_under_rcu"});
}

void add_interruptions(std::vector<Point>& points) {
  struct Pair {
    const char* id;
    const char* program;
    const char* enter;
    const char* leave;
  };
  for (const Pair& pair : {
           Pair{"tick", "tick", "local_timer_entry", "local_timer_exit"},
           Pair{"softirq", "softirq", "softirq_entry", "softirq_exit"},
           Pair{"timer", "timer", "timer_expire_entry", "timer_expire_exit"},
           Pair{"hrtimer", "hrtimer", "hrtimer_expire_entry", "hrtimer_expire_exit"},
           Pair{"work", "work", "workqueue_execute_start", "workqueue_execute_end"},
       }) {
    points.push_back(raw_tracepoint(std::string("interruption.") + pair.id + "_end",
                                    std::string(pair.program) + "_leave", {pair.leave}));
    points.push_back(raw_tracepoint(std::string("interruption.") + pair.id,
                                    std::string(pair.program) + "_enter", {pair.enter}));
  }
  points.push_back(raw_tracepoint("interruption.thread", "switched", {"sched_switch"}));
}

}  // namespace

const char* point_of_mark(fl_mark mark) {
  switch (mark) {
#define MARK(id, ends, begins, point) \
  case FL_MARK_##id:                  \
    return point;
#include "bpf/marks.def"
#undef MARK
    case FL_MARKS_END:
      break;
  }
  return "";
}

std::vector<Point> points_of(const ProbeChoice& choice, const FileSystem& fs) {
  std::vector<Point> points;
  if (sees(choice.probes, kSeesInterruptions)) add_interruptions(points);
  if (!sees(choice.probes, kSeesFaults)) return points;
  if (sees(choice.probes, kSeesLocks)) add_locks(points);
  if (sees(choice.probes, kAddsBallast) && fs.map != nullptr) {
    points.push_back(entry_point("ballast", "ballast", {fs.map}));
  }
  if (sees(choice.probes, kSeesPhases)) add_phases(points, choice, fs);
  add_journal_points(points, fs);
  points.push_back(raw_tracepoint("sync.wait", "sched_switch", {"sched_switch"}));
  add_fault(points, choice, fs);
  return points;
}

}  // namespace faultline
