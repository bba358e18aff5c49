/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The body that all probes share: enter() notes the time in the thread's slot, leave() adds what
 * has passed to the counters. Where a program attaches is decided in user space (harness/probe.cc).
 */
#pragma once

/* bpf_helpers.h needs the types of linux/bpf.h before it. */
/* clang-format off */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
/* clang-format on */

/* The verifier must see the bound on the register that indexes. */
#define FL_BEFORE_BOUND(index) asm volatile("" : "+r"(index))
#include "bpf/histogram.h"
#include "bpf/sample.h"

enum {
#define VM_FAULT(id, bit) VM_FAULT_##id = (bit),
#include "bpf/vm_fault.def"
#undef VM_FAULT
  /* VM_FAULT_ERROR, less FALLBACK. */
  VM_FAULT_FAILED = VM_FAULT_OOM | VM_FAULT_SIGBUS | VM_FAULT_SIGSEGV | VM_FAULT_HWPOISON |
                    VM_FAULT_HWPOISON_LARGE
};

struct fl_slot {
  fl_u32 tid; /* 0: free */
  fl_u32 order;
  fl_u64 start;
  fl_u64 address;
  fl_u64 retrying; /* 1: between two attempts of one fault, whose time goes on */
};

/* In a section of its own, so that user space can read and reset it whole. */
struct fl_state state SEC(".data.state");
static struct fl_slot slots[FL_SLOTS];

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 1 << 22);
} samples SEC(".maps");

/* Set before load. */
const volatile fl_u32 probe_type = 0;
/* Number of arguments of the hooked function: fexit finds the return value behind them. */
const volatile fl_u32 arguments = 1;

/* In assembly: the compiler would fold the loads into one at a computed offset, which the verifier
 * refuses for a context. The branches not taken are cut at load, `arguments` being read-only. */
#define CONTEXT_WORD(ctx, index)                                                      \
  ({                                                                                  \
    fl_u64 word;                                                                      \
    asm volatile("%0 = *(u64 *)(%1 + %2)" : "=r"(word) : "r"(ctx), "i"(8 * (index))); \
    word;                                                                             \
  })

static __always_inline fl_u64 fexit_return(const unsigned long long* ctx) {
  if (arguments == 1) return CONTEXT_WORD(ctx, 1);
  if (arguments == 2) return CONTEXT_WORD(ctx, 2);
  if (arguments == 3) return CONTEXT_WORD(ctx, 3);
  return 0;
}

/* True when the event is one of ours, or the probe serves every process. */
static __always_inline bool ours(fl_u64 pid_tgid) {
  return !state.tgid || state.tgid == pid_tgid >> 32;
}

static __always_inline void enter(fl_u64 address, fl_u32 order) {
  fl_u64 id = bpf_get_current_pid_tgid();
  fl_u32 tid = id;
  struct fl_slot* slot = &slots[tid & (FL_SLOTS - 1)];
  if (!ours(id)) return;
  if (slot->tid) {
    if (slot->tid != tid) {
      __sync_fetch_and_add(&state.slots, 1);
      return;
    }
    if (slot->retrying) {
      slot->retrying = 0;
      if (slot->address == address) return;
    }
  }
  slot->tid = tid;
  slot->order = order;
  slot->address = address;
  slot->start = bpf_ktime_get_ns();
}

static __always_inline void leave(fl_u32 result) {
  fl_u64 now = bpf_ktime_get_ns();
  fl_u64 id = bpf_get_current_pid_tgid();
  fl_u32 tid = id;
  struct fl_slot* slot = &slots[tid & (FL_SLOTS - 1)];
  struct fl_sample* sample;
  fl_u64 duration;
  if (slot->tid != tid) return;
  if (result & VM_FAULT_RETRY) {
    slot->retrying = 1;
    __sync_fetch_and_add(&state.fallbacks, 1);
    return;
  }
  slot->tid = 0;
  if (result & VM_FAULT_FALLBACK) {
    __sync_fetch_and_add(&state.fallbacks, 1);
    return;
  }
  if (result & VM_FAULT_FAILED) {
    __sync_fetch_and_add(&state.errors, 1);
    return;
  }
  duration = now - slot->start;
  __sync_fetch_and_add(&state.count, 1);
  __sync_fetch_and_add(&state.sum, duration);
  __sync_fetch_and_add(&state.buckets[bucket_of(duration)], 1);
  if (slot->order) __sync_fetch_and_add(&state.huge, 1);
  if (duration > state.max) state.max = duration;
  if (!state.sampling) return;
  sample = bpf_ringbuf_reserve(&samples, sizeof(*sample), 0);
  if (!sample) {
    __sync_fetch_and_add(&state.dropped, 1);
    return;
  }
  sample->type = probe_type;
  sample->tid = tid;
  sample->start = slot->start;
  sample->duration = duration;
  sample->address = slot->address;
  sample->result = result;
  sample->order = slot->order;
  /* Read after the measured part: nobody need be woken. */
  bpf_ringbuf_submit(sample, BPF_RB_NO_WAKEUP);
}

/*
 * The four programs of a probe. BODY_ENTER and BODY_RESULT say what is done with the first two
 * arguments and the return value; user space loads the fentry/fexit pair or the kprobe pair.
 */
#define FL_PROGRAMS(ENTER_FENTRY, ENTER_KPROBE, RESULT_FEXIT, RESULT_KRETPROBE) \
  SEC("fentry") int fentry_enter(unsigned long long* ctx) {                     \
    ENTER_FENTRY;                                                               \
    return 0;                                                                   \
  }                                                                             \
  SEC("fexit") int fexit_leave(unsigned long long* ctx) {                       \
    leave(RESULT_FEXIT);                                                        \
    return 0;                                                                   \
  }                                                                             \
  SEC("kprobe") int kprobe_enter(struct pt_regs* ctx) {                         \
    ENTER_KPROBE;                                                               \
    return 0;                                                                   \
  }                                                                             \
  SEC("kretprobe") int kretprobe_leave(struct pt_regs* ctx) {                   \
    leave(RESULT_KRETPROBE);                                                    \
    return 0;                                                                   \
  }                                                                             \
  char license_name[] SEC("license") = "GPL"
