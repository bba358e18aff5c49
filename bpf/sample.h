/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the probes and the harness share: the counters, the slots of threads, one record per sample.
 * Fixed-width types only; the sizes are asserted on both sides. Times are nanoseconds of the
 * kernel's monotonic clock: under -icount shift=0 one nanosecond is one instruction.
 */
#pragma once

#ifdef __cplusplus
#include <cstdint>
#define FL_ASSERT_SIZE(type, size) static_assert(sizeof(type) == (size), #type " is the ABI")
using fl_u32 = uint32_t;
using fl_u64 = uint64_t;
#else
#define FL_ASSERT_SIZE(type, size) _Static_assert(sizeof(type) == (size), #type " is the ABI")
typedef unsigned int fl_u32;
typedef unsigned long long fl_u64;
#endif

enum fl_phase {
#define PHASE(id, what) FL_PHASE_##id,
#include "bpf/phases.def"
#undef PHASE
  FL_PHASES,
  FL_PHASE_other = FL_PHASES
};

enum fl_mark {
#define MARK(id, ends, begins, point) FL_MARK_##id,
#include "bpf/marks.def"
#undef MARK
  FL_MARKS_END
};

/* What a sample is of. */
enum fl_kind {
#define PROBE(id, what) FL_KIND_##id,
#include "bpf/probes.def"
#undef PROBE
  FL_KIND_lock_wait, /* for mmap_lock or a VMA's lock */
  FL_KIND_lock_hold,
  FL_KIND_phase, /* + enum fl_phase */
};

/*
 * Log-linear histogram: values below FL_SUB have a bucket each, above them every power of two is
 * cut into FL_SUB equal buckets, so a bucket is at most 1/32 (3.1 %) wide. The last takes all from
 * 2^40 on.
 */
#define FL_SUB_BITS 5
#define FL_SUB (1 << FL_SUB_BITS)
#define FL_BUCKETS 1152

/* Durations of one probe that do not fit into a thread's log. */
struct fl_overflow {
  fl_u64 count;
  fl_u64 sum;
  fl_u64 max;
  fl_u64 buckets[FL_BUCKETS];
};
FL_ASSERT_SIZE(struct fl_overflow, 24 + 8 * FL_BUCKETS);

/* Why a huge fault fell back (fs/dax.c, dax_fault_check_fallback and after it), in that order. */
enum fl_fallback {
  FL_FALLBACK_alignment, /* address and file offset differ in colour */
  FL_FALLBACK_flag,      /* a private mapping */
  FL_FALLBACK_mapping,   /* the VMA does not cover the 2 MiB */
  FL_FALLBACK_size,      /* the file does not */
  FL_FALLBACK_extent,    /* the blocks are not contiguous and aligned */
  FL_FALLBACKS
};

/* Who asked for a commit or a log force. */
enum fl_asker {
  FL_ASKER_kernel, /* nobody waits: the timer, or space in the log */
  FL_ASKER_fault,
  FL_ASKER_fsync,
  FL_ASKERS
};

/* The slots of threads. A thread's kernel stack says which is its own; two threads that meet in one
 * are counted in `lost`. */
#define FL_THREADS 64
/* Durations that a thread's log holds: more than a default cell has faults. */
#define FL_LOG 2048

struct fl_lock {
  fl_u64 count;
  fl_u64 wait; /* time until it was had */
  fl_u64 hold; /* time until it was released */
  fl_u64 wait_max;
  fl_u64 hold_max;
  fl_u64 since; /* in flight: asked for, then had */
};
enum fl_lock_kind { FL_LOCK_mmap_read, FL_LOCK_mmap_write, FL_LOCK_vma, FL_LOCKS };

