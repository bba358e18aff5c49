/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The journal: every commit, who asked for it, what it wrote, whom it served; and what a sync
 * waits.
 */
#pragma once

#include "bpf/fault.bpf.h"

/* Transactions of jbd2 by their tid: at most three are alive at once (running, locked, committing).
 */
#define FL_COMMITS 64
/* A block of the journal: DAX wants file systems of the page's size. */
#define FL_BLOCK 4096UL
struct fl_commit {
  fl_u32 tid;
  fl_u32 asker; /* enum fl_asker */
  fl_u32 asker_thread;
  fl_u32 faults; /* that wait for it */
  fl_u32 fsyncs;
  fl_u32 begun; /* who asks now comes too late */
};
static struct fl_commit commits[FL_COMMITS] SEC(".data.commits");

static __always_inline struct fl_commit* commit_of(fl_u32 tid) {
  struct fl_commit* commit = &commits[tid & (FL_COMMITS - 1)];
  if (commit->tid != tid) {
    commit->tid = tid;
    commit->asker = FL_ASKER_kernel;
    commit->asker_thread = 0;
    commit->faults = 0;
    commit->fsyncs = 0;
    commit->begun = 0;
  }
  return commit;
}

static __always_inline void asks(const void* ctx, fl_u32 tid) {
  struct fl_commit* commit = commit_of(tid);
  if (commit->begun || commit->asker != FL_ASKER_kernel) return;
  commit->asker = faulting(ctx) ? FL_ASKER_fault : FL_ASKER_fsync;
  if (sampling) commit->asker_thread = tid_now();
}

static __always_inline void waits(const void* ctx, fl_u32 tid) {
  struct fl_thread* thread = faulting(ctx);
  struct fl_commit* commit = commit_of(tid);
  if (thread) {
    thread->link = tid;
    commit->faults += 1;
  } else {
    commit->fsyncs += 1;
  }
}

/* jbd2_complete_transaction(journal, tid): asks for the commit, if nobody has. (The compiler may
 * put jbd2_log_start_commit() into it.) jbd2_log_wait_commit(journal, tid) */
SEC("fentry") int ask_fentry(unsigned long long* ctx) {
  asks(ctx, CONTEXT_WORD(ctx, 1));
  return 0;
}
SEC("kprobe") int ask_kprobe(struct pt_regs* ctx) {
  asks(ctx, PT_REGS_PARM2(ctx));
  return 0;
}
SEC("fentry") int await_fentry(unsigned long long* ctx) {
  waits(ctx, CONTEXT_WORD(ctx, 1));
  return 0;
}
SEC("kprobe") int await_kprobe(struct pt_regs* ctx) {
  waits(ctx, PT_REGS_PARM2(ctx));
  return 0;
}

static __always_inline bool other_device(const struct journal_s* journal) {
  return state.device && BPF_CORE_READ(journal, j_fs_dev, bd_dev) != state.device;
}

/* trace_jbd2_start_commit(journal, transaction): in the jbd2 thread, as those that follow */
SEC("raw_tp") int jbd2_start_commit(unsigned long long* ctx) {
  const struct transaction_s* transaction = (const struct transaction_s*)ctx[1];
  if (other_device((const struct journal_s*)ctx[0])) return 0;
  commit_of(BPF_CORE_READ(transaction, t_tid))->begun = 1;
  state.commit_start = bpf_ktime_get_ns();
  return 0;
}

/* trace_jbd2_run_stats(dev, tid, stats) */
SEC("raw_tp") int jbd2_run_stats(unsigned long long* ctx) {
  const struct transaction_run_stats_s* stats = (const struct transaction_run_stats_s*)ctx[2];
  if (state.device && (fl_u32)ctx[0] != state.device) return 0;
  state.last_blocks = BPF_CORE_READ(stats, rs_blocks_logged);
  state.blocks_logged += state.last_blocks;
  return 0;
}

/* trace_jbd2_end_commit(journal, transaction) */
SEC("raw_tp") int jbd2_end_commit(unsigned long long* ctx) {
  const fl_u64 now = bpf_ktime_get_ns();
  const struct transaction_s* transaction = (const struct transaction_s*)ctx[1];
  struct fl_commit* commit;
  fl_u32 asker;
  if (!state.commit_start || other_device((const struct journal_s*)ctx[0])) return 0;
  commit = commit_of(BPF_CORE_READ(transaction, t_tid));
  asker = commit->asker;
  if (asker < FL_ASKERS) state.asked[asker] += 1;
  state.served_faults += commit->faults;
  state.served_fsyncs += commit->fsyncs;
  add_overflow(&state.commits, now - state.commit_start);
  if (sampling)
    sample(FL_KIND_commit, tid_now(), state.commit_start, now, state.last_blocks * FL_BLOCK,
           commit->asker_thread, commit->faults, commit->tid);
  state.commit_start = 0;
  return 0;
}

