/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The fault: from exceptions:page_fault_user until the entry is in place, which is the end of
 * dax_iomap_{pte,pmd}_fault(), or for a fault that syncs, of dax_finish_sync_fault() (fs/dax.c).
 * Attempts that are made again belong to the one exception. Four raw tracepoints, whose arguments
 * are the same 5.10 to 7.3, and of which a fault that does not sync meets two.
 */
#pragma once

#include "bpf/probe.bpf.h"

/* arch/x86/include/asm/trap_pf.h. */
#define X86_PF_WRITE 2

/* trace_page_fault_user(address, regs, error_code). The clock comes first in each program: what is
 * known before a call must be kept over it. */
static __always_inline void begin_fault(const unsigned long long* ctx, fl_u64 now, fl_u32 mode) {
  const fl_u32 key = key_of(ctx);
  struct fl_thread* thread = thread_of(key);
  if (!(ctx[2] & X86_PF_WRITE)) return;
  if (mode & FL_FILTER && state.tgid != bpf_get_current_pid_tgid() >> 32) return;
  thread->key = key;
  if (mode & FL_RECORD) {
    thread->address = ctx[0];
    thread->tid = tid_now();
  }
  if (mode & FL_MARKS) {
    thread->last = now;
    thread->marks[FL_MARK_begin] += 1;
  }
  thread->start = now;
}

static __always_inline void end_fault(struct fl_thread* thread, fl_u64 now, fl_u32 result,
                                      fl_u32 order, fl_u32 mode) {
  const fl_u64 duration = now - thread->start;
  const fl_u32 n = thread->faults;
  if (n < FL_LOG) {
    thread->fault_log[n] = duration;
    thread->faults = n + 1;
  } else {
    add_overflow(&state.faults, duration);
  }
  if (order) thread->huge += 1;
  if (mode & FL_RECORD)
    sample(FL_KIND_fault, thread->tid, thread->start, now, thread->address, result, order, 0);
  /* With marks the fault goes on until handle_mm_fault() returns. */
  if (!(mode & FL_MARKS)) thread->key = 0;
}

static __always_inline void end_sync(struct fl_thread* thread, fl_u64 now, fl_u32 mode) {
  const fl_u64 duration = now - thread->sync_start;
  const fl_u32 n = thread->syncs;
  if (n < FL_LOG) {
    thread->sync_log[n] = duration;
    thread->syncs = n + 1;
  } else {
    add_overflow(&state.syncs, duration);
  }
  if (mode & FL_RECORD)
    sample(FL_KIND_sync, thread->tid, thread->sync_start, now, thread->address, 0, 0, thread->link);
  thread->sync_start = 0;
  thread->link = 0;
}

static __always_inline fl_u32 fallback_reason(const struct vm_fault* vmf, fl_u64 max_pgoff) {
  const struct vm_area_struct* vma = BPF_CORE_READ(vmf, vma);
  const fl_u64 address = BPF_CORE_READ(vmf, address);
  const fl_u64 pgoff = BPF_CORE_READ(vmf, pgoff);
  const fl_u64 aligned = address & ~((1UL << 21) - 1);
  if ((pgoff & 511) != (address >> 12 & 511)) return FL_FALLBACK_alignment;
  if (!(BPF_CORE_READ(vma, vm_flags) & VM_SHARED)) return FL_FALLBACK_flag;
  if (aligned < BPF_CORE_READ(vma, vm_start) || aligned + (1UL << 21) > BPF_CORE_READ(vma, vm_end))
    return FL_FALLBACK_mapping;
  if ((pgoff | 511) >= max_pgoff) return FL_FALLBACK_size;
  return FL_FALLBACK_extent;
}

/* Counts an attempt that did not end the fault. It is out of line, so that the way that each fault
 * takes stays short. */
static __noinline void attempt_failed(fl_u32 result, const struct vm_fault* vmf, fl_u64 max_pgoff) {
  if (result & VM_FAULT_FAILED) {
    __sync_fetch_and_add(&state.errors, 1);
    /* Not atomic: kernels before 5.12 have no atomic OR. Two CPUs at once may lose the name of a
     * bit, but not the error. */
    state.error_bits |= result & VM_FAULT_FAILED;
  } else if (result & VM_FAULT_FALLBACK)
    __sync_fetch_and_add(&state.fallbacks[fallback_reason(vmf, max_pgoff)], 1);
  else
    __sync_fetch_and_add(&state.retries, 1);
}

/* One attempt has come to its end, in this thread. */
static __always_inline void attempted(const void* ctx, fl_u64 now, fl_u32 result, fl_u32 order,
                                      const struct vm_fault* vmf, fl_u64 max_pgoff, fl_u32 mode) {
  const fl_u32 key = key_of(ctx);
  struct fl_thread* thread = thread_of(key);
  if (thread->key != key) {
    if (thread->key) __sync_fetch_and_add(&state.lost, 1);
    return;
  }
  if (mode & FL_MARKS) mark(thread, FL_MARK_attempt_end, now, mode);
  if (!(result & (VM_FAULT_NEEDDSYNC | VM_FAULT_FALLBACK | VM_FAULT_RETRY | VM_FAULT_FAILED))) {
    end_fault(thread, now, result, order, mode);
  } else if (result & (VM_FAULT_FALLBACK | VM_FAULT_RETRY | VM_FAULT_FAILED)) {
    if (result & VM_FAULT_FAILED) thread->key = 0;
    attempt_failed(result, vmf, max_pgoff);
  } else {
    thread->sync_start = now;
    thread->order = order;
  }
}