struct fl_thread {
  fl_u32 key;        /* of the thread whose fault is in flight; 0: none */
  fl_u32 tid;        /* once it is known */
  fl_u64 start;      /* of that fault */
  fl_u64 last;       /* the last mark */
  fl_u64 sync_start; /* 0: no sync in flight */
  fl_u64 off;        /* went off the CPU within a sync; 0: it is on */
  fl_u64 waited;     /* time off the CPU within syncs */
  fl_u64 work_start; /* of the commit that this thread does */
  fl_u64 address;    /* of the fault in flight; kept while sampling alone */
  fl_u64 link;       /* transaction that the sync in flight waits for */
  fl_u32 faults;     /* entries in the fault log */
  fl_u32 syncs;      /* entries in the sync log */
  fl_u32 huge;       /* faults of order above 0 */
  fl_u32 order;      /* of the fault that syncs */
  fl_u32 vma_locked;
  fl_u32 lock_key;          /* of the thread that took locks */
  fl_u64 phases[FL_PHASES]; /* time, over all faults */
  fl_u64 marks[FL_MARKS_END];
  struct fl_lock locks[FL_LOCKS];
  /* Durations in the order in which they came. */
  fl_u64 fault_log[FL_LOG];
  fl_u64 sync_log[FL_LOG];
};
FL_ASSERT_SIZE(struct fl_thread,
               96 + 8 * FL_PHASES + 8 * FL_MARKS_END + 48 * FL_LOCKS + 16 * FL_LOG);

struct fl_state {
  fl_u32 tgid;       /* only this process, where the programs were loaded to ask */
  fl_u32 error_bits; /* VM_FAULT_* that the attempts counted in `errors` ended in, all together */
  fl_u64 device; /* dev_t in the kernel's own form; commits of other devices do not count; 0: any */
  fl_u64 retries; /* attempts that asked to be made again */
  fl_u64 errors;  /* attempts that ended in VM_FAULT_ERROR */
  fl_u64 lost;    /* events lost because two threads shared a slot */
  fl_u64 dropped; /* records lost because the ring buffer was full */
  fl_u64 fallbacks[FL_FALLBACKS];
  /* The journal. */
  fl_u64 commit_start;
  fl_u64 blocks_logged;     /* by jbd2 commits */
  fl_u64 last_blocks;       /* by the one that ends */
  fl_u64 fast_blocks;       /* by fast commits */
  fl_u64 asked[FL_ASKERS];  /* commits, by who asked */
  fl_u64 forces[FL_ASKERS]; /* XFS log forces, by who asked */
  fl_u64 served_faults;     /* faults that waited for a commit */
  fl_u64 served_fsyncs;
  fl_u32 pending_asker; /* of the CIL push to come */
  fl_u32 pending_faults;
  fl_u32 pending_fsyncs;
  fl_u32 pushes; /* of the CIL, so far */
  struct fl_overflow faults;
  struct fl_overflow syncs;
  struct fl_overflow commits; /* no log: these are few */
  struct fl_overflow fast_commits;
};
FL_ASSERT_SIZE(struct fl_state,
               48 + 8 * FL_FALLBACKS + 32 + 16 * FL_ASKERS + 32 + 4 * sizeof(struct fl_overflow));

/* What interrupted a measured loop, and how long for. */
enum fl_interruption_kind {
#define INTERRUPTION(id, what) FL_INTERRUPTION_##id,
#include "bpf/interruptions.def"
#undef INTERRUPTION
  FL_INTERRUPTIONS
};
struct fl_interruption_key {
  fl_u32 kind;
  fl_u32 pad;
  fl_u64 what;   /* address of a function; softirq: its number; else 0 */
  char name[16]; /* of a thread */
};
FL_ASSERT_SIZE(struct fl_interruption_key, 32);
/* Calls that are open, by CPU: an interrupt's end and a worker's work may be open at once, but of
 * each kind one. */
struct fl_open {
  fl_u64 since; /* 0: none is */
  struct fl_interruption_key key;
};
#define FL_CPUS 8
struct fl_interruption {
  fl_u64 count;
  fl_u64 sum;
  fl_u64 max;
};
FL_ASSERT_SIZE(struct fl_interruption, 24);

/* One event, in the ring buffer. */
struct fl_sample {
  fl_u32 kind; /* enum fl_kind */
  fl_u32 tid;
  fl_u64 start;
  fl_u64 duration;
  fl_u64 address; /* of the fault; of a commit, bytes that it logged; else 0 */
  fl_u32 result;  /* VM_FAULT_*; of a commit, the thread that asked; of a lock, enum fl_lock_kind */
  fl_u32 order;   /* of the fault: 0 pte, 9 pmd; of a commit, how many faults it served */
  fl_u64 link;    /* of a commit, its transaction; of a sync, the one it waited for; else 0 */
};
FL_ASSERT_SIZE(struct fl_sample, 48);
