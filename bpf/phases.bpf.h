/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The marks between the phases of a fault (bpf/phases.def). Outside a fault they do nothing: the
 * same functions serve write() and fsync().
 */
#pragma once

#include "bpf/fault.bpf.h"

#define FL_MARK(id, mode)                              \
  do {                                                 \
    const fl_u64 now = bpf_ktime_get_ns();             \
    struct fl_thread* thread = faulting(ctx);          \
    if (thread) mark(thread, FL_MARK_##id, now, mode); \
  } while (0)

/* handle_mm_fault(vma, address, flags, regs), 5.10 to 7.3: the last mark. */
static __always_inline void left(const void* ctx, fl_u64 now, fl_u32 result, fl_u32 mode) {
  struct fl_thread* thread = faulting(ctx);
  if (!thread) return;
  if (result & VM_FAULT_RETRY) {
    mark(thread, FL_MARK_again, now, mode);
    __sync_fetch_and_add(&state.retries, 1);
  } else {
    mark(thread, FL_MARK_leave, now, mode);
    thread->key = 0;
  }
}

/*
 * mtime_*: file_update_time(file)
 * dax_fault_begins: trace_dax_{pte,pmd}_fault(inode, vmf, ...)
 * map_leave: the file system's iomap_ops->iomap_begin()
 * map_ends: trace_xfs_iomap_{found,alloc}(), its end, where xfs.ko has no BTF (5.10)
 * zero_*: blkdev_issue_zeroout()
 * sync_*: vfs_fsync_range()
 * commit_wait_*: jbd2_log_wait_commit()
 * cil_push_*: xlog_cil_force_seq(), xlog_cil_force_lsn() before v5.14
 * log_wait_*: xlog_wait_on_iclog()
 * flush_*: blkdev_issue_flush()
 */
#define FL_PHASE_PROGRAMS(suffix, mode)                                       \
  FL_ENTER(mtime_enter##suffix, FL_MARK(mtime_enter, mode))                   \
  FL_LEAVE(mtime_leave##suffix, FL_MARK(mtime_leave, mode))                   \
  SEC("raw_tp") int dax_fault_begins##suffix(unsigned long long* ctx) {       \
    FL_MARK(dax_begin, mode);                                                 \
    return 0;                                                                 \
  }                                                                           \
  FL_LEAVE(map_leave##suffix, FL_MARK(map_leave, mode))                       \
  SEC("raw_tp") int map_ends##suffix(unsigned long long* ctx) {               \
    FL_MARK(map_leave, mode);                                                 \
    return 0;                                                                 \
  }                                                                           \
  FL_ENTER(zero_enter##suffix, FL_MARK(zero_enter, mode))                     \
  FL_LEAVE(zero_leave##suffix, FL_MARK(zero_leave, mode))                     \
  FL_ENTER(sync_enter##suffix, FL_MARK(sync_enter, mode))                     \
  FL_LEAVE(sync_leave##suffix, FL_MARK(sync_leave, mode))                     \
  FL_ENTER(commit_wait_enter##suffix, FL_MARK(commit_wait_enter, mode))       \
  FL_ENTER(cil_push_enter##suffix, FL_MARK(cil_push_enter, mode))             \
  FL_ENTER(log_wait_enter##suffix, FL_MARK(log_wait_enter, mode))             \
  FL_ENTER(flush_enter##suffix, FL_MARK(flush_enter, mode))                   \
  FL_LEAVE(commit_wait_leave##suffix, FL_MARK(commit_wait_leave, mode))       \
  FL_LEAVE(cil_push_leave##suffix, FL_MARK(cil_push_leave, mode))             \
  FL_LEAVE(log_wait_leave##suffix, FL_MARK(log_wait_leave, mode))             \
  FL_LEAVE(flush_leave##suffix, FL_MARK(flush_leave, mode))                   \
  SEC("fexit") int fault_leave##suffix##_fexit(unsigned long long* ctx) {     \
    const fl_u64 now = bpf_ktime_get_ns();                                    \
    left(ctx, now, CONTEXT_WORD(ctx, 4), mode);                               \
    return 0;                                                                 \
  }                                                                           \
  SEC("kretprobe") int fault_leave##suffix##_kretprobe(struct pt_regs* ctx) { \
    const fl_u64 now = bpf_ktime_get_ns();                                    \
    left(ctx, now, PT_REGS_RC(ctx), mode);                                    \
    return 0;                                                                 \
  }

FL_PHASE_PROGRAMS(, FL_MARKS)
FL_PHASE_PROGRAMS(_recorded, FL_MARKS | FL_RECORD)

/* A program of known cost, for the test of how the tax is taken off a phase: it attaches where the
 * phase `map` is under way. */
#define FL_BALLAST 250
static __always_inline void burn(void) {
  fl_u64 i;
  for (i = 0; i < FL_BALLAST; ++i) asm volatile("" ::: "memory");
}
FL_ENTER(ballast, burn())
