/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Locks of the address space, by thread: how long until one is had, and how long it is held.
 */
#pragma once

#include "bpf/fault.bpf.h"

static __always_inline struct fl_thread* lock_thread(const void* ctx) {
  const fl_u64 id = bpf_get_current_pid_tgid();
  const fl_u32 key = key_of(ctx);
  struct fl_thread* thread = thread_of(key);
  if (state.tgid != id >> 32) return 0;
  if (thread->lock_key != key) {
    /* Two threads that meet in one slot would be counted as one. */
    if (thread->lock_key) {
      __sync_fetch_and_add(&state.lost, 1);
      return 0;
    }
    thread->lock_key = key;
  }
  thread->tid = id;
  return thread;
}

static __always_inline void lock_asked(struct fl_lock* lock, fl_u64 now) { lock->since = now; }

static __always_inline void lock_had(struct fl_lock* lock, fl_u32 kind, fl_u32 tid, fl_u64 now) {
  const fl_u64 wait = lock->since ? now - lock->since : 0;
  lock->count += 1;
  lock->wait += wait;
  if (wait > lock->wait_max) lock->wait_max = wait;
  if (sampling && wait) sample(FL_KIND_lock_wait, tid, lock->since, now, 0, kind, 0, 0);
  lock->since = now;
}

static __always_inline void lock_released(struct fl_lock* lock, fl_u32 kind, fl_u32 tid,
                                          fl_u64 now) {
  const fl_u64 hold = now - lock->since;
  if (!lock->since) return;
  lock->hold += hold;
  if (hold > lock->hold_max) lock->hold_max = hold;
  if (sampling) sample(FL_KIND_lock_hold, tid, lock->since, now, 0, kind, 0, 0);
  lock->since = 0;
}

/* trace_mmap_lock_*(mm, [memcg,] write, ...), since v5.11; the memcg's path or id went away later.
 */
static __always_inline fl_u32 lock_kind(const unsigned long long* ctx) {
  const fl_u64 write = lock_write_index == 1 ? CONTEXT_WORD(ctx, 1) : CONTEXT_WORD(ctx, 2);
  return write & 1 ? FL_LOCK_mmap_write : FL_LOCK_mmap_read;
}

static __always_inline bool lock_success(const unsigned long long* ctx) {
  return (lock_write_index == 1 ? CONTEXT_WORD(ctx, 2) : CONTEXT_WORD(ctx, 3)) & 1;
}

SEC("raw_tp") int mmap_lock_start_locking(unsigned long long* ctx) {
  const fl_u64 now = bpf_ktime_get_ns();
  struct fl_thread* thread = lock_thread(ctx);
  if (thread) lock_asked(&thread->locks[lock_kind(ctx)], now);
  return 0;
}
SEC("raw_tp") int mmap_lock_acquire_returned(unsigned long long* ctx) {
  const fl_u64 now = bpf_ktime_get_ns();
  struct fl_thread* thread = lock_thread(ctx);
  const fl_u32 kind = lock_kind(ctx);
  if (!thread) return 0;
  if (lock_success(ctx)) {
    /* A downgrade: mmap_write_downgrade() says that it has the lock for reading now. */
    if (kind == FL_LOCK_mmap_read)
      lock_released(&thread->locks[FL_LOCK_mmap_write], FL_LOCK_mmap_write, thread->tid, now);
    lock_had(&thread->locks[kind], kind, thread->tid, now);
  }
  return 0;
}
SEC("raw_tp") int mmap_lock_released(unsigned long long* ctx) {
  const fl_u64 now = bpf_ktime_get_ns();
  struct fl_thread* thread = lock_thread(ctx);
  const fl_u32 kind = lock_kind(ctx);
  if (thread) lock_released(&thread->locks[kind], kind, thread->tid, now);
  return 0;
}

/*
 * Before v5.11 there are no such tracepoints. The semaphore's own functions tell the same, where it
 * is the mm's: down_read(), down_read_trylock(), up_read(), down_write_killable(),
 * downgrade_write(), up_write().
 */
