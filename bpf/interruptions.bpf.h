/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What else ran while a cell was measured. Nothing here is met by a fault, so the length of the
 * measured path stays what it is: only the interruptions grow.
 */
#pragma once

#include "bpf/probe.bpf.h"

static struct fl_open opened[FL_CPUS * FL_INTERRUPTIONS] SEC(".data.opened");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 256);
  __type(key, struct fl_interruption_key);
  __type(value, struct fl_interruption);
} interruptions SEC(".maps");

static __always_inline struct fl_open* open_of(fl_u32 kind) {
  fl_u32 index = (bpf_get_smp_processor_id() & (FL_CPUS - 1)) * FL_INTERRUPTIONS + kind;
  FL_BEFORE_BOUND(index);
  if (index >= FL_CPUS * FL_INTERRUPTIONS) return 0;
  return &opened[index];
}

static __always_inline void interrupted(fl_u32 kind) {
  struct fl_open* open = open_of(kind);
  if (!open || !open->since) return;
  const fl_u64 took = bpf_ktime_get_ns() - open->since;
  open->since = 0;
  struct fl_interruption* seen = bpf_map_lookup_elem(&interruptions, &open->key);
  if (!seen) {
    const struct fl_interruption fresh = {};
    bpf_map_update_elem(&interruptions, &open->key, &fresh, BPF_NOEXIST);
    seen = bpf_map_lookup_elem(&interruptions, &open->key);
    if (!seen) {
      __sync_fetch_and_add(&state.lost, 1);
      return;
    }
  }
  seen->count += 1;
  seen->sum += took;
  if (took > seen->max) seen->max = took;
}

static __always_inline void interrupts(fl_u32 kind, fl_u64 what, const char* comm) {
  struct fl_open* open = open_of(kind);
  if (!open) return;
  open->key.kind = kind;
  open->key.pad = 0;
  open->key.what = what;
  __builtin_memset(open->key.name, 0, sizeof(open->key.name));
  if (comm) bpf_probe_read_kernel_str(open->key.name, sizeof(open->key.name), comm);
  open->since = bpf_ktime_get_ns();
}

/* The programs where a kind of interruption begins and ends. `what` tells one from another of its
 * kind. */
#define FL_INTERRUPTION_PAIR(id, what)                    \
  SEC("raw_tp") int id##_enter(unsigned long long* ctx) { \
    interrupts(FL_INTERRUPTION_##id, what, 0);            \
    return 0;                                             \
  }                                                       \
  SEC("raw_tp") int id##_leave(unsigned long long* ctx) { \
    interrupted(FL_INTERRUPTION_##id);                    \
    return 0;                                             \
  }
#define FL_FUNCTION(type, field) (fl_u64) BPF_CORE_READ((const struct type*)ctx[0], field)

/* irq_vectors:local_timer_entry(vector), arch/x86/kernel/apic/apic.c. */
FL_INTERRUPTION_PAIR(tick, 0)
/* irq:softirq_entry(vec_nr), kernel/softirq.c. */
FL_INTERRUPTION_PAIR(softirq, (fl_u32)ctx[0])
/* timer:timer_expire_entry(timer, baseclk), kernel/time/timer.c. */
FL_INTERRUPTION_PAIR(timer, FL_FUNCTION(timer_list, function))
/* timer:hrtimer_expire_entry(hrtimer, now), kernel/time/hrtimer.c. */
FL_INTERRUPTION_PAIR(hrtimer, FL_FUNCTION(hrtimer, function))
/* workqueue:workqueue_execute_start(work), kernel/workqueue.c. Work that sleeps, and lets other
 * work of its CPU begin meanwhile, is not counted. */
FL_INTERRUPTION_PAIR(work, FL_FUNCTION(work_struct, func))

/* sched:sched_switch(preempt, prev, next): whoever runs while the measured process does not. */
SEC("raw_tp") int switched(unsigned long long* ctx) {
  const struct task_struct* next = (const struct task_struct*)ctx[2];
  interrupted(FL_INTERRUPTION_thread);
  if ((fl_u32)BPF_CORE_READ(next, tgid) != state.tgid)
    interrupts(FL_INTERRUPTION_thread, 0, (const char*)&next->comm);
  return 0;
}