static __always_inline void synced(const void* ctx, fl_u64 now, fl_u32 result, fl_u32 mode) {
  struct fl_thread* thread = faulting(ctx);
  if (!thread || !thread->sync_start) return;
  if (mode & FL_MARKS) mark(thread, FL_MARK_sync_end, now, mode);
  end_sync(thread, now, mode);
  end_fault(thread, now, result, thread->order, mode);
}

/*
 * The handler's return ends the fault where there are no such tracepoints (the page cache), or
 * where the fault goes on after them (the strategy module).
 */
static __always_inline void handled(const void* ctx, fl_u64 now, fl_u32 result, fl_u32 mode) {
  struct fl_thread* thread = faulting(ctx);
  if (!thread) return;
  if (result & VM_FAULT_FAILED) thread->key = 0;
  if (result & (VM_FAULT_RETRY | VM_FAULT_FAILED))
    attempt_failed(result & ~VM_FAULT_FALLBACK, 0, 0);
  else if (!(result & VM_FAULT_FALLBACK))
    end_fault(thread, now, result, thread->order, mode);
}

static __always_inline fl_u32 handler_result(const unsigned long long* ctx) {
  if (handler_arguments == 1) return CONTEXT_WORD(ctx, 1);
  if (handler_arguments == 2) return CONTEXT_WORD(ctx, 2);
  if (handler_arguments == 3) return CONTEXT_WORD(ctx, 3);
  return 0;
}

/* The end of an attempt where the handler's return ends the fault: only the order, the reason of a
 * fallback and the start of a sync are taken from it. */
static __always_inline void attempt_ends(const void* ctx, fl_u64 now, fl_u32 result, fl_u32 order,
                                         const struct vm_fault* vmf, fl_u64 max_pgoff,
                                         fl_u32 mode) {
  struct fl_thread* thread = faulting(ctx);
  if (!thread) return;
  if (mode & FL_MARKS) mark(thread, FL_MARK_attempt_end, now, mode);
  if (result & VM_FAULT_FALLBACK) attempt_failed(VM_FAULT_FALLBACK, vmf, max_pgoff);
  thread->order = result & VM_FAULT_FALLBACK ? 0 : order;
  if (result & VM_FAULT_NEEDDSYNC) thread->sync_start = now;
}

static __always_inline void sync_ends(const void* ctx, fl_u64 now, fl_u32 mode) {
  struct fl_thread* thread = faulting(ctx);
  if (!thread || !thread->sync_start) return;
  if (mode & FL_MARKS) mark(thread, FL_MARK_sync_end, now, mode);
  end_sync(thread, now, mode);
}

#define FL_RAW_TP(name, suffix, call)                       \
  SEC("raw_tp") int name##suffix(unsigned long long* ctx) { \
    const fl_u64 now = bpf_ktime_get_ns();                  \
    call;                                                   \
    return 0;                                               \
  }
#define FL_VMF(ctx) ((const struct vm_fault*)(ctx)[1])

/*
 * The programs of a fault in one mode:
 * trace_dax_pte_fault_done(inode, vmf, result)
 * trace_dax_pmd_fault_done(inode, vmf, max_pgoff, result)
 * trace_dax_insert_pfn_mkwrite(inode, vmf, result): the end of dax_finish_sync_fault()
 */
#define FL_FAULT(suffix, mode)                                                                     \
  FL_RAW_TP(page_fault_user, suffix, begin_fault(ctx, now, mode))                                  \
  FL_RAW_TP(dax_pte_fault_done, suffix, attempted(ctx, now, ctx[2], 0, 0, 0, mode))                \
  FL_RAW_TP(dax_pmd_fault_done, suffix, attempted(ctx, now, ctx[3], 9, FL_VMF(ctx), ctx[2], mode)) \
  FL_RAW_TP(dax_insert_pfn_mkwrite, suffix, synced(ctx, now, ctx[2], mode))                        \
  FL_RAW_TP(pte_attempt, suffix, attempt_ends(ctx, now, ctx[2], 0, 0, 0, mode))                    \
  FL_RAW_TP(pmd_attempt, suffix, attempt_ends(ctx, now, ctx[3], 9, FL_VMF(ctx), ctx[2], mode))     \
  FL_RAW_TP(sync_end, suffix, sync_ends(ctx, now, mode))                                           \
  SEC("fexit") int handler##suffix##_fexit(unsigned long long* ctx) {                              \
    const fl_u64 now = bpf_ktime_get_ns();                                                         \
    handled(ctx, now, handler_result(ctx), mode);                                                  \
    return 0;                                                                                      \
  }                                                                                                \
  SEC("kretprobe") int handler##suffix##_kretprobe(struct pt_regs* ctx) {                          \
    const fl_u64 now = bpf_ktime_get_ns();                                                         \
    handled(ctx, now, PT_REGS_RC(ctx), mode);                                                      \
    return 0;                                                                                      \
  }

FL_FAULT(, FL_LEAN)
FL_FAULT(_marked, FL_MARKS)
FL_FAULT(_recorded, FL_RECORD | FL_FILTER)
FL_FAULT(_marked_recorded, FL_MARKS | FL_RECORD | FL_FILTER)
FL_FAULT(_filtered, FL_FILTER)
FL_FAULT(_marked_filtered, FL_MARKS | FL_FILTER)
