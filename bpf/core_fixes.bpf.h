/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's types as far as they are read, and where they drifted: each drift with the commit or
 * version that made it necessary. With CO-RE a type need not be whole.
 */
#pragma once

/* clang-format off */
#include <linux/types.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

/* clang-format on */

#include "bpf/sample.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* include/linux/mm.h, mm_types.h. In vm_fault, vma and pgoff went into an anonymous struct in
 * v5.13, which CO-RE looks into. */
struct vm_area_struct {
  unsigned long vm_start;
  unsigned long vm_end;
  unsigned long vm_flags;
};
struct vm_fault {
  struct vm_area_struct* vma;
  unsigned long pgoff;
  unsigned long address;
};
struct rw_semaphore {
  long owner;
};
struct mm_struct {
  struct rw_semaphore mmap_lock;
};

/* include/linux/sched.h. */
struct task_struct {
  void* stack;
  struct mm_struct* mm;
  int tgid;
  char comm[16];
};

/* include/linux/timer.h, hrtimer.h, workqueue.h: the function that is called. */
struct timer_list {
  void* function;
};
struct hrtimer {
  void* function;
};
struct work_struct {
  void* func;
};

/* include/linux/jbd2.h, include/linux/blk_types.h. */
struct block_device {
  unsigned int bd_dev;
};
struct journal_s {
  struct block_device* j_fs_dev;
};
struct transaction_s {
  unsigned int t_tid;
};
struct transaction_run_stats_s {
  unsigned int rs_blocks_logged;
};

#pragma clang attribute pop

/* A bit of vm_flags (include/linux/mm.h), which is the same from 5.10 to 7.3. */
#define VM_SHARED 8UL
