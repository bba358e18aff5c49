/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What all programs share: the state, the slot of the running thread, what becomes of a duration.
 * Where a program attaches is decided in user space (harness/attach.cc).
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
#include "bpf/core_fixes.bpf.h"
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

/* It has a section of its own, so that user space finds it by name. */
struct fl_state state SEC(".data.state");
/* They are the only thing in .bss, so that the object does not carry their 2 MiB. */
struct fl_thread threads[FL_THREADS];

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 1 << 24);
} samples SEC(".maps");

/* What a program does beside the one thing that it is there for. A constant of each program, not of
 * the object: a test of a read-only variable costs its load, even where the branch is cut out. */
enum fl_mode {
  FL_LEAN = 0,
  FL_MARKS = 1,  /* marks between the phases */
  FL_RECORD = 2, /* a record per event goes to the ring buffer */
  FL_FILTER = 4, /* only the process state.tgid counts */
};

/* User space sets these three before it loads the object. */
/* Not 0 if a record per event goes to the ring buffer, for the programs that have no fl_mode: those
 * of the journal and of the locks. */
const volatile fl_u32 sampling = 0;
/* Number of arguments of a file system's handler: fexit finds the return value behind them. */
const volatile fl_u32 handler_arguments = 1;
/* The index of `write` among the arguments of the mmap_lock tracepoints. */
const volatile fl_u32 lock_write_index = 2;

/* A word of a program's context. It is read in assembly, since the compiler would fold loads into
 * one at a computed offset, which the verifier refuses for a context. */
#define CONTEXT_WORD(ctx, index)                                                      \
  ({                                                                                  \
    fl_u64 word;                                                                      \
    asm volatile("%0 = *(u64 *)(%1 + %2)" : "=r"(word) : "r"(ctx), "i"(8 * (index))); \
    word;                                                                             \
  })

/*
 * A program's context lies on the kernel stack of the thread that it interrupts (the trampoline's
 * frame, __bpf_trace_run()'s array, or pt_regs), and x86-64 stacks are 16 KiB, aligned
 * (THREAD_SIZE_ORDER, arch/x86/include/asm/page_64_types.h): its address names the thread, for the
 * price of a shift where bpf_get_current_pid_tgid() costs a call.
 */
#define FL_STACK_SHIFT 14

static __always_inline fl_u32 key_of(const void* ctx) {
  fl_u32 key;
  /* The lower half alone: the verifier refuses a shift of a whole pointer. */
  asm volatile("%0 = %1" : "=w"(key) : "w"((fl_u32)(fl_u64)ctx));
  return key >> FL_STACK_SHIFT;
}

static __always_inline struct fl_thread* thread_of(fl_u32 key) {
  struct fl_thread* thread = &threads[key & (FL_THREADS - 1)];
  /* Else the compiler works the address out anew for each field. */
  asm volatile("" : "+r"(thread));
  return thread;
}

/* The running thread's slot, if a fault of its is in flight. */
static __always_inline struct fl_thread* faulting(const void* ctx) {
  const fl_u32 key = key_of(ctx);
  struct fl_thread* thread = thread_of(key);
  if (thread->key != key) return 0;
  /* Else the compiler may make one scalar of both answers, which the verifier refuses. */
  asm volatile("" : "+r"(thread));
  return thread;
}

static __always_inline fl_u32 tid_now(void) { return (fl_u32)bpf_get_current_pid_tgid(); }

static __always_inline void add_overflow(struct fl_overflow* to, fl_u64 duration) {
  __sync_fetch_and_add(&to->count, 1);
  __sync_fetch_and_add(&to->sum, duration);
  __sync_fetch_and_add(&to->buckets[bucket_of(duration)], 1);
  if (duration > to->max) to->max = duration;
}

static __always_inline void sample(fl_u32 kind, fl_u32 tid, fl_u64 start, fl_u64 end,
                                   fl_u64 address, fl_u32 result, fl_u32 order, fl_u64 link) {
  struct fl_sample* record = bpf_ringbuf_reserve(&samples, sizeof(*record), 0);
  if (!record) {
    __sync_fetch_and_add(&state.dropped, 1);
    return;
  }
  record->kind = kind;
  record->tid = tid;
  record->start = start;
  record->duration = end - start;
  record->address = address;
  record->result = result;
  record->order = order;
  record->link = link;
  /* Read after the measured part: nobody need be woken. */
  bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
}

static const fl_u32 phase_that_ends[] = {
#define MARK(id, ends, begins, point) FL_PHASE_##ends,
#include "bpf/marks.def"
#undef MARK
};

/* Ends the phase that the thread is in. `id` is a constant. */
static __always_inline void mark(struct fl_thread* thread, enum fl_mark id, fl_u64 now,
                                 fl_u32 mode) {
  const fl_u32 phase = phase_that_ends[id];
  thread->phases[phase] += now - thread->last;
  thread->marks[id] += 1;
  if (mode & FL_RECORD && now != thread->last)
    sample(FL_KIND_phase + phase, tid_now(), thread->last, now, 0, 0, 0, 0);
  thread->last = now;
}

/* A function's entry, or its return, as two programs: user space loads the one by fentry (fexit)
 * or, where the kernel has no BTF for the function, the one by kprobe (kretprobe). */
#define FL_ENTER(name, body)                                 \
  SEC("fentry") int name##_fentry(unsigned long long* ctx) { \
    body;                                                    \
    return 0;                                                \
  }                                                          \
  SEC("kprobe") int name##_kprobe(struct pt_regs* ctx) {     \
    body;                                                    \
    return 0;                                                \
  }
#define FL_LEAVE(name, body)                                   \
  SEC("fexit") int name##_fexit(unsigned long long* ctx) {     \
    body;                                                      \
    return 0;                                                  \
  }                                                            \
  SEC("kretprobe") int name##_kretprobe(struct pt_regs* ctx) { \
    body;                                                      \
    return 0;                                                  \
  }