/* trace_ext4_fc_commit_start(sb, ...): in the thread that syncs */
SEC("raw_tp") int ext4_fc_commit_start(unsigned long long* ctx) {
  const fl_u64 now = bpf_ktime_get_ns();
  const fl_u32 key = key_of(ctx);
  struct fl_thread* thread = thread_of(key);
  thread->work_start = now;
  return 0;
}

/* trace_ext4_fc_commit_stop(sb, nblks, status, ...): status 0 is a fast commit that was made; else
 * jbd2 makes a full one (fs/ext4/fast_commit.c) */
SEC("raw_tp") int ext4_fc_commit_stop(unsigned long long* ctx) {
  const fl_u64 now = bpf_ktime_get_ns();
  struct fl_thread* thread = thread_of(key_of(ctx));
  struct fl_thread* fault = faulting(ctx);
  if ((fl_u32)ctx[2] || !thread->work_start) return 0;
  state.fast_blocks += (fl_u32)ctx[1];
  state.asked[fault ? FL_ASKER_fault : FL_ASKER_fsync] += 1;
  if (fault)
    state.served_faults += 1;
  else
    state.served_fsyncs += 1;
  add_overflow(&state.fast_commits, now - thread->work_start);
  if (sampling)
    sample(FL_KIND_fast_commit, tid_now(), thread->work_start, now, (fl_u32)ctx[1] * FL_BLOCK,
           tid_now(), !!fault, 0);
  thread->work_start = 0;
  return 0;
}

/* xfs_log_force(mp, flags), xfs_log_force_seq(ip, seq, ...) (xfs_log_force_lsn() before v5.14): in
 * who asks */
static __always_inline void forces(const void* ctx) {
  fl_u32 asker = FL_ASKER_kernel;
  struct fl_thread* thread = faulting(ctx);
  if (thread) {
    asker = FL_ASKER_fault;
    state.pending_faults += 1;
    /* The push that is made for it: the next, or none where there is nothing to push. */
    thread->link = state.pushes + 1;
  } else if (state.tgid == bpf_get_current_pid_tgid() >> 32) {
    asker = FL_ASKER_fsync;
    state.pending_fsyncs += 1;
  }
  state.forces[asker] += 1;
  if (!state.pending_asker) state.pending_asker = asker;
}
FL_ENTER(force, forces(ctx))
FL_ENTER(force_seq, forces(ctx))

/* xlog_cil_push_work(work): in a kernel worker */
FL_ENTER(cil_enter, {
  state.pushes += 1;
  thread_of(key_of(ctx))->work_start = bpf_ktime_get_ns();
})

static __always_inline void pushed(const void* ctx) {
  const fl_u64 now = bpf_ktime_get_ns();
  struct fl_thread* thread = thread_of(key_of(ctx));
  fl_u32 asker = state.pending_asker;
  if (!thread->work_start) return;
  if (asker < FL_ASKERS) state.asked[asker] += 1;
  state.served_faults += state.pending_faults;
  state.served_fsyncs += state.pending_fsyncs;
  add_overflow(&state.commits, now - thread->work_start);
  if (sampling)
    sample(FL_KIND_commit, tid_now(), thread->work_start, now, 0, 0, state.pending_faults,
           state.pushes);
  state.pending_asker = 0;
  state.pending_faults = 0;
  state.pending_fsyncs = 0;
  thread->work_start = 0;
}
FL_LEAVE(cil_leave, pushed(ctx))

/* trace_sched_switch(preempt, prev, next, ...): runs on prev's stack */
SEC("raw_tp") int sched_switch(unsigned long long* ctx) {
  const struct task_struct* next = (const struct task_struct*)ctx[2];
  const fl_u64 now = bpf_ktime_get_ns();
  struct fl_thread* thread = faulting(ctx);
  fl_u32 key;
  if (thread && thread->sync_start) thread->off = now;
  key = (fl_u32)(fl_u64)BPF_CORE_READ(next, stack) >> FL_STACK_SHIFT;
  thread = thread_of(key);
  if (thread->key != key || !thread->off) return 0;
  thread->waited += now - thread->off;
  thread->off = 0;
  return 0;
}
