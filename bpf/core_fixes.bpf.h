/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where the kernel's types drifted: each entry with the commit or version that made it necessary.
 */
#pragma once

/* clang-format off */
#include <linux/types.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

/* clang-format on */

#include "bpf/sample.h"

/* include/linux/mm_types.h, same value 5.10 to 7.3. */
enum fault_flag { FAULT_FLAG_WRITE = 1 };

/* The fields read: with CO-RE the type need not be whole. */
struct vm_fault {
  enum fault_flag flags;
  unsigned long address;
} __attribute__((preserve_access_index));

/* vm_fault.flags was an unsigned int before "mm/doc: turn fault flags into an
 * enum" (between 5.10 and 6.1); CO-RE takes an int and an enum for different fields. */
struct vm_fault___int_flags {
  unsigned int flags;
} __attribute__((preserve_access_index));

/* By direct access: for fentry, whose arguments are typed. */
static __always_inline fl_u32 fault_flags(const struct vm_fault* vmf) {
  if (bpf_core_field_exists(vmf->flags)) return vmf->flags;
  return ((const struct vm_fault___int_flags*)vmf)->flags;
}

/* The same by a checked read: for kprobes. */
static __always_inline fl_u32 fault_flags_read(const struct vm_fault* vmf) {
  if (bpf_core_field_exists(vmf->flags)) return BPF_CORE_READ(vmf, flags);
  return BPF_CORE_READ((const struct vm_fault___int_flags*)vmf, flags);
}