static __always_inline struct fl_thread* sem_thread(const void* ctx, fl_u64 sem) {
  const struct task_struct* task = (const struct task_struct*)bpf_get_current_task();
  const struct mm_struct* mm = BPF_CORE_READ(task, mm);
  if (sem != (fl_u64)mm + bpf_core_field_offset(struct mm_struct, mmap_lock)) return 0;
  return lock_thread(ctx);
}

#define FL_SEM(name, section, argument, body)             \
  SEC(section) int name(unsigned long long* ctx) {        \
    const fl_u64 now = bpf_ktime_get_ns();                \
    struct fl_thread* thread = sem_thread(ctx, argument); \
    if (thread) body;                                     \
    return 0;                                             \
  }

FL_SEM(sem_read_ask, "fentry", CONTEXT_WORD(ctx, 0),
       lock_asked(&thread->locks[FL_LOCK_mmap_read], now))
FL_SEM(sem_write_ask, "fentry", CONTEXT_WORD(ctx, 0),
       lock_asked(&thread->locks[FL_LOCK_mmap_write], now))
FL_SEM(sem_read_had, "fexit", CONTEXT_WORD(ctx, 0),
       lock_had(&thread->locks[FL_LOCK_mmap_read], FL_LOCK_mmap_read, thread->tid, now))
FL_SEM(sem_write_had, "fexit", CONTEXT_WORD(ctx, 0),
       lock_had(&thread->locks[FL_LOCK_mmap_write], FL_LOCK_mmap_write, thread->tid, now))
FL_SEM(sem_read_tried, "fexit", CONTEXT_WORD(ctx, 0), {
  if (CONTEXT_WORD(ctx, 1) & 1)
    lock_had(&thread->locks[FL_LOCK_mmap_read], FL_LOCK_mmap_read, thread->tid, now);
})
FL_SEM(sem_read_release, "fentry", CONTEXT_WORD(ctx, 0),
       lock_released(&thread->locks[FL_LOCK_mmap_read], FL_LOCK_mmap_read, thread->tid, now))
FL_SEM(sem_downgrade, "fentry", CONTEXT_WORD(ctx, 0), {
  lock_released(&thread->locks[FL_LOCK_mmap_write], FL_LOCK_mmap_write, thread->tid, now);
  lock_had(&thread->locks[FL_LOCK_mmap_read], FL_LOCK_mmap_read, thread->tid, now);
})
FL_SEM(sem_write_release, "fentry", CONTEXT_WORD(ctx, 0),
       lock_released(&thread->locks[FL_LOCK_mmap_write], FL_LOCK_mmap_write, thread->tid, now))

/* lock_vma_under_rcu(mm, address), since v6.4; released by vma_end_read(), which is inlined right
 * after handle_mm_fault(). */
FL_ENTER(vma_ask, {
  const fl_u64 now = bpf_ktime_get_ns();
  struct fl_thread* thread = lock_thread(ctx);
  if (thread) lock_asked(&thread->locks[FL_LOCK_vma], now);
})

static __always_inline void vma_had(const void* ctx, fl_u64 vma) {
  const fl_u64 now = bpf_ktime_get_ns();
  struct fl_thread* thread = lock_thread(ctx);
  if (!thread) return;
  if (vma) {
    lock_had(&thread->locks[FL_LOCK_vma], FL_LOCK_vma, thread->tid, now);
    thread->vma_locked = 1;
  } else {
    thread->locks[FL_LOCK_vma].since = 0;
  }
}
SEC("fexit") int vma_had_fexit(unsigned long long* ctx) {
  vma_had(ctx, CONTEXT_WORD(ctx, 2));
  return 0;
}
SEC("kretprobe") int vma_had_kretprobe(struct pt_regs* ctx) {
  vma_had(ctx, PT_REGS_RC(ctx));
  return 0;
}

/* handle_mm_fault() returns, and vma_end_read() follows at once: the VMA's lock is let go. */
FL_LEAVE(vma_release, {
  const fl_u64 now = bpf_ktime_get_ns();
  struct fl_thread* thread = thread_of(key_of(ctx));
  if (thread->vma_locked) {
    thread->vma_locked = 0;
    lock_released(&thread->locks[FL_LOCK_vma], FL_LOCK_vma, thread->tid, now);
  }
})
